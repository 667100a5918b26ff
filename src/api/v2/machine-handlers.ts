/**
 * GET and POST of /fleet/v2/machines and /fleet/v2/rebalance, POST /fleet/v2/hold and /fleet/v2/accept-store.
 * Promises: an answer to an order is durable and seen by the lists of this API.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { success } from '../../core/failure.ts';
import { limits } from '../../core/limits.ts';
import type { MachineId } from '../../core/machine.ts';
import { planRebalance } from '../../core/schedule/rebalance.ts';
import type {
  AcceptStoreAnswer, AcceptStoreRequest, HoldAnswer, HoldRequest, MachineAnswer, MachineList, MachineOrder, RebalanceAnswer, RebalanceOrder,
  RebalanceSide, RebalanceView,
} from '../../protocol/machines.ts';
import { pathValue, sendFailure, sendJson } from '../http.ts';
import { describeAbsent, describeHolds, describeMachines } from '../machine-views.ts';
import { whyNotReady } from '../operator-routes.ts';
import { decideHold, decideMachineOrder } from '../write/machine-order.ts';
import { decideRebalance } from '../write/rebalance.ts';
import { decideAcceptance } from '../write/accept-store.ts';
import { whyRestoring } from '../write/decision.ts';
import { commitAnyway, commitDecision } from '../write/single-commit.ts';
import { sendView, type Scene } from './scene.ts';
import { byText } from './schemas.ts';

/** The longest hold a person may order at once: a year. */
const holdMsMax = 31_536_000_000;

const reason = { type: 'string', maxLength: limits.reasonCharactersMax } as const;

export const machineOrderSchema: object = {
  type: 'object',
  additionalProperties: false,
  required: ['action'],
  properties: {
    action: { type: 'string', enum: ['cordon', 'uncordon', 'drain', 'undrain', 'forget'] },
    reason,
    by: byText,
    keepFenced: { type: 'boolean' },
    global: { type: 'boolean' },
  },
};

export const holdSchema: object = {
  type: 'object',
  additionalProperties: false,
  required: ['action'],
  properties: {
    action: { type: 'string', enum: ['hold', 'release'] },
    forMs: { type: 'integer', minimum: 1, maximum: holdMsMax },
    reason,
    by: byText,
  },
};

export const rebalanceSchema: object = {
  type: 'object',
  additionalProperties: false,
  required: ['action'],
  properties: { action: { type: 'string', enum: ['start', 'stop'] }, fenced: { type: 'boolean' }, by: byText },
};

/** What a rebalance would do now, or what is left of the one that goes on. */
export function getRebalance(scene: Scene, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const isFencedAsked = new URLSearchParams(request.url.split('?')[1] ?? '').get('fenced') === 'true';
  return sendView(scene, reply, ({ snapshot, sections }) => {
    const side = (machine: MachineId, load: Pick<RebalanceSide, 'before' | 'after'>): RebalanceSide =>
      ({ machine, address: snapshot.machines.get(machine)?.publicIp ?? '', ...load });
    const moves = planRebalance(snapshot, { fenced: snapshot.rebalance?.fenced ?? isFencedAsked }, { sections, nowMs: scene.needs.clock.nowMs() });
    return success<RebalanceView>({
      revision: snapshot.revision,
      running: snapshot.rebalance,
      moves: moves.map(({ units, from, to, fromLoad, toLoad }) => ({ units, from: side(from, fromLoad), to: side(to, toLoad) })),
    });
  });
}

export async function postRebalance(scene: Scene, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const order = request.body as RebalanceOrder; // Its schema has been checked.
  const outcome = await commitDecision(scene.needs, (basis) => decideRebalance(basis, order), scene.signal);
  return outcome.ok ? sendJson(reply, 200, outcome.value satisfies RebalanceAnswer) : sendFailure(reply, outcome.failure);
}

export const acceptStoreSchema: object = {
  type: 'object',
  additionalProperties: false,
  properties: { force: { type: 'boolean' }, reason, by: byText },
};

export function listMachines(scene: Scene, _: FastifyRequest, reply: FastifyReply): FastifyReply {
  return sendView(scene, reply, (viewed) =>
    success<MachineList>({
      revision: viewed.snapshot.revision,
      machines: describeMachines(viewed),
      absent: describeAbsent(viewed.snapshot, scene.needs.clock.nowMs()),
      holds: describeHolds(viewed.snapshot, scene.needs.clock.nowMs()),
      troubles: whyNotReady(scene.needs),
    }),
  );
}

export async function postMachine(scene: Scene, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const order = request.body as MachineOrder; // Its schema has been checked.
  const id = pathValue(request, 'name') as MachineId;
  const outcome = await commitDecision(scene.needs, (basis) => decideMachineOrder(basis, id, order), scene.signal);
  return outcome.ok ? sendJson(reply, 200, outcome.value satisfies MachineAnswer) : sendFailure(reply, outcome.failure);
}

export async function postAcceptStore({ needs, signal }: Scene, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const asked = request.body as AcceptStoreRequest; // Its schema has been checked.
  const restoring = whyRestoring(needs.mirror.snapshot());
  const outcome = restoring ?? (await commitAnyway(needs, (basis) => decideAcceptance(needs, basis, asked), signal));
  return outcome.ok ? sendJson(reply, 200, outcome.value satisfies AcceptStoreAnswer) : sendFailure(reply, outcome.failure);
}

export async function postHold(scene: Scene, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const order = request.body as HoldRequest; // Its schema has been checked.
  const outcome = await commitDecision(scene.needs, (basis) => decideHold(basis, order), scene.signal);
  return outcome.ok ? sendJson(reply, 200, outcome.value satisfies HoldAnswer) : sendFailure(reply, outcome.failure);
}
