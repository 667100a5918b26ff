/**
 * What a fleetd costs and does, as numbers that Prometheus collects.
 * Promises: reading them takes no call to anybody; the names are stable.
 */
import { cpuUsage, memoryUsage } from 'node:process';
import type { ClusterSnapshot } from '../core/cluster.ts';
import { desiredStates } from '../core/unit.ts';
import { counter, gauge } from './metric.ts';
import type { Metric, Sample } from './metric.ts';
import type { ApiNeeds, ReportReader, StoreHealth } from './needs.ts';
import { originalMetrics } from './original-metrics.ts';
import type { StreamCounter } from './stream-counter.ts';

/** How late the event loop has been, in seconds, at a percentile of all looks at it. */
export type LoopDelay = (percentile: number) => number;

export interface MetricSources {
  readonly needs: ApiNeeds;
  readonly streams: StreamCounter;
  /** Answers given, by status. */
  readonly answers: ReadonlyMap<number, number>;
}

export function readMetrics(sources: MetricSources, loopDelay: LoopDelay): readonly Metric[] {
  const { needs } = sources;
  return [...clusterMetrics(needs), ...originalMetrics(needs), ...apiMetrics(sources), ...processMetrics(loopDelay)];
}

function clusterMetrics(needs: ApiNeeds): readonly Metric[] {
  const { mirror, rest, clock, machineId, reports, version, storeKind, storeHealth } = needs;
  const snapshot = mirror.snapshot();
  const { current, sinceMs } = mirror.freshness();
  const isResting = rest?.isResting() ?? false;
  const staleSeconds = current || isResting ? 0 : (clock.uptimeMs() - sinceMs) / 1_000;
  const labels = { version, machine: machineId, store: storeKind };
  return [
    gauge('fleet_info', 'Always 1; the labels say who answers.', [{ labels, value: 1 }]),
    gauge('fleet_units', 'Units of the cluster by desired state.', countUnits(snapshot)),
    gauge('fleet_machines', 'Machines present in the cluster.', snapshot.machines.size),
    gauge('fleet_leader', 'Whether the engine of this machine leads.', snapshot.leader?.machine === machineId ? 1 : 0),
    gauge('fleet_store_current', 'Whether this fleetd follows the store.', current ? 1 : 0),
    gauge('fleet_mirror_resting', 'Whether this fleetd keeps nothing of the cluster because nobody asks it; then it counts none.', isResting ? 1 : 0),
    gauge('fleet_store_stale_seconds', 'For how long it has not followed the store.', staleSeconds),
    gauge('fleet_store_revision', 'Newest revision of the store that is known here.', snapshot.revision),
    gauge('fleet_unreadable_records', 'Stored values this version cannot read.', snapshot.unreadable.size),
    ...storeMetrics(storeHealth()),
    ...passMetrics(reports),
  ];
}

const alarmNames = ['NOSPACE', 'CORRUPT'] as const;

/** What etcd says of itself; nothing while it has not said anything, and for other stores. */
function storeMetrics(health: StoreHealth | null): readonly Metric[] {
  if (health === null) return [];
  const raised = alarmNames.map((alarm) => ({ labels: { alarm }, value: health.alarms.includes(alarm) ? 1 : 0 }));
  return [
    gauge('fleet_etcd_database_bytes', 'Size of the database of etcd; it shrinks only by defragmentation.', health.databaseBytes),
    gauge('fleet_etcd_database_in_use_bytes', 'The part of the database that holds data.', health.databaseBytesInUse),
    gauge('fleet_etcd_alarm', 'Alarms of etcd; with one it takes no changes.', raised),
    counter('fleet_etcd_compactions_total', 'How often this fleetd has thrown old history away.', health.compactions),
  ];
}

function countUnits({ units }: ClusterSnapshot): readonly Sample[] {
  const counts = new Map(desiredStates.map((state) => [state, 0]));
  for (const { desired } of units.values()) counts.set(desired, (counts.get(desired) ?? 0) + 1);
  return [...counts].map(([desired, value]) => ({ labels: { desired }, value }));
}

/** One counter for each kind of component; "agent 2c7d…" and "agent 99f4…" are two machines of one kind. */
function passMetrics(reports: ReadonlyMap<string, ReportReader>): readonly Metric[] {
  const samples = new Map<string, Sample[]>();
  for (const [component, read] of reports) {
    const [kind = '', machine] = component.split(' ');
    const value = passesOf(read());
    if (value === null) continue;
    const sample = machine === undefined ? { value } : { labels: { machine }, value };
    samples.set(kind, [...(samples.get(kind) ?? []), sample]);
  }
  return [...samples].map(([kind, all]) => counter(`fleet_${kind}_passes_total`, `Passes of the ${kind}.`, all));
}

function passesOf(report: unknown): number | null {
  const hasPasses = typeof report === 'object' && report !== null && 'passes' in report;
  return hasPasses && typeof report.passes === 'number' ? report.passes : null;
}

function apiMetrics({ streams, answers }: MetricSources): readonly Metric[] {
  const byStatus = [...answers].map(([status, value]) => ({ labels: { status: String(status) }, value }));
  return [
    gauge('fleet_api_streams', 'Event streams and journals being served.', streams.open()),
    counter('fleet_api_answers_total', 'Answers of the HTTP API by status.', byStatus),
  ];
}

const delayQuantiles = [
  ['0.5', 50],
  ['0.99', 99],
  ['1', 100],
] as const;

function processMetrics(loopDelay: LoopDelay): readonly Metric[] {
  const memory = memoryUsage();
  const cpu = cpuUsage();
  const delays = delayQuantiles.map(([quantile, percentile]) => ({
    labels: { quantile },
    value: loopDelay(percentile),
  }));
  return [
    gauge('fleet_event_loop_delay_seconds', 'How late the event loop has been since the start.', delays),
    gauge('process_resident_memory_bytes', 'Memory of the process.', memory.rss),
    gauge('fleet_heap_used_bytes', 'Memory of JavaScript objects.', memory.heapUsed),
    counter('process_cpu_seconds_total', 'Processor time of the process.', (cpu.user + cpu.system) / 1e6),
  ];
}
