/**
 * The HTTP API v2: what fleetctl uses (protocol/v2.ts).
 * Promises: bodies are checked by schema before a handler sees them; every error names its reason.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { failure } from '../../core/failure.ts';
import { addResource, bodyText, saysJson, sendFailure, sendJson, type Handler, type Method } from '../http.ts';
import { parseJson } from '../json.ts';
import { getPool, listPools, listPorts, poolSchema, postPool } from '../ports/handlers.ts';
import { getRelease, listReleases, postOrder, postRelease, postScale } from '../releases/handlers.ts';
import { orderSchema, releaseSchema, scaleSchema } from '../releases/schemas.ts';
import { getEvents, postEvents } from './event-handlers.ts';
import { getBackup, postRestore, postRestoreEntries, postRestoreFinish } from './backup-handlers.ts';
import { listHistory } from './history-handlers.ts';
import { explainUnit, getInfo, getUnit, getUnitFile, listStatuses, listUnits } from './read-handlers.ts';
import {
  acceptStoreSchema, getRebalance, holdSchema, listMachines, machineOrderSchema, postAcceptStore, postHold, postMachine, postRebalance,
  rebalanceSchema,
} from './machine-handlers.ts';
import type { Scene, SceneHandler } from './scene.ts';
import {
  applySchema,
  destroySchema,
  eventsSchema,
  resetFailedSchema,
  restoreEntriesSchema,
  restoreFinishSchema,
  restoreSchema,
} from './schemas.ts';
import { getPrometheusTargets, getService, listServices } from './service-handlers.ts';
import { getJournal, getStatus } from './unit-text.ts';
import { apply, destroy, resetFailed } from './write-handlers.ts';

const prefix = '/fleet/v2';

export function addV2Routes(app: FastifyInstance, scene: Scene): void {
  const get = (handler: SceneHandler): Method => ({ handler: (request, reply) => handler(scene, request, reply) });
  const post = (handler: SceneHandler, body: object): Method => ({
    ...get(handler),
    schema: { body },
    decode: decodeBody,
  });
  const add = (url: string, methods: Partial<Record<'GET' | 'POST', Method>>): void =>
    addResource(app, { url: `${prefix}${url}`, methods, refuse: refuseMethod(Object.keys(methods)) });
  add('/apply', { POST: post(apply, applySchema) });
  add('/destroy', { POST: post(destroy, destroySchema) });
  add('/reset-failed', { POST: post(resetFailed, resetFailedSchema) });
  add('/units', { GET: get(listUnits) });
  add('/units/:name', { GET: get(getUnit) });
  add('/units/:name/file', { GET: get(getUnitFile) });
  add('/statuses', { GET: get(listStatuses) });
  add('/machines', { GET: get(listMachines) });
  add('/services', { GET: get(listServices) });
  add('/services/:name', { GET: get(getService) });
  add('/prometheus-sd', { GET: get(getPrometheusTargets) });
  add('/machines/:name', { POST: post(postMachine, machineOrderSchema) });
  add('/hold', { POST: post(postHold, holdSchema) });
  add('/rebalance', { GET: get(getRebalance), POST: post(postRebalance, rebalanceSchema) });
  add('/accept-store', { POST: post(postAcceptStore, acceptStoreSchema) });
  add('/explain/:name', { GET: get(explainUnit) });
  add('/status/:name', { GET: get(getStatus) });
  add('/journal/:name', { GET: get(getJournal) });
  add('/releases', { GET: get(listReleases), POST: post(postRelease, releaseSchema) });
  add('/releases/:name', { GET: get(getRelease), POST: post(postOrder, orderSchema) });
  add('/scale', { POST: post(postScale, scaleSchema) });
  add('/ports', { GET: get(listPorts) });
  add('/port-pools', { GET: get(listPools) });
  add('/port-pools/:name', { GET: get(getPool), POST: post(postPool, poolSchema) });
  add('/events', { GET: get(getEvents), POST: post(postEvents, eventsSchema) });
  add('/backup', { GET: get(getBackup) });
  add('/restore', { POST: post(postRestore, restoreSchema) });
  add('/restore/entries', { POST: post(postRestoreEntries, restoreEntriesSchema) });
  add('/restore/finish', { POST: post(postRestoreFinish, restoreFinishSchema) });
  add('/history', { GET: get(listHistory) });
  add('/history/:name', { GET: get(listHistory) });
  add('/info', { GET: get((_, __, reply) => sendJson(reply, 200, getInfo(scene))) });
}

/** Turns the text of a POST into the value that its schema checks. */
function decodeBody(request: FastifyRequest, reply: FastifyReply, done: () => void): void {
  if (!saysJson(request)) {
    sendFailure(
      reply,
      failure('CONTENT_TYPE_INVALID', 'the body must be JSON: send it with "Content-Type: application/json"').failure,
    );
    return;
  }
  const body = parseJson(bodyText(request));
  if (!body.ok) {
    sendFailure(reply, body.failure);
    return;
  }
  request.body = body.value;
  done();
}

function refuseMethod(methods: readonly string[]): Handler {
  return (request, reply) => {
    const { message } = failure(
      'METHOD_NOT_ALLOWED',
      `${request.method} is not supported here, only ${methods.join(' and ')}`,
    ).failure;
    return sendFailure(reply.header('allow', methods.join(', ')), { code: 'METHOD_NOT_ALLOWED', message });
  };
}
