/**
 * What every handler of API v2 works with.
 * Promises: reads answer from the mirror, also while the store is away, and then say since when; what was never known
 * is refused.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { failure, success, type Failure, type Result } from '../../core/failure.ts';
import { parseUnitName, type UnitName } from '../../core/unit-name.ts';
import { storeLost } from '../write/decision.ts';
import { pathValue, sendFailure, sendJson } from '../http.ts';
import { shown } from '../json.ts';
import type { ApiNeeds } from '../needs.ts';
import type { StreamCounter } from '../stream-counter.ts';
import type { EventHistory } from '../events/event-history.ts';
import type { Viewed } from '../views.ts';

export interface Scene {
  readonly needs: ApiNeeds;
  readonly history: EventHistory;
  readonly streams: StreamCounter;
  readonly viewed: () => Viewed;
  /** Aborted when the API stops: ends streams and waits. */
  readonly signal: AbortSignal;
}

export type SceneHandler = (scene: Scene, request: FastifyRequest, reply: FastifyReply) => unknown;

/** The header of answers from a mirror that has lost the store: since when, in the form of RFC 9557. */
const staleHeader = 'fleet-stale-since';

/** Answers a read from the mirror; refuses it while nothing is known. */
export function sendView(scene: Scene, reply: FastifyReply, view: (viewed: Viewed) => Result<object>): FastifyReply {
  const viewed = scene.viewed();
  if (viewed.snapshot.revision === 0) return sendFailure(reply, neverSynced(scene.needs));
  markStale(scene.needs, reply);
  const answer = view(viewed);
  return answer.ok ? sendJson(reply, 200, answer.value) : sendFailure(reply, answer.failure);
}

/** What is answered while this fleetd has never heard of the store. */
export const neverSynced = (needs: Pick<ApiNeeds, 'storeKind'>): Failure => storeLost(needs).failure;

export function markStale(needs: Pick<ApiNeeds, 'mirror' | 'clock'>, reply: FastifyReply): void {
  const heardUntilMs = whenHeardLast(needs);
  if (heardUntilMs !== null) reply.header(staleHeader, new Date(heardUntilMs).toISOString());
}

/** The time of day at which the store was heard for the last time; null while it is heard. */
export function whenHeardLast({ mirror, clock }: Pick<ApiNeeds, 'mirror' | 'clock'>): number | null {
  const { current, sinceMs } = mirror.freshness();
  return current ? null : clock.nowMs() - (clock.uptimeMs() - sinceMs);
}

/** The unit that a path names, when the cluster has it. */
export function knownUnit({ snapshot }: Viewed, request: FastifyRequest): Result<UnitName> {
  const text = pathValue(request, 'name');
  const name = parseUnitName(text);
  if (!name.ok) return failure('UNIT_NAME_INVALID', `${shown(text)}: ${name.failure.message}`);
  return snapshot.units.has(name.value.name)
    ? success(name.value.name)
    : failure('UNIT_NOT_FOUND', `unit ${text} does not exist`);
}
