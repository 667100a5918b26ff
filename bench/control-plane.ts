/**
 * The whole control plane at a size: one shipped fleetd (API, engine, mirror), one real etcd with its default limits, and thousands of
 * shipped agents with a connection each.
 *   node bench/control-plane.ts [--figures] [--profiles FOLDER] [MACHINES UNITS [PROCESSES]]
 *       (default 10000 200000 4; needs dist/fleetd: npm run build)
 * Prints rows for bench/RESULTS.md, one line of JSON each; with --figures one line with all figures, for bench/scaling.ts. With --profiles
 * every process is sampled, and leaves what V8 saw in FOLDER.
 * Promises: every wait is bounded; what it started ends with it.
 */
import { fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient, type FleetClient } from '../src/client/client.ts';
import { socketEndpoint } from '../src/client/endpoint.ts';
import { ApiError, Unreachable } from '../src/client/errors.ts';
import { createLog } from '../src/lib/log.ts';
import { seededRandom } from '../src/lib/random.ts';
import { systemClock } from '../src/lib/system-clock.ts';
import { openEtcdStore } from '../src/store/etcd/etcd-store.ts';
import { startEtcd } from '../test/integration/etcd-server.ts';
import { root, type Row } from './measure.ts';
import type { AgentsNews } from './simulated-agents.ts';
import { agentsUsage, etcdUsage, processUsage, sum, type Usage } from './usage.ts';

/** Machines that are away for this long count as lost; each renews three times in it. */
const ttlMs = 120_000;
const unitsPerRequest = 1_000;
const askAgainMs = 200;
const lookMs = 250;
const looksPerLine = 40;
const joinMsMax = 1_200_000;
const placeMsMax = 1_800_000;
const clearMsMax = 900_000;
/** How long the cluster is looked at when nothing happens. */
const restMs = 30_000;
const endMsMax = 60_000;
const statusMsMax = 60_000;
const log = createLog('bench', 'error', (line) => process.stderr.write(`${line}\n`));
const say = (text: string): void => void process.stderr.write(`${text}\n`);

/** Units come from four templates; each asks for another part of the machines. */
const templates = ['web', 'api', 'job', 'log'].map((name, index) => ({
  name,
  text: `[Unit]\nDescription=${name} %i\n[Service]\nExecStart=/usr/bin/${name} %i\n[X-Fleet]\n`
    + (index === 3 ? '' : `MachineMetadata=zone!=z${index}\n`),
}));

const nameOf = (number: number): string => `${templates[number % templates.length]?.name ?? ''}@${number}.service`;

interface Processes {
  readonly started: ChildProcess[];
  readonly news: AgentsNews[];
}

/** Fails when one of the processes has ended: nothing would come of waiting. */
function watch(processes: Processes, child: ChildProcess, what: string): void {
  processes.started.push(child);
  child.once('exit', (code, signal) => {
    if (!ending) {
      say(`${what} ended (${String(code ?? signal)})`);
      process.exit(1);
    }
  });
}
let ending = false;

const words = process.argv.slice(2);
const profilesAt = words.indexOf('--profiles');
/** Where profiles are left; null without. */
const profiles = profilesAt < 0 ? null : words.splice(profilesAt, 2)[1] ?? null;
const profiling = (folder: string): readonly string[] => ['--cpu-prof', `--cpu-prof-dir=${folder}`, '--cpu-prof-interval=1000'];

async function until(holds: () => boolean | Promise<boolean>, what: string, limitMs: number): Promise<void> {
  const late = performance.now() + limitMs;
  while (!await holds()) {
    if (performance.now() > late) throw new Error(`not within ${limitMs / 1_000} s: ${what}`);
    await sleep(lookMs);
  }
}

async function startFleetd(folder: string, endpoint: string, processes: Processes): Promise<{ client: FleetClient; child: ChildProcess }> {
  const executable = join(root, 'dist/fleetd');
  if (!existsSync(executable)) throw new Error('no dist/fleetd: npm run build');
  const socket = join(folder, 'fleet.sock');
  writeFileSync(join(folder, 'fleet.conf'), [
    `etcd_servers=["${endpoint}"]`, 'etcd_key_prefix=/fleet', 'etcd_request_timeout=30s', 'public_ip=127.0.0.1', 'agent_ttl=120s',
    'runner=supervisor', `data_dir=${folder}/data`, `units_directory=${folder}/units`, `listen=${socket}`, 'peer_listen=', '',
  ].join('\n'));
  const env = profiles === null ? process.env : { ...process.env, NODE_OPTIONS: profiling(profiles).join(' ') };
  const child = spawn(executable, ['--config', join(folder, 'fleet.conf')], { stdio: ['ignore', 'ignore', 'pipe'], env });
  child.stderr.on('data', (text: Buffer) => { if (/WARN|ERROR/.test(text.toString())) process.stderr.write(text); });
  watch(processes, child, 'fleetd');
  const client = createClient({
    endpoints: [socketEndpoint(socket)], clock: systemClock, random: seededRandom(1), log, timeoutMs: 60_000, tls: {},
  });
  const own = async (): Promise<string | null> => (await client.machines(AbortSignal.timeout(10_000)).catch(() => null))?.machines[0]?.id ?? null;
  await until(async () => await own() !== null, 'fleetd is in the cluster', 60_000);
  await client.orderMachine(await own() ?? '', { action: 'cordon', reason: 'it serves the API' }, AbortSignal.timeout(10_000));
  return { client, child };
}

function startAgents(endpoint: string, { machines, processes: count }: { machines: number; processes: number }, processes: Processes): void {
  const share = Math.ceil(machines / count);
  for (let index = 0; index < count; index += 1) {
    const first = index * share;
    const words = [endpoint, '/fleet', String(first), String(Math.min(share, machines - first)), String(ttlMs)];
    const sampled = profiles === null ? [] : profiling(profiles);
    const execArgv = ['--disable-warning=ExperimentalWarning', '--max-old-space-size=8192', ...sampled];
    const child = fork(join(root, 'bench/simulated-agents.ts'), words, { execArgv });
    watch(processes, child, `agents ${index}`);
    child.on('message', (news) => { processes.news[index] = news as AgentsNews; });
  }
}

async function submit(client: FleetClient, units: number): Promise<void> {
  for (let first = 0; first < units; first += unitsPerRequest) {
    const names = Array.from({ length: Math.min(unitsPerRequest, units - first) }, (_, index) => {
      const number = first + index;
      return { name: nameOf(number), templateText: templates[number % templates.length]?.text ?? '' };
    });
    const apply = (): Promise<unknown> => client.apply({ units: names, desired: 'launched', by: 'bench' }, AbortSignal.timeout(120_000));
    await askAgain(apply, placeMsMax, isOverloaded);
    if (first % 20_000 === 0) say(`${first + names.length} units submitted`);
  }
}

/** Asks again, with pauses, after failures that may be over in a moment, for `limitMs` at most. */
async function askAgain<T>(ask: () => Promise<T>, limitMs: number, mayPass: (error: unknown) => boolean = () => true): Promise<T> {
  for (const endMs = performance.now() + limitMs; ;) {
    try {
      return await ask();
    } catch (error) {
      if (!mayPass(error) || performance.now() > endMs) throw error;
      await sleep(askAgainMs);
    }
  }
}

/**
 * Whether the cluster has too much to do to answer, or still carries out what it had no time to answer: what was done already stays as it is
 * when the same is asked again.
 */
const isOverloaded = (error: unknown): boolean => error instanceof Unreachable || (error instanceof ApiError && [409, 503].includes(error.status));

/** What a run showed. Bytes of etcd are what came with the units; times and commits count from when the first unit was submitted. */
export interface ControlPlaneFigures {
  readonly machines: number;
  readonly units: number;
  readonly joinS: number;
  readonly submittedS: number;
  readonly runningS: number;
  readonly reportedS: number;
  readonly commits: number;
  readonly databaseBytesInUse: number;
  readonly databaseBytes: number;
  readonly leaderMibBefore: number;
  readonly leaderMib: number;
  readonly leaderMibMax: number;
  readonly leaderCpuS: number;
  /** Of one agent without units, and with its share of them. */
  readonly agentMibBefore: number;
  readonly agentMib: number;
  /** Of all agents together. */
  readonly agentsCpuS: number;
  readonly etcdCpuS: number;
  readonly etcdDiskS: number;
  readonly etcdMib: number;
  readonly restingRequestsPerS: number;
  readonly restingLeaderCpu: number;
  /** From the first request to destroy units until none runs and none is reported, and what that took. */
  readonly destroyedS: number;
  readonly destroyCommits: number;
  readonly destroyLeaderCpuS: number;
}

interface Size {
  readonly machines: number;
  readonly units: number;
}

interface Scene {
  readonly client: FleetClient;
  readonly fleetd: ChildProcess;
  readonly processes: Processes;
  readonly endpoint: string;
  readonly status: () => ReturnType<ReturnType<typeof openEtcdStore>['status']>;
}

/** How everything stands at one moment. */
async function lookAt({ fleetd, processes: { news }, endpoint, status }: Scene) {
  const [store, leader, etcd] = await Promise.all([status(), processUsage(fleetd), etcdUsage(endpoint)]);
  return { store, leader, etcd, agents: agentsUsage(news), active: sum(news, 'active'), atMs: performance.now() };
}

type Look = Awaited<ReturnType<typeof lookAt>>;

/** Waits until so many units run; tells now and then how it goes. */
async function untilRun(scene: Scene, before: Look, units: number): Promise<void> {
  const limitMs = units === 0 ? clearMsMax : placeMsMax;
  let looks = 0;
  await until(async () => {
    if ((looks += 1) % looksPerLine === 0) {
      const { atMs, active, store, leader, etcd, agents } = await lookAt(scene);
      const part = (name: string, { cpuS, rssMib }: Usage): string => `${name} ${cpuS.toFixed(0)} s ${rssMib.toFixed(0)} MiB`;
      say([
        `${((atMs - before.atMs) / 1_000).toFixed(0)} s: ${active} run`, `${store.revision - before.store.revision} commits`,
        part('leader', leader), part('etcd', etcd), `disk ${etcd.diskS.toFixed(0)} s`, part('agents', agents),
      ].join(', '));
    }
    return sum(scene.processes.news, 'active') === units;
  }, `${units} units run`, limitMs);
}

/** Submits units, waits until all of them run and are reported, and looks at the cluster at rest. */
async function fill(scene: Scene, { machines, units }: Size): Promise<Omit<ControlPlaneFigures, 'joinS' | keyof Destroyed>> {
  const { client } = scene;
  const before = await lookAt(scene);
  const seconds = (): number => (performance.now() - before.atMs) / 1_000;
  const [submittedS] = await Promise.all([submit(client, units).then(seconds), untilRun(scene, before, units)]);
  const runningS = seconds();
  const reported = async (): Promise<number> =>
    (await client.statuses(AbortSignal.timeout(120_000))).statuses.filter(({ active }) => active === 'active').length;
  await until(async () => await reported() === units, 'all units are reported', placeMsMax);
  const reportedS = seconds();
  const after = await lookAt(scene);
  await sleep(restMs);
  const rested = await lookAt(scene);
  return {
    machines, units, submittedS, runningS, reportedS, commits: after.store.revision - before.store.revision,
    databaseBytesInUse: after.store.databaseBytesInUse - before.store.databaseBytesInUse, databaseBytes: after.store.databaseBytes,
    leaderMibBefore: before.leader.rssMib, leaderMib: after.leader.rssMib, leaderMibMax: after.leader.peakMib,
    leaderCpuS: after.leader.cpuS - before.leader.cpuS, agentMibBefore: before.agents.rssMib / machines, agentMib: after.agents.rssMib / machines,
    agentsCpuS: after.agents.cpuS - before.agents.cpuS, etcdCpuS: after.etcd.cpuS - before.etcd.cpuS,
    etcdDiskS: after.etcd.diskS - before.etcd.diskS, etcdMib: after.etcd.rssMib,
    restingRequestsPerS: (rested.etcd.requests - after.etcd.requests) / (restMs / 1_000),
    restingLeaderCpu: (rested.leader.cpuS - after.leader.cpuS) / (restMs / 1_000),
  };
}

type Destroyed = Pick<ControlPlaneFigures, 'destroyedS' | 'destroyCommits' | 'destroyLeaderCpuS'>;

/** Destroys all units and waits until nothing of them runs or is reported. */
async function clear(scene: Scene, { units }: Size): Promise<Destroyed> {
  const { client } = scene;
  const before = await lookAt(scene);
  const destroyAll = async (): Promise<void> => {
    for (let first = 0; first < units; first += unitsPerRequest) {
      const names = Array.from({ length: Math.min(unitsPerRequest, units - first) }, (_, index) => nameOf(first + index));
      await askAgain(() => client.destroy({ names }, AbortSignal.timeout(120_000)), clearMsMax, isOverloaded);
    }
  };
  await Promise.all([destroyAll(), untilRun(scene, before, 0)]);
  await until(async () => (await client.statuses(AbortSignal.timeout(120_000))).statuses.length === 0, 'no unit is reported', clearMsMax);
  const after = await lookAt(scene);
  return {
    destroyedS: (after.atMs - before.atMs) / 1_000, destroyCommits: after.store.revision - before.store.revision,
    destroyLeaderCpuS: after.leader.cpuS - before.leader.cpuS,
  };
}

/** Ends all; with profiles, which are written at an orderly end, it waits for that. */
async function endAll(children: readonly ChildProcess[]): Promise<void> {
  const living = (): readonly ChildProcess[] => children.filter((child) => child.exitCode === null && child.signalCode === null);
  if (profiles !== null) {
    for (const child of living()) {
      if (child.connected) child.disconnect();
      else child.kill('SIGTERM');
    }
    await until(() => living().length === 0, 'all processes have ended', endMsMax).catch((error: unknown) => say(String(error)));
  }
  const left = living();
  for (const child of left) child.kill('SIGKILL');
  await Promise.all(left.map((child) => once(child, 'exit')));
}

type Filled = Omit<ControlPlaneFigures, keyof Destroyed>;

/** Measures; what the full cluster showed is told before anything is destroyed. */
async function run(
  { machines, units, processes: count }: Size & { readonly processes: number }, onFilled: (filled: Filled) => void,
): Promise<ControlPlaneFigures> {
  const folder = mkdtempSync(join(tmpdir(), 'fleet-bench-'));
  const processes: Processes = { started: [], news: [] };
  const etcd = await startEtcd();
  const options = { endpoints: [etcd.endpoint], prefix: '/fleet', requestTimeoutMs: 30_000 };
  const store = openEtcdStore(options, { clock: systemClock, random: seededRandom(2), log });
  // An etcd that has just been started, or has much to do, may take longer than a connection waits for its first answer.
  const status: Scene['status'] = () => askAgain(() => store.status(AbortSignal.timeout(30_000)), statusMsMax);
  try {
    const { client, child: fleetd } = await startFleetd(folder, etcd.endpoint, processes);
    const joinedFrom = performance.now();
    startAgents(etcd.endpoint, { machines, processes: count }, processes);
    await until(() => sum(processes.news, 'present') === machines, 'all machines are present', joinMsMax);
    const joinS = (performance.now() - joinedFrom) / 1_000;
    say(`${machines} machines are present after ${joinS.toFixed(0)} s`);
    const scene: Scene = { client, fleetd, processes, endpoint: etcd.endpoint, status };
    const filled = { joinS, ...await fill(scene, { machines, units }) };
    say(`reported after ${filled.reportedS.toFixed(0)} s; now they are destroyed`);
    onFilled(filled);
    return { ...filled, ...await clear(scene, { machines, units }) };
  } finally {
    ending = true;
    await endAll(processes.started);
    await store.close();
    await etcd.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

const row = (what: string, figure: string, beside = ''): Row => ({ what, target: '', figure, beside, met: null });

function rowsOf(figures: Filled): readonly Row[] {
  const { machines, units, commits } = figures;
  const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
  return [
    {
      what: `${units} units on ${machines} machines: every unit placed and reported`, target: 'all', met: true,
      figure: `all, after ${figures.reportedS.toFixed(0)} s`,
      beside: `submitted after ${figures.submittedS.toFixed(0)} s, running after ${figures.runningS.toFixed(0)} s`,
    },
    row('placements per second', (units / figures.runningS).toFixed(0)),
    row('commits per second', (commits / figures.reportedS).toFixed(0), `${commits} commits, ${(commits / units).toFixed(2)} for each unit`),
    row('etcd\'s database for each unit', `${(figures.databaseBytesInUse / units).toFixed(0)} bytes`, `with history; ${mib(figures.databaseBytes)} in all`),
    row('fleetd that leads', `${figures.leaderMib.toFixed(0)} MiB RSS, at most ${figures.leaderMibMax.toFixed(0)}`,
      `${figures.leaderMibBefore.toFixed(0)} MiB before; ${figures.leaderCpuS.toFixed(0)} s of CPU`),
    row('etcd', `${figures.etcdMib.toFixed(0)} MiB RSS`, `${figures.etcdCpuS.toFixed(0)} s of CPU, ${figures.etcdDiskS.toFixed(0)} s of waiting for its disk`),
    row('at rest', `${figures.restingRequestsPerS.toFixed(0)} requests to etcd per second`,
      `the leader: ${(figures.restingLeaderCpu * 100).toFixed(1)} % of a core`),
    row('machines present', `after ${figures.joinS.toFixed(0)} s`,
      `${figures.agentMibBefore.toFixed(2)} MiB for each simulated agent, ${figures.agentMib.toFixed(2)} with units`),
  ];
}

function destroyedRow({ destroyedS, destroyCommits, destroyLeaderCpuS }: Destroyed): Row {
  return row(destroyed, `after ${destroyedS.toFixed(0)} s`, `${destroyCommits} commits, ${destroyLeaderCpuS.toFixed(0)} s of CPU of the leader`);
}
const destroyed = 'all of them destroyed, none reported';

const print = (line: Row | ControlPlaneFigures): void => void process.stdout.write(`${JSON.stringify(line)}\n`);

async function main([machines = 10_000, units = 200_000, count = 4]: readonly number[]): Promise<void> {
  const size = { machines, units, processes: count };
  if (words.includes('--figures')) {
    print(await run(size, () => undefined));
    return;
  }
  let isFilled = false;
  try {
    const figures = await run(size, (filled) => {
      isFilled = true;
      rowsOf(filled).forEach(print);
    });
    print(destroyedRow(figures));
  } catch (error) {
    if (!isFilled) throw error;
    print(row(destroyed, 'not measured', (error as Error).message.replace(/\s*\n\s*/g, '; ')));
  }
}

await main(words.filter((word) => word !== '--figures').map(Number));
