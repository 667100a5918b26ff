/**
 * What people and machines that watch over a fleetd ask: is it alive, is it ready, what does it do, what does it cost.
 * Promises: answers from memory at once, also while the store is away; /readyz says why it is not ready, one line each.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { cpuUsage, memoryUsage } from 'node:process';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { desiredStates } from '../core/unit.ts';
import type { ClusterSnapshot } from '../core/cluster.ts';
import { keys } from '../store/keys.ts';
import { addResource, sendJson, sendV1Error } from './http.ts';
import { oneLine } from './json.ts';
import type { ApiNeeds } from './needs.ts';
import type { StreamCounter } from './stream-counter.ts';

export interface OperatorScene {
  readonly needs: ApiNeeds;
  readonly streams: StreamCounter;
  /** Answers given, by status. */
  readonly answers: ReadonlyMap<number, number>;
}

const delayResolutionMs = 20;

/** Adds /metrics, /healthz, /readyz and /debug/state; they stop measuring when the instance closes. */
export function addOperatorRoutes(app: FastifyInstance, scene: OperatorScene): void {
  const loopDelay = monitorEventLoopDelay({ resolution: delayResolutionMs });
  loopDelay.enable();
  app.addHook('onClose', (_, done) => {
    loopDelay.disable();
    done();
  });
  const get = (url: string, answer: (reply: FastifyReply) => unknown): void => addResource(app, {
    url, methods: { GET: { handler: (_, reply) => answer(reply) } },
    refuse: (_, reply) => sendV1Error(reply, 405, 'only GET supported against this resource'),
  });
  get('/healthz', (reply) => sendText(reply, 200, 'ok\n'));
  get('/readyz', (reply) => {
    const problems = whyNotReady(scene.needs);
    return problems.length === 0 ? sendText(reply, 200, 'ok\n') : sendText(reply, 503, `${problems.join('\n')}\n`);
  });
  get('/metrics', (reply) => sendText(reply.header('content-type', metricsText), 200, printMetrics(readMetrics(scene, loopDelay))));
  get('/debug/state', (reply) => sendJson(reply, 200, debugState(scene)));
}

const plainText = 'text/plain; charset=utf-8';
/** Prometheus text format. */
const metricsText = 'text/plain; version=0.0.4; charset=utf-8';

function sendText(reply: FastifyReply, status: number, text: string): FastifyReply {
  return reply.code(status).header('content-type', reply.getHeader('content-type') ?? plainText).header('cache-control', 'no-store').send(text);
}

/** What keeps this machine from doing its part: empty when nothing does. */
export function whyNotReady({ mirror, clock, presence }: Pick<ApiNeeds, 'mirror' | 'clock' | 'presence'>): readonly string[] {
  const { current, sinceMs, why } = mirror.freshness();
  const seconds = Math.round((clock.uptimeMs() - sinceMs) / 1_000);
  const store = current ? [] : [`store: not followed for ${seconds} s: ${oneLine(why)}`];
  const absent = presence();
  return absent === null ? store : [...store, `presence: ${oneLine(absent)}`];
}

/** One metric with its samples, in the words of Prometheus. */
interface Metric {
  readonly name: string;
  readonly type: 'gauge' | 'counter';
  readonly help: string;
  readonly samples: readonly { readonly labels?: Readonly<Record<string, string>>; readonly value: number }[];
}

function gauge(name: string, help: string, value: number): Metric {
  return { name, type: 'gauge', help, samples: [{ value }] };
}

function readMetrics({ needs, streams, answers }: OperatorScene, loopDelay: ReturnType<typeof monitorEventLoopDelay>): readonly Metric[] {
  const { mirror, clock, machineId, reports } = needs;
  const snapshot = mirror.snapshot();
  const freshness = mirror.freshness();
  const memory = memoryUsage();
  const cpu = cpuUsage();
  const passes = [...reports].flatMap(([component, read]) => {
    const count = passesOf(read());
    return count === null ? [] : [{ component, count }];
  });
  return [
    { name: 'fleet_info', type: 'gauge', help: 'Always 1; the labels say who answers.', samples: [{ labels: { version: needs.version, machine: machineId, store: needs.storeKind }, value: 1 }] },
    { name: 'fleet_units', type: 'gauge', help: 'Units of the cluster by desired state.', samples: countUnits(snapshot) },
    gauge('fleet_machines', 'Machines present in the cluster.', snapshot.machines.size),
    gauge('fleet_leader', 'Whether the engine of this machine leads.', snapshot.leader?.machine === machineId ? 1 : 0),
    gauge('fleet_store_current', 'Whether this fleetd follows the store.', freshness.current ? 1 : 0),
    gauge('fleet_store_stale_seconds', 'For how long it has not followed the store.', freshness.current ? 0 : (clock.uptimeMs() - freshness.sinceMs) / 1_000),
    gauge('fleet_store_revision', 'Newest revision of the store that is known here.', snapshot.revision),
    gauge('fleet_unreadable_records', 'Stored values this version cannot read.', snapshot.unreadable.size),
    ...passes.map(({ component, count }): Metric => ({ name: `fleet_${component}_passes_total`, type: 'counter', help: `Passes of the ${component}.`, samples: [{ value: count }] })),
    gauge('fleet_api_streams', 'Event streams and journals being served.', streams.open()),
    { name: 'fleet_api_answers_total', type: 'counter', help: 'Answers of the HTTP API by status.', samples: [...answers].map(([status, value]) => ({ labels: { status: String(status) }, value })) },
    { name: 'fleet_event_loop_delay_seconds', type: 'gauge', help: 'How late the event loop has been since the start.', samples: ([['0.5', 50], ['0.99', 99], ['1', 100]] as const)
      .map(([quantile, percentile]) => ({ labels: { quantile }, value: loopDelay.percentile(percentile) / 1e9 })) },
    gauge('process_resident_memory_bytes', 'Memory of the process.', memory.rss),
    gauge('fleet_heap_used_bytes', 'Memory of JavaScript objects.', memory.heapUsed),
    { name: 'process_cpu_seconds_total', type: 'counter', help: 'Processor time of the process.', samples: [{ value: (cpu.user + cpu.system) / 1e6 }] },
  ];
}

function countUnits({ units }: ClusterSnapshot): Metric['samples'] {
  const counts = new Map(desiredStates.map((state) => [state, 0]));
  for (const { desired } of units.values()) counts.set(desired, (counts.get(desired) ?? 0) + 1);
  return [...counts].map(([desired, value]) => ({ labels: { desired }, value }));
}

function passesOf(report: unknown): number | null {
  const passes = typeof report === 'object' && report !== null ? (report as { readonly passes?: unknown }).passes : null;
  return typeof passes === 'number' ? passes : null;
}

/** The metrics as text that Prometheus reads. */
function printMetrics(metrics: readonly Metric[]): string {
  const escape = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
  return metrics.map(({ name, type, help, samples }) => {
    const lines = samples.map(({ labels = {}, value }) => {
      const pairs = Object.entries(labels).map(([key, text]) => `${key}="${escape(text)}"`).join(',');
      return `${name}${pairs === '' ? '' : `{${pairs}}`} ${value}\n`;
    });
    return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`;
  }).join('');
}

/** Inputs and last plans of the components, as they report them. */
function debugState({ needs, streams }: OperatorScene): object {
  const { mirror, reports } = needs;
  const snapshot = mirror.snapshot();
  return {
    version: needs.version, machine: needs.machineId, keyPrefix: needs.keyPrefix,
    store: {
      ...mirror.freshness(), revision: snapshot.revision, units: snapshot.units.size, files: snapshot.files.size, machines: [...snapshot.machines.keys()],
      leader: snapshot.leader, unreadable: [...snapshot.unreadable.values()], operationRevision: mirror.modRevision(keys.operation),
    },
    ready: whyNotReady(needs), streams: streams.open(), localMachines: [...needs.local.keys()],
    components: Object.fromEntries([...reports].map(([component, read]) => [component, read()])),
  };
}
