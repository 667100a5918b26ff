/**
 * /fleet/v2/ports and /fleet/v2/port-pools.
 * Promises: lists answer from one snapshot; an answer to a change is durable and seen by the lists of this API.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { failure, success, type Result } from '../../core/failure.ts';
import { parsePortName } from '../../core/ports.ts';
import type { PoolAnswer, PoolDetails, PoolList, PoolWish, PortList } from '../../protocol/ports.ts';
import { pathValue, sendFailure, sendJson } from '../http.ts';
import { sendView, type Scene } from '../v2/scene.ts';
import { transact } from '../write/transaction.ts';
import { decidePool } from './decide-pool.ts';
import { describePools, describePorts, portsOfPool } from './views.ts';

/** The body of POST /port-pools/NAME. */
export const poolSchema: object = {
  type: 'object',
  additionalProperties: false,
  required: ['range'],
  properties: { range: { type: ['string', 'null'], maxLength: 32 }, force: { type: 'boolean' }, by: { type: 'string', maxLength: 256 } },
};

export function listPorts(scene: Scene, _: FastifyRequest, reply: FastifyReply): FastifyReply {
  return sendView(scene, reply, ({ snapshot }) =>
    success<PortList>({ revision: snapshot.revision, ports: describePorts(snapshot) }));
}

export function listPools(scene: Scene, _: FastifyRequest, reply: FastifyReply): FastifyReply {
  return sendView(scene, reply, ({ snapshot }) =>
    success<PoolList>({ revision: snapshot.revision, pools: describePools(snapshot) }));
}

export function getPool(scene: Scene, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  return sendView(scene, reply, ({ snapshot }): Result<PoolDetails> => {
    const name = parsePortName(pathValue(request, 'name'));
    if (!name.ok) return name;
    const pool = describePools(snapshot).find((each) => each.name === name.value);
    if (pool === undefined) return failure('POOL_NOT_FOUND', `there is no pool "${name.value}"`);
    return success({ ...pool, ports: portsOfPool(snapshot, name.value) });
  });
}

export async function postPool(scene: Scene, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { range, force = false, by = '' } = request.body as PoolWish; // Its schema has been checked.
  const name = parsePortName(pathValue(request, 'name'));
  if (!name.ok) return sendFailure(reply, name.failure);
  const outcome = await transact(scene.needs, (basis) => decidePool(basis, { name: name.value, range, force, by }), scene.signal);
  if (!outcome.ok) return sendFailure(reply, outcome.failure);
  return sendJson(reply, 200, { revision: outcome.value.revision, ...outcome.value.answer } satisfies PoolAnswer);
}
