/**
 * The whole control plane at a size: one shipped fleetd (API, engine, mirror), one real etcd with its default limits, and thousands of
 * shipped agents with a connection each.
 *   node bench/control-plane.ts [--figures] [MACHINES UNITS [PROCESSES]]     (default 10000 200000 4; needs dist/fleetd: npm run build)
 * Prints rows for bench/RESULTS.md, one line of JSON each; with --figures one line with all figures, for bench/scaling.ts.
 * Promises: every wait is bounded; what it started ends with it.
 */
import { fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient, type FleetClient } from '../src/client/client.ts';
import { socketEndpoint } from '../src/client/endpoint.ts';
import { createLog } from '../src/lib/log.ts';
import { seededRandom } from '../src/lib/random.ts';
import { systemClock } from '../src/lib/system-clock.ts';
import { openEtcdStore } from '../src/store/etcd/etcd-store.ts';
import { startEtcd } from '../test/integration/etcd-server.ts';
import { root, type Row } from './measure.ts';
import type { AgentsNews } from './simulated-agents.ts';

/** Machines that are away for this long count as lost; each renews three times in it. */
const ttlMs = 120_000;
const unitsPerRequest = 1_000;
const lookMs = 250;
const joinMsMax = 1_200_000;
const placeMsMax = 1_800_000;
/** How long the cluster is looked at when nothing happens. */
const restMs = 30_000;
const log = createLog('bench', 'error', (line) => process.stderr.write(`${line}\n`));
const say = (text: string): void => void process.stderr.write(`${text}\n`);

/** Units come from four templates; each asks for another part of the machines. */
const templates = ['web', 'api', 'job', 'log'].map((name, index) => ({
  name,
  text: `[Unit]\nDescription=${name} %i\n[Service]\nExecStart=/usr/bin/${name} %i\n[X-Fleet]\n`
    + (index === 3 ? '' : `MachineMetadata=zone!=z${index}\n`),
}));

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

async function until(holds: () => boolean | Promise<boolean>, what: string, limitMs: number): Promise<void> {
  const late = performance.now() + limitMs;
  while (!await holds()) {
    if (performance.now() > late) throw new Error(`not within ${limitMs / 1_000} s: ${what}`);
    await sleep(lookMs);
  }
}

const sum = (news: readonly AgentsNews[], of: keyof AgentsNews): number => news.reduce((total, each) => total + each[of], 0);

/** Resident memory and CPU of a process, from /proc. */
async function usageOf({ pid }: ChildProcess): Promise<{ readonly rssMib: number; readonly peakMib: number; readonly cpuS: number }> {
  const status = await readFile(`/proc/${String(pid)}/status`, 'utf8');
  const stat = (await readFile(`/proc/${String(pid)}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? [];
  const kib = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0);
  return { rssMib: kib('VmRSS') / 1_024, peakMib: kib('VmHWM') / 1_024, cpuS: (Number(stat[11]) + Number(stat[12])) / 100 };
}

async function startFleetd(folder: string, endpoint: string, processes: Processes): Promise<{ client: FleetClient; child: ChildProcess }> {
  const executable = join(root, 'dist/fleetd');
  if (!existsSync(executable)) throw new Error('no dist/fleetd: npm run build');
  const socket = join(folder, 'fleet.sock');
  writeFileSync(join(folder, 'fleet.conf'), [
    `etcd_servers=["${endpoint}"]`, 'etcd_key_prefix=/fleet', 'etcd_request_timeout=30s', 'public_ip=127.0.0.1', 'agent_ttl=120s',
    'runner=supervisor', `data_dir=${folder}/data`, `units_directory=${folder}/units`, `listen=${socket}`, 'peer_listen=', '',
  ].join('\n'));
  const child = spawn(executable, ['--config', join(folder, 'fleet.conf')], { stdio: ['ignore', 'ignore', 'pipe'] });
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
    const execArgv = ['--disable-warning=ExperimentalWarning', '--max-old-space-size=8192'];
    const child = fork(join(root, 'bench/simulated-agents.ts'), words, { execArgv });
    watch(processes, child, `agents ${index}`);
    child.on('message', (news) => { processes.news[index] = news as AgentsNews; });
  }
}

async function submit(client: FleetClient, units: number): Promise<void> {
  for (let first = 0; first < units; first += unitsPerRequest) {
    const names = Array.from({ length: Math.min(unitsPerRequest, units - first) }, (_, index) => {
      const number = first + index;
      const { name, text } = templates[number % templates.length] ?? { name: '', text: '' };
      return { name: `${name}@${number}.service`, templateText: text };
    });
    await client.apply({ units: names, desired: 'launched', by: 'bench' }, AbortSignal.timeout(120_000));
    if (first % 20_000 === 0) say(`${first + names.length} units submitted`);
  }
}

/** Requests that etcd has answered since it began, without those that ask for these figures. */
async function requestsOf(endpoint: string): Promise<number> {
  const metrics = await (await fetch(`${endpoint}/metrics`)).text();
  const counts = [...metrics.matchAll(/^grpc_server_msg_received_total\{.*\} (\S+)$/gm)];
  return counts.reduce((total, [, count]) => total + Number(count), 0);
}

/** What a run showed. Bytes of etcd are what came with the units. */
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
  readonly agentMib: number;
  readonly restingRequestsPerS: number;
  readonly restingLeaderCpu: number;
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

/** Submits units and waits until all of them run and are reported. */
async function fill({ client, fleetd, processes, status, endpoint }: Scene, { machines, units }: Size): Promise<Omit<ControlPlaneFigures, 'joinS'>> {
  const before = { ...await status(), fleetd: await usageOf(fleetd), agentsMib: sum(processes.news, 'rssBytes') / 2 ** 20 };
  const began = performance.now();
  const seconds = (): number => (performance.now() - began) / 1_000;
  const submitting = submit(client, units).then(seconds);
  let looks = 0;
  const running = until(() => {
    if ((looks += 1) % 40 === 0) say(`${sum(processes.news, 'active')} units run, ${seconds().toFixed(0)} s`);
    return sum(processes.news, 'active') >= units;
  }, 'all units run', placeMsMax);
  const [submittedS] = await Promise.all([submitting, running]);
  const runningS = seconds();
  const reported = async (): Promise<number> =>
    (await client.statuses(AbortSignal.timeout(120_000))).statuses.filter(({ active }) => active === 'active').length;
  await until(async () => await reported() === units, 'all units are reported', placeMsMax);
  const reportedS = seconds();
  const after = { ...await status(), fleetd: await usageOf(fleetd) };
  const requests = await requestsOf(endpoint);
  await sleep(restMs);
  const rested = await usageOf(fleetd);
  return {
    machines, units, submittedS, runningS, reportedS, commits: after.revision - before.revision,
    databaseBytesInUse: after.databaseBytesInUse - before.databaseBytesInUse, databaseBytes: after.databaseBytes,
    leaderMibBefore: before.fleetd.rssMib, leaderMib: after.fleetd.rssMib, leaderMibMax: after.fleetd.peakMib,
    leaderCpuS: after.fleetd.cpuS - before.fleetd.cpuS, agentMib: before.agentsMib / machines,
    restingRequestsPerS: (await requestsOf(endpoint) - requests) / (restMs / 1_000),
    restingLeaderCpu: (rested.cpuS - after.fleetd.cpuS) / (restMs / 1_000),
  };
}

async function run({ machines, units, processes: count }: Size & { readonly processes: number }): Promise<ControlPlaneFigures> {
  const folder = mkdtempSync(join(tmpdir(), 'fleet-bench-'));
  const processes: Processes = { started: [], news: [] };
  const etcd = await startEtcd();
  const options = { endpoints: [etcd.endpoint], prefix: '/fleet', requestTimeoutMs: 30_000 };
  const store = openEtcdStore(options, { clock: systemClock, random: seededRandom(2), log });
  const status = () => store.status(AbortSignal.timeout(30_000));
  try {
    const { client, child: fleetd } = await startFleetd(folder, etcd.endpoint, processes);
    const joinedFrom = performance.now();
    startAgents(etcd.endpoint, { machines, processes: count }, processes);
    await until(() => sum(processes.news, 'present') === machines, 'all machines are present', joinMsMax);
    const joinS = (performance.now() - joinedFrom) / 1_000;
    say(`${machines} machines are present after ${joinS.toFixed(0)} s`);
    return { joinS, ...await fill({ client, fleetd, processes, endpoint: etcd.endpoint, status }, { machines, units }) };
  } finally {
    ending = true;
    for (const child of processes.started) child.kill('SIGKILL');
    const lives = (child: ChildProcess): boolean => child.exitCode === null && child.signalCode === null;
    await Promise.all(processes.started.filter(lives).map((child) => once(child, 'exit')));
    await store.close();
    await etcd.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

function rowsOf(figures: ControlPlaneFigures): readonly Row[] {
  const { machines, units, commits } = figures;
  const row = (what: string, figure: string, beside = ''): Row => ({ what, target: '', figure, beside, met: null });
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
    row('at rest', `${figures.restingRequestsPerS.toFixed(0)} requests to etcd per second`,
      `the leader: ${(figures.restingLeaderCpu * 100).toFixed(1)} % of a core`),
    row('machines present', `after ${figures.joinS.toFixed(0)} s`, `${figures.agentMib.toFixed(2)} MiB for each simulated agent`),
  ];
}

const words = process.argv.slice(2);
const [machines = 10_000, units = 200_000, count = 4] = words.filter((word) => word !== '--figures').map(Number);
const figures = await run({ machines, units, processes: count });
const lines = words.includes('--figures') ? [figures] : rowsOf(figures);
for (const line of lines) process.stdout.write(`${JSON.stringify(line)}\n`);
process.exit(0);
