/** A cluster at rest with a thousand units: what fleetd and etcd do although nothing happens, memory, and how long lists take. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Machine } from '../test/functional/lab/machine.ts';
import { timed, writeUnit, type BenchCluster } from './cluster.ts';
import { listRows } from './long-lists.ts';
import type { Bench, Measure, Row } from './measure.ts';

const units = 1_000;
const cpuSecondsPerMinute = 1;
const requestsPerSecond = 1;
const memoryRatio = 1.3;
/** Time for what is on its way to end before anything is taken for rest, and for what the start left in memory to be collected. */
const settleMs = 10_000;
const collectMs = 30_000;

export const resting: Measure = {
  name: 'a thousand units at rest', quick: true, limitMs: 300_000,
  async measure(bench: Bench): Promise<readonly Row[]> {
    const cluster = await bench.cluster();
    await cluster.empty();
    await sleep(bench.quick ? settleMs / 2 : settleMs);
    const before = await Promise.all(cluster.machines.map(residentBytes));
    await writeUnit(cluster.first, 'rest@.service');
    await timed(cluster.first, `fleetctl start 'rest@{1..${units}}.service'`);
    await sleep(bench.quick ? settleMs : collectMs);
    const rest = await atRest(cluster, bench.quick ? 20_000 : 60_000);
    const after = await Promise.all(cluster.machines.map(residentBytes));
    const lists = await listRows(cluster, { rows: units, targetMs: 100, rounds: bench.quick ? 5 : 15 });
    await cluster.empty();
    return [...restRows(rest), memoryRow(before, after), ...lists];
  },
};

interface Rest {
  readonly cpuSeconds: readonly number[];
  readonly requests: ReadonlyMap<string, number>;
  readonly seconds: number;
}

function restRows({ cpuSeconds, requests, seconds }: Rest): readonly Row[] {
  const perMinute = cpuSeconds.map((cpu) => cpu * 60 / seconds);
  const cpu = perMinute.reduce((sum, one) => sum + one, 0);
  const perMachine = [...requests.values()].reduce((sum, count) => sum + count, 0) / seconds / cpuSeconds.length;
  const kinds = [...requests].filter(([, count]) => count > 0).sort(([, one], [, other]) => other - one)
    .map(([method, count]) => `${method} ${(count / seconds).toFixed(2)}`).join(', ');
  return [
    { what: `idle with ${units} units: CPU of all fleetd together`, target: `≤ ${cpuSecondsPerMinute} s per minute`, figure: `${cpu.toFixed(2)} s`,
      beside: `each ${perMinute.map((one) => one.toFixed(2)).join(', ')} s`, met: cpu <= cpuSecondsPerMinute },
    { what: `idle with ${units} units: requests to etcd`, target: `≤ ${requestsPerSecond} per second and machine`, figure: perMachine.toFixed(2),
      beside: `per second of all: ${kinds}`, met: perMachine <= requestsPerSecond },
  ];
}

function memoryRow(before: readonly number[], after: readonly number[]): Row {
  const mib = (bytes: number): string => (bytes / 2 ** 20).toFixed(0);
  const ratio = Math.max(...after) / Math.max(...before);
  return {
    what: `RSS of fleetd with ${units} units against none`, target: `≤ ${memoryRatio}×`, figure: `${ratio.toFixed(2)}×`,
    beside: `${after.map(mib).join(', ')} MiB; before ${before.map(mib).join(', ')} MiB`, met: ratio <= memoryRatio,
  };
}

async function residentBytes(machine: Machine): Promise<number> {
  const status = await machine.sh('cat /proc/$(systemctl show -P MainPID fleet)/status');
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) * 1_024;
}

/** CPU time of all threads of fleetd so far, in seconds (proc(5): fields 14 and 15). */
async function cpuSeconds(machine: Machine): Promise<number> {
  const [stat = '', ticks = ''] = (await machine.sh('cat /proc/$(systemctl show -P MainPID fleet)/stat; getconf CLK_TCK')).split('\n');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / Number(ticks);
}

/** Messages etcd has received so far, by method: a request that is no stream is one, and so is each renewal of a lease. */
async function requests({ lab, etcd }: BenchCluster): Promise<ReadonlyMap<string, number>> {
  const { stdout } = await lab.hub(['curl', '-sf', '-m', '10', `${etcd.endpoint}/metrics`]);
  const found = [...stdout.matchAll(/^grpc_server_msg_received_total\{grpc_method="(\w+)",grpc_service="([\w.]+)".*\} ([\d.e+]+)$/gm)];
  return new Map(found.map(([, method = '', service = '', count]) => [`${service.replace('etcdserverpb.', '')}.${method}`, Number(count)]));
}

async function atRest(cluster: BenchCluster, lastsMs: number): Promise<Rest> {
  const look = async (): Promise<readonly [readonly number[], ReadonlyMap<string, number>, number]> =>
    [await Promise.all(cluster.machines.map(cpuSeconds)), await requests(cluster), performance.now()];
  const [cpuBefore, requestsBefore, beganMs] = await look();
  await sleep(lastsMs);
  const [cpuAfter, requestsAfter, endedMs] = await look();
  return {
    cpuSeconds: cpuAfter.map((cpu, index) => cpu - (cpuBefore[index] ?? NaN)),
    requests: new Map([...requestsAfter].map(([method, count]) => [method, count - (requestsBefore.get(method) ?? 0)])),
    seconds: (endedMs - beganMs) / 1_000,
  };
}
