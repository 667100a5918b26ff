/**
 * The HTTP API of a fleetd: v1 of fleet 1.0, v2 of fleetctl, and what operators ask.
 * Promises: bodies, headers, lists and streams are bounded; no request makes it throw; every answer names its server;
 * every stream ends when the API's signal is aborted.
 */
import type { Server } from 'node:http';
import fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { failure, type Failure } from '../core/failure.ts';
import { limits } from '../core/limits.ts';
import { createSectionReader } from '../core/schedule/sections.ts';
import { inTime, withDeadline } from '../lib/deadline.ts';
import { createEventHistory } from './events/event-history.ts';
import { addResource, refusal, sendFailure, sendJson, sendV1Error, sendV1Failure } from './http.ts';
import { oneLine } from './json.ts';
import type { ApiNeeds } from './needs.ts';
import { addOperatorRoutes } from './operator-routes.ts';
import type { MirrorRest } from '../store/resting-mirror.ts';
import { createStreamCounter } from './stream-counter.ts';
import { addV1Routes, v1Prefixes } from './v1/routes.ts';
import { addV2Routes } from './v2/routes.ts';
import type { Scene } from './v2/scene.ts';
import { describeViolation } from './v2/schemas.ts';

const headersLimitMs = 10_000;
const requestLimitMs = 60_000;
const keepAliveLimitMs = 60_000;
/** How long after its start an API has requests wait for what the cluster looks like. */
const firstListingMsMax = 5_000;
/** How long a request that would be refused waits for a store that has just been lost: etcd may only have changed its leader. */
const lostMsMax = 2_000;
/** Connections of one listener; more wait in the kernel. */
const connectionsMax = 1_000;
/** A unit name of 255 characters, each escaped. */
const pathPartCharactersMax = 1_024;

export interface Api {
  /**
   * `app.routing` answers requests of any http.Server once `app.ready()` has resolved; `app.inject()` is one without a
   * socket.
   */
  readonly app: FastifyInstance;
  /**
   * Serves the API on a server that the caller makes, binds and closes, within the limits above. Call it before it
   * listens.
   */
  attach(server: Server): void;
  /** Every method and path it serves, for documents to be compared with. */
  readonly routes: readonly Route[];
}

export interface Route {
  readonly method: string;
  readonly url: string;
}

/**
 * The API; when `signal` is aborted its streams end. Await `app.ready()` before the first request and `app.close()`
 * after the last.
 */
export function createApi(needs: ApiNeeds, signal: AbortSignal): Api {
  const sections = createSectionReader();
  const history = createEventHistory(needs.mirror, { sections, clock: needs.clock });
  const streams = createStreamCounter(limits.eventStreamsMax);
  const answers = new Map<number, number>();
  const app = createApp(needs);
  const routes: Route[] = [];
  app.addHook('onRoute', ({ method, url, config }) => {
    if (config !== refusal) routes.push({ method: String(method), url });
  });
  app.addHook('onResponse', (_, reply, done) => {
    answers.set(reply.statusCode, (answers.get(reply.statusCode) ?? 0) + 1);
    done();
  });
  app.addHook('onClose', (_, done) => {
    history.close();
    done();
  });
  if (needs.rest !== null) keepWhileAsked(app, needs.rest);
  waitForStore(app, needs);
  addResource(app, { url: '/', methods: {}, refuse: (_, reply) => sendV1Error(reply, 405, '') });
  for (const prefix of v1Prefixes) addV1Routes(app, { needs, prefix }, signal);
  addOperatorRoutes(app, { needs, streams, answers });
  const scene: Scene = {
    needs,
    history,
    streams,
    viewed: () => ({ snapshot: needs.mirror.snapshot(), sections }),
    signal,
  };
  addV2Routes(app, scene);
  const attach = (server: Server): void => {
    server.headersTimeout = headersLimitMs;
    server.requestTimeout = requestLimitMs;
    server.keepAliveTimeout = keepAliveLimitMs;
    server.maxConnections = connectionsMax;
    server.on('request', (request, response) => app.routing(request, response));
  };
  return { app, attach, routes };
}

/** Whether a request is about the cluster, and not about this fleetd itself. */
const asksAboutCluster = ({ url }: FastifyRequest): boolean => url.startsWith('/fleet/v') || url.startsWith('/v1-alpha');

/** An event stream. Who follows one asks again after a refusal, and another fleetd first: one that hears nothing meanwhile is late. */
const asksForEvents = ({ url }: FastifyRequest): boolean => url.startsWith('/fleet/v2/events');

/** What is refused while the store is away: a change, and all of API v1. */
const needsStore = ({ method, url }: FastifyRequest): boolean => method !== 'GET' || !url.startsWith('/fleet/v2');

/**
 * Who asks a fleetd that has just been started, or has just lost the store, gets the answer and not a refusal that a moment later would be
 * wrong. A store that is away for longer holds up nobody.
 */
function waitForStore(app: FastifyInstance, { mirror, clock }: ApiNeeds): void {
  const startedMs = clock.uptimeMs();
  app.addHook('onRequest', async (request) => {
    const { current, sinceMs } = mirror.freshness();
    if (current || !asksAboutCluster(request) || asksForEvents(request)) return;
    const isUnheard = mirror.snapshot().revision === 0;
    if (!isUnheard && !needsStore(request)) return;
    const limitMs = (isUnheard ? startedMs + firstListingMsMax : sinceMs + lostMsMax) - clock.uptimeMs();
    if (limitMs > 0) await inTime(withDeadline({ clock, limitMs }, (late) => mirror.untilCurrent(late)));
  });
}

/** Has the mirror there for every request about the cluster, until its connection or answer has ended. */
function keepWhileAsked(app: FastifyInstance, rest: MirrorRest): void {
  app.addHook('onRequest', async (request, reply) => {
    if (!asksAboutCluster(request)) return;
    const release = await rest.hold();
    if (reply.raw.closed) release();
    else reply.raw.once('close', release);
  });
}

/** The web framework without its own opinions: bodies stay text, errors have our form, HEAD is not GET. */
function createApp(needs: ApiNeeds): FastifyInstance {
  const app = fastify({
    logger: false,
    exposeHeadRoutes: false,
    bodyLimit: limits.requestBytesMax,
    routerOptions: { maxParamLength: pathPartCharactersMax },
    ajv: {
      customOptions: {
        coerceTypes: false,
        removeAdditional: false,
        useDefaults: false,
        allErrors: false,
        verbose: true,
      },
    },
    frameworkErrors: (error, request, reply) => void answerError(needs, error, { request, reply }),
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'string' }, (_, body, done) => done(null, body));
  app.addHook('onRequest', (_, reply, done) => {
    reply.header('server', `fleetd/${needs.version}`);
    done();
  });
  app.setErrorHandler<FastifyError>((error, request, reply) => answerError(needs, error, { request, reply }));
  app.setNotFoundHandler((request, reply) => {
    if (!isV2(request)) return sendV1Error(reply, 404, '');
    return sendFailure(reply, failure('RESOURCE_NOT_FOUND', `there is no resource ${oneLine(request.url)}`).failure);
  });
  return app;
}

function isV2(request: FastifyRequest): boolean {
  return request.url.startsWith('/fleet/v2');
}

/** The last resort: what the framework refuses, and our own bugs, which are logged. */
function answerError(
  needs: ApiNeeds,
  error: FastifyError,
  { request, reply }: { readonly request: FastifyRequest; readonly reply: FastifyReply },
): FastifyReply {
  const refusal = readRefusal(error);
  if (refusal !== null) return isV2(request) ? sendFailure(reply, refusal) : sendV1Failure(reply, refusal);
  needs.log.error(`a request failed, its caller is told so: ${error.stack ?? String(error)}`, {
    method: request.method,
    path: oneLine(request.url),
  });
  const message = 'internal error; the log of fleetd says more';
  return isV2(request)
    ? sendJson(reply, 500, { error: { code: 500, reason: 'INTERNAL_ERROR', message } })
    : sendV1Error(reply, 500, message);
}

/** What the caller did wrong; null when it was us. */
function readRefusal(error: FastifyError): Failure | null {
  if (error.validation !== undefined) return describeViolation(error.validation);
  if (error.statusCode === 413) {
    return failure(
      'REQUEST_TOO_LARGE',
      `the body is larger than ${limits.requestBytesMax} bytes; send several requests`,
    ).failure;
  }
  const isTheirs = error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500;
  return isTheirs ? failure('REQUEST_INVALID', oneLine(error.message)).failure : null;
}
