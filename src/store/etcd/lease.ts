/**
 * Leases of etcd.
 * Promises: renewing is one request with a deadline and one answer, so a caller always knows when the lease was last
 * confirmed; an expired lease is told apart from an etcd that does not answer.
 */
import { assert } from '../../core/failure.ts';
import { LeaseExpired } from '../store.ts';
import type { Lease, LeaseRequest } from '../store.ts';
import type { Connection } from './connection.ts';
import { leaseText, parseLeaseText } from './entries.ts';
import { Lease as LeaseService } from './generated/etcd_pb.js';

/** etcd grants no less: one and a half election timeouts, rounded up. */
const leaseSecondsMin = 2;

/**
 * Takes up the lease of `resumeId` if it lives (with the time to live it was granted with, which `ttlMs` of the result
 * says), else asks for a new one of `ttlMs`, rounded up to whole seconds and to at least two.
 */
export async function openLease(connection: Connection, request: LeaseRequest, signal: AbortSignal): Promise<Lease> {
  signal.throwIfAborted();
  const resumed = request.resumeId === undefined ? null : parseLeaseText(request.resumeId);
  if (resumed !== null) {
    const ttlMs = await keepAlive(connection, resumed, signal);
    if (ttlMs > 0) return leaseOf(connection, resumed, ttlMs);
  }
  const seconds = Math.max(leaseSecondsMin, Math.ceil(request.ttlMs / 1_000));
  const granted = await connection.request(LeaseService.method.leaseGrant, { TTL: BigInt(seconds) }, signal);
  return leaseOf(connection, granted.ID, Number(granted.TTL) * 1_000);
}

function leaseOf(connection: Connection, id: bigint, ttlMs: number): Lease {
  return {
    id: leaseText(id),
    ttlMs,
    async renew(signal): Promise<boolean> {
      return await keepAlive(connection, id, signal) > 0;
    },
    async revoke(signal): Promise<void> {
      try {
        await connection.request(LeaseService.method.leaseRevoke, { ID: id }, signal);
      } catch (error) {
        if (!(error instanceof LeaseExpired)) throw error;
      }
    },
  };
}

/** Whole seconds that a lease lives at least if nobody renews it; 0 when it is over. */
export async function secondsLeft(connection: Connection, leaseId: string, signal: AbortSignal): Promise<number> {
  const id = parseLeaseText(leaseId);
  assert(id !== null, `"${leaseId}" is the id of a lease of this store`);
  const answer = await connection.request(LeaseService.method.leaseTimeToLive, { ID: id }, signal);
  return Math.max(0, Number(answer.TTL));
}

/** Renews a lease; the time it has from now on, 0 when it has expired. */
async function keepAlive(connection: Connection, id: bigint, signal: AbortSignal): Promise<number> {
  const answer = await connection.request(LeaseService.method.leaseKeepAlive, { ID: id }, signal);
  return Math.max(0, Number(answer.TTL)) * 1_000;
}
