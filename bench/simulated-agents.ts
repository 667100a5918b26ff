/**
 * Many machines in one process, for bench/control-plane.ts: the agent and the etcd store as they are shipped, each with a connection of
 * its own, over the fake runner.
 *   node bench/simulated-agents.ts ENDPOINT PREFIX FIRST COUNT TTL-MS     (with an IPC channel)
 * Promises: tells its parent once a second how many machines are present and how many units run; ends, keeping everything in the store,
 * when the parent closes the channel.
 */
import { runAgent } from '../src/agent/agent.ts';
import { noPortFacts } from '../src/agent/port-watch.ts';
import { createAgentReport, type AgentReport } from '../src/agent/report.ts';
import type { MachineFacts, MachineId } from '../src/core/machine.ts';
import { createLog } from '../src/lib/log.ts';
import { seededRandom } from '../src/lib/random.ts';
import { systemClock } from '../src/lib/system-clock.ts';
import { createFakeMachine, type FakeMachineState } from '../src/runner/fake-machine.ts';
import { createFakeRunner } from '../src/runner/fake-runner.ts';
import { openEtcdStore } from '../src/store/etcd/etcd-store.ts';
import { createStoreTrust } from '../src/store/trust.ts';

/** What a process of agents tells its parent. */
export interface AgentsNews {
  readonly present: number;
  readonly active: number;
  readonly statusCommits: number;
  readonly rssBytes: number;
  readonly cpuMs: number;
}

/** Machines are spread over so many zones. */
export const zones = 10;
/** Machines that register at a time: all at once would meet their own deadlines. */
const joiningMax = 50;
const newsMs = 1_000;
const requestTimeoutMs = 30_000;
const stopTimeoutMs = 1_000;

interface SimulatedMachine {
  readonly units: FakeMachineState;
  readonly report: AgentReport;
}

/** The id of the machine with this number. */
export const simulatedId = (number: number): MachineId => number.toString(16).padStart(32, '0') as MachineId;

interface Place {
  readonly endpoint: string;
  readonly prefix: string;
  readonly ttlMs: number;
}

function startMachine(number: number, options: Place, signal: AbortSignal): SimulatedMachine {
  const random = seededRandom(number);
  const clock = systemClock;
  const log = createLog(`agent ${number}`, 'error', (line) => process.stderr.write(`${line}\n`));
  const store = openEtcdStore({ endpoints: [options.endpoint], prefix: options.prefix, requestTimeoutMs }, { clock, random, log });
  const units = createFakeMachine();
  const report = createAgentReport();
  const facts = (): MachineFacts => ({
    id: simulatedId(number), publicIp: `10.${number >> 16 & 255}.${number >> 8 & 255}.${number & 255}`, hostname: `host-${number}`,
    metadata: { zone: `z${number % zones}`, role: 'default' }, version: '2', bootId: `boot-${number}`,
    capacity: { cpus: 32, memoryBytes: 64 * 2 ** 30 }, peer: null, runner: 'systemd', store: 'etcd', startedAtMs: 1,
  });
  const runner = createFakeRunner({ clock, random, machine: units });
  const memory = { read: () => Promise.resolve(null), write: () => Promise.resolve() };
  // As on a machine that never leads and whose API nobody asks: it keeps no mirror of the cluster.
  const trust = createStoreTrust({ store, memory, machine: simulatedId(number), clock, log });
  runAgent({
    store, trust, clock, random, log, ttlMs: options.ttlMs, runner, facts, memory, report, probe: () => Promise.resolve(null), portFacts: noPortFacts,
    onStop: () => Promise.resolve('keep'), stopTimeoutMs,
  }, signal).finally(() => store.close()).catch((error: unknown) => {
    if (signal.aborted) return;
    process.stderr.write(`machine ${number} ended: ${String(error)}\n`);
    process.exit(1);
  });
  return { units, report };
}

function newsOf(machines: readonly SimulatedMachine[]): AgentsNews {
  const cpu = process.cpuUsage();
  const runs = (units: FakeMachineState): number => [...units.units.values()].filter(({ active }) => active === 'active').length;
  return {
    present: machines.filter(({ report }) => report.presence.state === 'present').length,
    active: machines.reduce((sum, { units }) => sum + runs(units), 0),
    statusCommits: machines.reduce((sum, { report }) => sum + report.statusCommits, 0),
    rssBytes: process.memoryUsage.rss(), cpuMs: (cpu.user + cpu.system) / 1_000,
  };
}

async function main([endpoint = '', prefix = '', first = '0', count = '0', ttlMs = '0']: readonly string[]): Promise<void> {
  const stop = new AbortController();
  process.once('disconnect', () => stop.abort());
  const machines: SimulatedMachine[] = [];
  const tell = (): void => void process.send?.(newsOf(machines));
  const joining = (): number => machines.filter(({ report }) => report.presence.state !== 'present').length;
  for (let number = Number(first); number < Number(first) + Number(count) && !stop.signal.aborted; number += 1) {
    machines.push(startMachine(number, { endpoint, prefix, ttlMs: Number(ttlMs) }, stop.signal));
    if (machines.length % joiningMax !== 0) continue;
    tell();
    while (joining() > 0 && !stop.signal.aborted) await systemClock.sleep(20, stop.signal).catch(() => undefined); // Aborted: the loop ends.
  }
  while (!stop.signal.aborted) {
    tell();
    await systemClock.sleep(newsMs, stop.signal).catch(() => undefined); // Aborted: the loop ends.
  }
}

if (process.send !== undefined) await main(process.argv.slice(2));
