/**
 * `npm start`: a local fleet of three machines in one process, with an example running.
 * Promises: Ctrl-C stops everything it started; a second `npm start` finds what was there; nothing outside the repository's .fleet folder
 * is written.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readConfig } from '../src/config.ts';
import { success, type Result } from '../src/core/failure.ts';
import type { MachineId } from '../src/core/machine.ts';
import { readBootId } from '../src/host/identity.ts';
import { findKeeper } from '../src/fleetd/configuration.ts';
import { runFleetd } from '../src/fleetd/process.ts';
import type { FleetdPlan, MemberPlan } from '../src/fleetd/plan.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const home = join(root, '.fleet');
const socket = join(home, 'fleet.sock');
const apiAddress = '127.0.0.1:49153';

function fleetctl(...args: readonly string[]): number {
  return spawnSync(join(root, 'fleetctl'), args, { stdio: ['ignore', 'inherit', 'inherit'] }).status ?? 1;
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
    config: config.value, members: [member(1), member(2), member(3)], passed: [], listen: [socket, apiAddress],
    keeper: keeper.value, onStop: () => Promise.resolve('leave'),
  });
}

/** Tables of what runs, and how to go on. */
function show(): void {
  process.stdout.write('\n');
  fleetctl('list-machines');
  process.stdout.write('\n');
  fleetctl('list-units');
  process.stdout.write(`
./fleetctl talks to this fleet without further flags:
  ./fleetctl status hello@1.service
  ./fleetctl journal -f hello@1.service
  ./fleetctl start examples/hello@{4..6}.service
  ./fleetctl explain hello@4.service
The API answers on http://${apiAddress}/fleet/v1/units
`);
}

/** Starts the example and shows the tables; runs as a process of its own, so that the fleet goes on answering meanwhile. */
function greet(): void {
  fleetctl('start', join(root, 'examples/hello@1.service'), join(root, 'examples/hello@2.service'), join(root, 'examples/hello@3.service'));
  show();
  process.stdout.write('Ctrl-C stops everything.\n');
}

if (process.argv.includes('--greet')) {
  greet();
} else if (await served()) {
  process.stdout.write('a local fleet is running here already\n');
  show();
} else {
  const stop = new AbortController();
  // A terminal and npm may each send the signal: once is enough, and the second one must not cut the stopping short.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stop.abort());
  const planned = await plan();
  const ended = !planned.ok ? planned : await runFleetd(planned.value, {
    signal: stop.signal,
    onReady() {
      const args = ['--disable-warning=ExperimentalWarning', fileURLToPath(import.meta.url), '--greet'];
      spawn(process.execPath, args, { stdio: 'inherit' }).on('error', (error) => process.stderr.write(`${error.message}\n`));
    },
  });
  process.exitCode = ended.ok ? 0 : 1;
  if (!ended.ok) process.stderr.write(`${ended.failure.message}\n`);
}
