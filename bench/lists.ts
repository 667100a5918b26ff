/**
 * How long lists take from end to end: the built fleetctl as a process, against the API over a unix socket.
 *   node bench/lists.ts [--rows] [UNITS]...
 * The API stands over a memory store that holds units, assignments and statuses as engine and agents write them. Printed are the least and the
 * middle time of a command, the CPU that the API and this script took for each, and the longest that the API's event loop was blocked. With
 * --rows each list is a line of JSON for the benchmark.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { fakeMachine, putAssignment, putMachine, putStatus, startFakeFleetd, type FakeFleetd } from '../src/api/fake-fleetd.ts';
import { systemClock } from '../src/lib/system-clock.ts';
import { createMemoryStore } from '../src/store/memory-store.ts';
import { parseUnitFile, printUnitFile } from '../src/core/unit-file.ts';
import { hashUnitFile } from '../src/core/unit-hash.ts';
import type { UnitName } from '../src/core/unit-name.ts';
import { keys } from '../src/store/keys.ts';
import { encodeRecord } from '../src/store/records.ts';
import type { CommitChange } from '../src/store/store.ts';

const fleetctl = join(dirname(dirname(fileURLToPath(import.meta.url))), 'dist/fleetctl');
const machines = ['1', '2', '3'].map((digit) => digit.repeat(32));
/** Changes in one commit of the memory store. */
const changesMax = 120;
const rounds = 15;
/** What one list may take, by the number of rows. */
const targetsMs: Readonly<Record<number, number>> = { 1_000: 100, 10_000: 300 };

/** A fleetd whose cluster has `count` units that run, each from its template's file. */
async function clusterOf(count: number): Promise<FakeFleetd> {
  const parsed = parseUnitFile('[Unit]\nDescription=One of many\n[Service]\nExecStart=/bin/sleep infinity\n');
  if (!parsed.ok) throw new Error(parsed.failure.message);
  const hash = hashUnitFile(parsed.value);
  const changes: CommitChange[] = [
    { kind: 'put', key: keys.unitFile(hash), value: printUnitFile(parsed.value) },
    ...machines.map((id, index) => putMachine(fakeMachine(id, { publicIp: `192.0.2.${index + 1}` }))),
  ];
  for (let index = 0; index < count; index += 1) {
    const name = `listed@${index}.service` as UnitName;
    const machine = machines[index % machines.length] ?? '';
    const record = { hash, desired: 'launched', generation: 1, restart: 0, reset: 0, release: 0, changedAtMs: 1, changedBy: 'core', adoptOn: null } as const;
    changes.push({ kind: 'put', key: keys.unit(name), value: encodeRecord(record) });
    changes.push(putAssignment(machine, name, { hash }), putStatus(machine, name, { hash }));
  }
  // Before anybody listens: each commit would cost the mirror a copy of what it knows.
  const memory = createMemoryStore({ clock: systemClock });
  const never = new AbortController().signal;
  for (let at = 0; at < changes.length; at += changesMax) await memory.commit({ guards: [], changes: changes.slice(at, at + changesMax) }, never);
  return startFakeFleetd({ memory });
}

interface Ran {
  readonly tookMs: number;
  readonly lines: number;
}

/** Runs fleetctl as people do who look at its output. */
async function run(socket: string, words: readonly string[]): Promise<Ran> {
  const beganMs = performance.now();
  // NODE_EXTRA_CA_CERTS, for one, costs Node tens of milliseconds.
  const child = spawn(fleetctl, [`--endpoint=unix://${socket}`, ...words], { env: {}, stdio: ['ignore', 'pipe', 'inherit'] });
  let lines = 0;
  child.stdout.on('data', (chunk: Buffer) => {
    for (const byte of chunk) if (byte === 10) lines += 1;
  });
  const code = await new Promise((resolve, reject) => {
    child.once('error', reject).once('close', resolve);
  });
  if (code !== 0) throw new Error(`fleetctl ${words.join(' ')} ended with ${String(code)}`);
  return { tookMs: performance.now() - beganMs, lines };
}

/** What 15 runs of one list took; all in milliseconds. */
interface Figures {
  readonly least: number;
  readonly middle: number;
  readonly api: number;
  readonly blocked: number;
}

async function measureList(socket: string, verb: string, count: number): Promise<Figures> {
  const taken: number[] = [];
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const used = process.cpuUsage();
  delay.enable();
  for (let round = 0; round < rounds; round += 1) {
    const { tookMs, lines } = await run(socket, [verb, '--no-legend']);
    if (lines !== count) throw new Error(`${verb} printed ${lines} lines, not ${count}`);
    taken.push(tookMs);
  }
  delay.disable();
  const { user, system } = process.cpuUsage(used);
  taken.sort((one, other) => one - other);
  return { least: taken[0] ?? NaN, middle: taken[Math.floor(rounds / 2)] ?? NaN, api: (user + system) / 1_000 / rounds, blocked: delay.max / 1e6 };
}

async function measure(count: number, asRows: boolean): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'fleet-lists-'));
  const socket = join(directory, 'api.sock');
  const fleetd = await clusterOf(count);
  const server = createServer();
  fleetd.attach(server);
  await new Promise<void>((resolve) => {
    server.listen(socket, resolve);
  });
  try {
    for (const verb of ['list-units', 'list-unit-files']) {
      const figures = await measureList(socket, verb, count);
      const shown = Object.entries(figures).map(([name, value]) => `${name} ${(value as number).toFixed(1)} ms`).join(', ');
      const targetMs = targetsMs[count];
      process.stdout.write(asRows ? `${JSON.stringify({
        what: `\`${verb}\` with ${count} rows, over a unix socket`, target: targetMs === undefined ? '' : `≤ ${targetMs} ms`,
        figure: `${figures.middle.toFixed(0)} ms`, beside: shown, met: targetMs === undefined ? null : figures.middle <= targetMs,
      })}\n` : `${verb} of ${count}: ${shown}\n`);
    }
  } finally {
    server.close();
    await fleetd.close();
    rmSync(directory, { recursive: true });
  }
}

const words = process.argv.slice(2);
const counts = words.filter((word) => word !== '--rows').map(Number);
for (const count of counts.length > 0 ? counts : [1_000, 10_000, 100_000]) await measure(count, words.includes('--rows'));
