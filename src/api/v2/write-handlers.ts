/**
 * POST /fleet/v2/apply, /fleet/v2/destroy and /fleet/v2/reset-failed.
 * Promises: a request with one wrong unit changes nothing; an answer is durable and seen by the lists of this API.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { failure, success, type Result } from '../../core/failure.ts';
import type { MachineId } from '../../core/machine.ts';
import { parseUnitName, type UnitName } from '../../core/unit-name.ts';
import type {
  ApplyAnswer,
  ApplyRequest,
  ApplyUnit,
  DestroyAnswer,
  DestroyRequest,
  ResetFailedAnswer,
  ResetFailedRequest,
} from '../../protocol/v2.ts';
import { sendFailure, sendJson } from '../http.ts';
import { shown } from '../json.ts';
import { basisOf, storeLost } from '../write/decision.ts';
import { decideResetFailed } from '../write/decide-reset.ts';
import { decideApply, decideDestroy, sayAll, type UnitFailure, type Wish, type Wishes } from '../write/decide.ts';
import { transact } from '../write/transaction.ts';
import type { Scene } from './scene.ts';

export async function apply(scene: Scene, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const body = request.body as ApplyRequest; // Its schema has been checked.
  const units = readWishes(body.units);
  if (!units.ok) return sendFailure(reply, units.failure);
  const wishes: Wishes = {
    units: units.value,
    ...(body.desired === undefined ? {} : { desired: body.desired }),
    replace: body.replace === true ? 'unless-higher' : 'never',
    restart: body.restart === true,
    lenient: body.lenient === true,
    by: body.by ?? '',
  };
  if (body.dryRun === true) return sendDryRun(scene, wishes, reply);
  const outcome = await transact(scene.needs, (basis) => decideApply(basis, wishes), scene.signal);
  if (!outcome.ok) return sendFailure(reply, outcome.failure);
  const answer: ApplyAnswer = { revision: outcome.value.revision, units: outcome.value.answer };
  return sendJson(reply, 200, answer);
}

function sendDryRun({ needs }: Scene, wishes: Wishes, reply: FastifyReply): FastifyReply {
  const basis = basisOf(needs);
  if (!needs.mirror.freshness().current) return sendFailure(reply, storeLost(needs).failure);
  const decided = decideApply(basis, wishes);
  if (!decided.ok) return sendFailure(reply, decided.failure);
  const answer: ApplyAnswer = { revision: basis.snapshot.revision, units: decided.value.answer };
  return sendJson(reply, 200, answer);
}

export async function destroy(scene: Scene, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const body = request.body as DestroyRequest; // Its schema has been checked.
  const units = readWishes(body.names.map((name) => ({ name })));
  if (!units.ok) return sendFailure(reply, units.failure);
  const names = units.value.map(({ name }) => name);
  const outcome = await transact(scene.needs, (basis) => decideDestroy(basis, names), scene.signal);
  if (!outcome.ok) return sendFailure(reply, outcome.failure);
  const answer: DestroyAnswer = { revision: outcome.value.revision, ...outcome.value.answer };
  return sendJson(reply, 200, answer);
}

export async function resetFailed(scene: Scene, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const body = request.body as ResetFailedRequest; // Its schema has been checked.
  const units = readWishes(body.names.map((name) => ({ name })));
  if (!units.ok) return sendFailure(reply, units.failure);
  const wish = { names: units.value.map(({ name }) => name), by: body.by ?? '' };
  const outcome = await transact(scene.needs, (basis) => decideResetFailed(basis, wish), scene.signal);
  if (!outcome.ok) return sendFailure(reply, outcome.failure);
  const answer: ResetFailedAnswer = { revision: outcome.value.revision, units: outcome.value.answer };
  return sendJson(reply, 200, answer);
}

/** Checks the names; a unit that is named twice in the same way counts once. */
function readWishes(units: readonly ApplyUnit[]): Result<readonly Wish[]> {
  const wishes = new Map<UnitName, Wish>();
  const failures: UnitFailure[] = [];
  for (const unit of units) {
    const wish = readWish(unit, wishes);
    if (wish.ok) wishes.set(wish.value.name, wish.value);
    else failures.push({ unit: unit.name, failure: wish.failure });
  }
  return failures.length === 0 ? success([...wishes.values()]) : sayAll(failures);
}

function readWish({ name, text, templateText, adoptOn }: ApplyUnit, others: ReadonlyMap<UnitName, Wish>): Result<Wish> {
  const parts = parseUnitName(name);
  if (!parts.ok) return failure('UNIT_NAME_INVALID', `${shown(name)}: ${parts.failure.message}`);
  const other = others.get(parts.value.name);
  const isOther = other !== undefined && (other.text !== text || other.templateText !== templateText);
  if (isOther) return failure('REQUEST_INVALID', `${name} is named twice with different content; name it once`);
  return success({
    name: parts.value.name,
    ...(text === undefined ? {} : { text }),
    ...(templateText === undefined ? {} : { templateText }),
    ...(adoptOn === undefined ? {} : { adoptOn: adoptOn === '' ? null : (adoptOn as MachineId) }),
  });
}
