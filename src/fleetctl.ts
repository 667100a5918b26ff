/**
 * The program fleetctl: gives the process around it to runFleetctl.
 * Promises: nothing but wiring; the exit code is runFleetctl's; what only some commands need is loaded when one of them
 * asks for it, Node's own modules too: loading HTTP and TLS takes longer than all of `fleetctl version`.
 */
import { existsSync, readFile } from 'node:fs';
import { runFleetctl } from './cli/run.ts';
import { standardError, standardOutput } from './fleetctl/output.ts';
import { processTerminal, releaseTerminal } from './fleetctl/terminal.ts';
import { systemClock } from './lib/system-clock.ts';
import { version } from './lib/version.ts';

const interruption = new AbortController();
// The second signal finds no listener and ends the process at once.
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => interruption.abort(new Error(`ended by ${signal}`)));

const ended = runFleetctl(process.argv.slice(2), {
  env: process.env,
  cwd: process.cwd(),
  isRoot: process.getuid?.() === 0,
  version,
  stdout: standardOutput,
  stderr: standardError,
  clock: systemClock,
  random: { next: Math.random },
  interrupted: interruption.signal,
  // Not node:fs/promises: to load it takes longer than to read a unit file.
  readFile: (path) => new Promise((resolve, reject) => {
    readFile(path, (error, bytes) => (error === null ? resolve(bytes) : reject(error)));
  }),
  fileExists: async (path) => existsSync(path),
  replaceFile: async (path, text) => (await import('./fleetctl/replace-file.ts')).replaceFile(path, text),
  writePrivately: async (path, pieces) => (await import('./fleetctl/private-file.ts')).writePrivately(path, pieces),
  async *readPieces(path) {
    yield* (await import('./fleetctl/private-file.ts')).readPieces(path);
  },
  removeFile: async (path) => (await import('./fleetctl/replace-file.ts')).removeFile(path),
  runShell: async (command, signal) => (await import('./fleetctl/run-shell.ts')).runShell(command, signal),
  connect: async (options) => (await import('./client/client.ts')).createClient(options),
  openSsh: async (destination, options, signal) => {
    const needs = { clock: systemClock, terminal: processTerminal, agent: process.env['SSH_AUTH_SOCK'] ?? '' };
    return (await import('./ssh/open.ts')).createOpenSsh(needs)(destination, options, signal);
  },
  forwardToSocket: async (path, signal) =>
    (await import('./fleetctl/forward-socket.ts')).forwardToSocket(path, { stdin: process.stdin, stdout: standardOutput.stream() }, signal),
  openEtcdDriver: async (options, signal) =>
    (await import('./fleetctl/etcd-driver.ts')).openEtcdDriver(options, signal),
});
// No top-level await: the bundle of the built executable is CommonJS.
ended.then(end, (error: unknown) => {
  standardError.write(
    `fleetctl: internal error, please report it: ${error instanceof Error ? error.stack : String(error)}\n`,
  );
  end(1);
});

/** Ends at once when all is printed; otherwise when the streams have written it. */
function end(code: number): void {
  releaseTerminal();
  process.exitCode = code;
  if (standardOutput.isWritten() && standardError.isWritten()) process.exit();
}
