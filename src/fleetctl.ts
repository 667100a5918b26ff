/**
 * The program fleetctl: gives the process around it to runFleetctl.
 * Promises: nothing but wiring; the exit code is runFleetctl's.
 */
import { access, readFile } from 'node:fs/promises';
import { runFleetctl } from './cli/run.ts';
import { createClient } from './client/client.ts';
import { forwardToSocket } from './fleetctl/forward-socket.ts';
import { readPieces, writePrivately } from './fleetctl/private-file.ts';
import { processTerminal, releaseTerminal } from './fleetctl/terminal.ts';
import { removeFile, replaceFile } from './fleetctl/replace-file.ts';
import { runShell } from './fleetctl/run-shell.ts';
import { systemClock } from './lib/system-clock.ts';
import { version } from './lib/version.ts';

const interruption = new AbortController();
// The second signal finds no listener and ends the process at once.
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => interruption.abort(new Error(`ended by ${signal}`)));
// Whoever reads the output may stop reading (`| head`): that is no fault of the command.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

const ended = runFleetctl(process.argv.slice(2), {
  env: process.env,
  cwd: process.cwd(),
  isRoot: process.getuid?.() === 0,
  version,
  stdout: process.stdout,
  stderr: process.stderr,
  clock: systemClock,
  random: { next: Math.random },
  interrupted: interruption.signal,
  readFile: (path) => readFile(path),
  fileExists: (path) =>
    access(path).then(
      () => true,
      () => false,
    ),
  replaceFile,
  writePrivately,
  readPieces,
  removeFile,
  runShell,
  connect: createClient,
  openSsh: async (destination, options, signal) => {
    const needs = { clock: systemClock, terminal: processTerminal, agent: process.env['SSH_AUTH_SOCK'] ?? '' };
    return (await import('./ssh/open.ts')).createOpenSsh(needs)(destination, options, signal);
  },
  forwardToSocket: (path, signal) => forwardToSocket(path, process, signal),
  // Loaded only when asked for: gRPC and the API double the time fleetctl takes to start.
  openEtcdDriver: async (options, signal) =>
    (await import('./fleetctl/etcd-driver.ts')).openEtcdDriver(options, signal),
});
// No top-level await: the bundle of the built executable is CommonJS.
ended.then(
  (code) => {
    releaseTerminal();
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(
      `fleetctl: internal error, please report it: ${error instanceof Error ? error.stack : String(error)}\n`,
    );
    process.exitCode = 1;
  },
);
