/**
 * The HTTP API of fleet 1.0.
 * Promises: its clients go on working: paths, statuses, sentences, paging and the order of fields are the same; while
 * the store does not answer, every request is told so.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { success, type Failure, type Result } from '../../core/failure.ts';
import { compareText } from '../../core/order.ts';
import { createSectionReader } from '../../core/schedule/sections.ts';
import { parseUnitName, type UnitName } from '../../core/unit-name.ts';
import {
  addResource,
  bodyText,
  pathValue,
  queryValues,
  saysJson,
  sendJson,
  sendV1Error,
  sendV1Failure,
  type Handler,
} from '../http.ts';
import type { ApiNeeds } from '../needs.ts';
import { sortedKeys, type Viewed } from '../views.ts';
import { decideDestroy } from '../write/decide.ts';
import { storeLost } from '../write/decision.ts';
import { transact } from '../write/transaction.ts';
import { readOperationBodies, readUnitBody } from './body.ts';
import { discoveryDocument } from './discovery.ts';
import { checkOperations } from './machine-metadata.ts';
import { patchMachines } from './patch-machines.ts';
import { pageOf, readPageToken, type Page } from './page-token.ts';
import { machineResources, pageBody, stateResources, unitResource } from './resources.ts';
import { checkUnitPut, decideUnitPut } from './unit-put.ts';

export const v1Prefixes: readonly string[] = ['/fleet/v1', '/v1-alpha'];

/** Adds the routes under one prefix. `signal` ends what still waits when the API stops. */
export function addV1Routes(
  app: FastifyInstance,
  { needs, prefix }: { readonly needs: ApiNeeds; readonly prefix: string },
  signal: AbortSignal,
): void {
  const sections = createSectionReader();
  const scene: Scene = { needs, signal, viewed: () => ({ snapshot: needs.mirror.snapshot(), sections }) };
  const guarded =
    (handler: SceneHandler): Handler =>
    (request, reply) => {
      if (needs.mirror.freshness().current) return handler(scene, request, reply);
      return sendV1Error(reply, 503, storeLost(needs).failure.message);
    };
  const refuse =
    (message: string, status = 405): Handler =>
    (_, reply) =>
      sendV1Error(reply, status, message);
  const onlyGet = refuse('only GET supported against this resource');
  const add = (url: string, methods: Readonly<Record<string, SceneHandler>>, refusal: Handler): void => {
    const handlers = Object.fromEntries(
      Object.entries(methods).map(([method, handler]) => [method, { handler: guarded(handler) }]),
    );
    addResource(app, {
      url: `${prefix}${url}`,
      methods: handlers,
      refuse: guarded((_, request, reply) => refusal(request, reply)),
    });
  };
  add('', {}, refuse(''));
  add(
    '/discovery',
    { GET: (_, __, reply) => sendJson(reply, 200, discoveryDocument) },
    refuse('only HTTP GET supported against this resource', 400),
  );
  add(
    '/machines',
    { GET: listMachines, PATCH: changeMachines },
    refuse('only GET and PATCH supported against this resource'),
  );
  add('/units', { GET: listUnits }, onlyGet);
  add(
    '/units/:name',
    { GET: getUnit, PUT: putUnit, DELETE: deleteUnit },
    refuse('only GET, PUT and DELETE supported against this resource'),
  );
  // The router would take the empty text for a name.
  for (const url of ['/units/', '/state/']) add(url, {}, refuse('', 404));
  add('/state', { GET: listStates }, onlyGet);
  add('/state/:name', { GET: getState }, onlyGet);
}

interface Scene {
  readonly needs: ApiNeeds;
  readonly signal: AbortSignal;
  readonly viewed: () => Viewed;
}
type SceneHandler = (scene: Scene, request: FastifyRequest, reply: FastifyReply) => unknown;

function listMachines({ needs, viewed }: Scene, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  return sendPage(reply, pageFrom(needs, request, machineResources(viewed().snapshot)), 'machines');
}

function listUnits({ needs, viewed }: Scene, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const seen = viewed();
  const names = pageFrom(needs, request, sortedKeys(seen.snapshot.units));
  if (!names.ok) return sendV1Failure(reply, names.failure);
  const items = names.value.items.map((name) => unitResource(seen, name));
  return sendPage(reply, success({ ...names.value, items }), 'units');
}

function listStates({ needs, viewed }: Scene, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const [machine = ''] = queryValues(request, 'machineID');
  const [name = ''] = queryValues(request, 'unitName');
  const states = stateResources(viewed().snapshot, {
    ...(machine === '' ? {} : { machine }),
    ...(name === '' ? {} : { name }),
  });
  return sendPage(reply, pageFrom(needs, request, states), 'states');
}

function pageFrom<T>(needs: ApiNeeds, request: FastifyRequest, all: readonly T[]): Result<Page<T>> {
  const token = readPageToken(queryValues(request, 'nextPageToken'), needs.tokenLimit);
  return token.ok ? success(pageOf(all, token.value)) : token;
}

/** Fields in alphabetical order, as fleet 1.0's. */
function sendPage(reply: FastifyReply, page: Result<Page<unknown>>, field: string): FastifyReply {
  if (!page.ok) return sendV1Failure(reply, page.failure);
  const entries: [string, unknown][] = [
    [field, page.value.items],
    ['nextPageToken', page.value.next],
  ];
  return sendJson(
    reply,
    200,
    pageBody(Object.fromEntries(entries.sort(([left], [right]) => compareText(left, right)))),
  );
}

function getUnit({ viewed }: Scene, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const unit = unitResource(viewed(), pathValue(request, 'name') as UnitName);
  return unit === null ? sendV1Error(reply, 404, 'unit does not exist') : sendJson(reply, 200, unit);
}

function getState({ viewed }: Scene, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const [state] = stateResources(viewed().snapshot, { name: pathValue(request, 'name') });
  return state === undefined ? sendV1Error(reply, 404, 'unit state does not exist') : sendJson(reply, 200, state);
}

async function putUnit({ needs, signal }: Scene, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  if (!saysJson(request)) return sendV1Error(reply, 415, 'only acceptable Content-Type is application/json');
  const body = readUnitBody(bodyText(request));
  const put = body.ok ? checkUnitPut(pathValue(request, 'name'), body.value) : body;
  if (!put.ok) return sendV1Failure(reply, put.failure);
  const outcome = await transact(needs, (basis) => decideUnitPut(basis, put.value), signal);
  if (!outcome.ok) return sendV1Failure(reply, outcome.failure);
  return reply.code(outcome.value.answer.isNewContent ? 201 : 204).send();
}

async function deleteUnit(
  { needs, signal }: Scene,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const name = parseUnitName(pathValue(request, 'name'));
  if (!name.ok) return sendV1Error(reply, 404, 'unit does not exist');
  const outcome = await transact(needs, (basis) => decideDestroy(basis, [name.value.name]), signal);
  if (!outcome.ok) return sendV1Failure(reply, outcome.failure);
  if (outcome.value.answer.destroyed.length === 0) return sendV1Error(reply, 404, 'unit does not exist');
  return reply.code(204).send();
}

async function changeMachines(
  { needs, signal }: Scene,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const operations = readOperationBodies(bodyText(request));
  const changes = operations.ok ? checkOperations(operations.value) : operations;
  if (!changes.ok) return sendV1Failure(reply, changes.failure);
  const failure: Failure | null = await patchMachines(needs, changes.value, signal);
  if (failure !== null) return sendV1Failure(reply, failure);
  return reply.code(204).header('content-type', 'application/json').send();
}
