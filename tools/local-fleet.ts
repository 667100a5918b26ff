/**
 * `npm start`: a local fleet of three machines in one process, with an example running.
 * Promises: Ctrl-C, and closing the terminal, stop everything it started; a second `npm start` finds what was there; nothing outside the
 * repository's .fleet folder, or the folder that was named, is written.
 *   node tools/local-fleet.ts [FOLDER]
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readConfig } from '../src/config.ts';
import { success, type Result } from '../src/core/failure.ts';
import type { MachineId } from '../src/core/machine.ts';
import { readBootId } from '../src/host/identity.ts';
import { findKeeper } from '../src/fleetd/configuration.ts';
import { runFleetd } from '../src/fleetd/process.ts';
import type { FleetdPlan, MemberPlan } from '../src/fleetd/plan.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const isGreeting = process.argv[2] === '--greet';
const home = resolve(process.argv[isGreeting ? 3 : 2] ?? join(root, '.fleet'));
const socket = join(home, 'fleet.sock');
/** Where the URL of the API stands, for those who come later. */
const urlFile = join(home, 'api-url');
/** Port of fleet 1.0's API. */
const usualPort = 49_153;

function fleetctl(...args: readonly string[]): void {
  spawnSync(join(root, 'fleetctl'), args, { stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, FLEETCTL_ENDPOINT: `unix://${socket}` } });
}

/** The usual port, or 0, which means any, when somebody else has it. */
function apiPort(): Promise<number> {
  return new Promise((found) => {
    const probe = createServer().once('error', () => found(0));
    probe.listen(usualPort, '127.0.0.1', () => probe.close(() => found(usualPort)));
  });
}

function served(): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(socket, () => { probe.destroy(); resolve(true); });
    probe.once('error', () => resolve(false));
  });
}

async function plan(): Promise<Result<FleetdPlan>> {
  const config = readConfig({
    file: { name: 'npm start', text: 'store=embedded\nrunner=supervisor\npeer_listen=\non_stop=leave' }, environment: {},
    defaults: { dataDirectory: join(home, 'data'), unitsDirectory: join(home, 'units') },
  });
  if (!config.ok) return config;
  const keeper = await findKeeper(join(home, 'data'));
  if (!keeper.ok) return keeper;
  const bootId = await readBootId();
  const member = (number: number): MemberPlan => {
    const at = join(home, `machine-${number}`);
    return {
      id: createHash('md5').update(`${home} ${number}`).digest('hex') as MachineId, hostname: `machine-${number}`, bootId,
      address: `127.0.0.${number}`, metadata: { zone: number === 3 ? 'b' : 'a' }, runner: 'supervisor',
      reserve: { memory: config.value.reservedMemory, cpuMillis: config.value.reservedCpuMillis },
      unitsDirectory: join(at, 'units'), stateDirectory: join(at, 'state'), dataDirectory: join(at, 'data'),
    };
  };
  return success({
    config: config.value, members: [member(1), member(2), member(3)], passed: [], listen: [socket, `127.0.0.1:${await apiPort()}`],
    keeper: keeper.value, onStop: () => Promise.resolve('leave'),
  });
}

/** Tables of what runs, and how to go on. */
async function show(): Promise<void> {
  const url = await readFile(urlFile, 'utf8');
  process.stdout.write('\n');
  fleetctl('list-machines');
  process.stdout.write('\n');
  fleetctl('list-units');
  process.stdout.write(`
./fleetctl talks to this fleet without further flags:
  ./fleetctl status hello@1.service
  ./fleetctl journal -f hello@1.service
  ./fleetctl start hello@{4..6}.service
  ./fleetctl explain hello@4.service
  ./fleetctl start examples/apps@{1..3}.service    # web servers on the ports 20001 to 20003
  ./fleetctl ports
The API answers on ${url}/fleet/v1/units
`);
}

/** Starts the example and shows the tables; runs as a process of its own, so that the fleet goes on answering meanwhile. */
async function greet(): Promise<void> {
  fleetctl('submit', join(root, 'examples/hello@.service'));
  fleetctl('start', 'hello@{1..3}.service');
  await show();
  process.stdout.write('Ctrl-C stops everything.\n');
}

if (isGreeting) {
  await greet();
} else if (await served()) {
  process.stdout.write('a local fleet is running here already\n');
  await show();
} else {
  const stop = new AbortController();
  // A terminal and npm may each send the signal: once is enough, and the second one must not cut the stopping short.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop.abort());
  const planned = await plan();
  const ended = !planned.ok ? planned : await runFleetd(planned.value, {
    signal: stop.signal,
    onReady(urls) {
      writeFileSync(urlFile, urls.find((url) => url.startsWith('http:')) ?? '');
      const args = ['--disable-warning=ExperimentalWarning', fileURLToPath(import.meta.url), '--greet', home];
      spawn(process.execPath, args, { stdio: 'inherit' }).on('error', (error) => process.stderr.write(`${error.message}\n`));
    },
  });
  process.exitCode = ended.ok ? 0 : 1;
  if (!ended.ok) process.stderr.write(`${ended.failure.message}\n`);
}
