/**
 * What people and machines that watch over a fleetd ask: is it alive, is it ready, what does it do, what does it cost.
 * Promises: answers from memory at once, also while the store is away; /readyz says why it is not ready, one line each.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { keys } from '../store/keys.ts';
import { addResource, sendJson, sendV1Error } from './http.ts';
import { oneLine } from './json.ts';
import { describeHolds, sayHold } from './machine-views.ts';
import { printMetrics } from './metric.ts';
import { readMetrics, type MetricSources } from './metrics.ts';
import type { ApiNeeds } from './needs.ts';
import { storeDoubts } from './write/decision.ts';

/** What holds the event loop for longer is seen for certain, and shorter times now and then. Looking more often is most of what an idle fleetd does. */
const delayResolutionMs = 250;

/** Adds /metrics, /healthz, /readyz and /debug/state; they stop measuring when the instance closes. */
export function addOperatorRoutes(app: FastifyInstance, scene: MetricSources): void {
  const intervals = monitorEventLoopDelay({ resolution: delayResolutionMs });
  intervals.enable();
  app.addHook('onClose', (_, done) => {
    intervals.disable();
    done();
  });
  // What is monitored is the time from one look to the next, not how late a look is.
  const loopDelay = (percentile: number): number => Math.max(0, intervals.percentile(percentile) / 1e9 - delayResolutionMs / 1e3);
  const get = (url: string, answer: (reply: FastifyReply) => unknown): void =>
    addResource(app, {
      url,
      methods: { GET: { handler: (_, reply) => answer(reply) } },
      refuse: (_, reply) => sendV1Error(reply, 405, 'only GET supported against this resource'),
    });
  get('/healthz', (reply) => sendText(reply, 200, ['ok', ...holdLines(scene.needs), ''].join('\n')));
  get('/readyz', (reply) => {
    const problems = whyNotReady(scene.needs);
    return problems.length === 0 ? sendText(reply, 200, 'ok\n') : sendText(reply, 503, `${problems.join('\n')}\n`);
  });
  get('/metrics', (reply) =>
    sendText(reply.header('content-type', metricsText), 200, printMetrics(readMetrics(scene, loopDelay))),
  );
  get('/debug/state', (reply) => sendJson(reply, 200, debugState(scene)));
}

const plainText = 'text/plain; charset=utf-8';
/** Prometheus text format. */
const metricsText = 'text/plain; version=0.0.4; charset=utf-8';

function sendText(reply: FastifyReply, status: number, text: string): FastifyReply {
  return reply
    .code(status)
    .header('content-type', reply.getHeader('content-type') ?? plainText)
    .header('cache-control', 'no-store')
    .send(text);
}

/** A hold is no illness of this fleetd, but whoever watches over the cluster should see it. */
function holdLines({ mirror, clock }: ApiNeeds): readonly string[] {
  return describeHolds(mirror.snapshot(), clock.nowMs()).map(sayHold);
}

/** What keeps this machine from doing its part: empty when nothing does. */
export function whyNotReady({
  mirror,
  clock,
  rest,
  presence,
  trouble,
  trust,
  storeTroubles,
}: Pick<ApiNeeds, 'mirror' | 'clock' | 'rest' | 'presence' | 'trouble' | 'trust' | 'storeTroubles'>): readonly string[] {
  const { current, sinceMs, why } = mirror.freshness();
  const seconds = Math.round((clock.uptimeMs() - sinceMs) / 1_000);
  // One that rests knows nothing and needs nothing; whether the store answers, the machine's presence tells.
  const store = current || rest?.isResting() === true ? [] : [`store: not followed for ${seconds} s: ${oneLine(why)}`];
  const absent = presence();
  const disabled = trouble();
  const troubles = [...storeTroubles().map((trouble) => `store: ${trouble}`), ...storeDoubts({ mirror, trust })];
  return [
    ...store,
    ...troubles,
    ...(absent === null ? [] : [`presence: ${oneLine(absent)}`]),
    ...(disabled === null ? [] : [`machine: ${oneLine(disabled)}`]),
  ];
}

/** Inputs and last plans of the components, as they report them. */
function debugState({ needs, streams }: MetricSources): object {
  const { mirror, reports } = needs;
  const snapshot = mirror.snapshot();
  return {
    version: needs.version,
    machine: needs.machineId,
    keyPrefix: needs.keyPrefix,
    store: {
      ...mirror.freshness(),
      resting: needs.rest?.isResting() ?? false,
      revision: snapshot.revision,
      units: snapshot.units.size,
      files: snapshot.files.size,
      machines: [...snapshot.machines.keys()],
      leader: snapshot.leader,
      unreadable: [...snapshot.unreadable.values()],
      operationRevision: mirror.modRevision(keys.operation),
      health: needs.storeHealth(),
    },
    ready: whyNotReady(needs),
    streams: streams.open(),
    localMachines: [...needs.local.keys()],
    components: Object.fromEntries([...reports].map(([component, read]) => [component, read()])),
  };
}
