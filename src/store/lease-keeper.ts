/**
 * Keeps a lease alive and knows how long it is certain to live.
 * Promises: the certain time counts from *sending* the last renewal that was confirmed, on a clock that runs through suspend,
 * so it never outlasts the store's own count; a store that does not answer ends nothing, only the store's "expired" does.
 */
import { createBackoff } from '../lib/backoff.ts';
import type { Clock } from '../lib/clock.ts';
import { DeadlineExceeded, withDeadline } from '../lib/deadline.ts';
import type { Random } from '../lib/random.ts';
import { StoreUnavailable } from './store.ts';
import type { Lease, LeaseRequest, Store } from './store.ts';

/** A renewal is due after this part of the ttl, and has as long to be answered: two may fail before the lease is in doubt. */
const renewalsPerTtl = 3;
const firstRetryMs = 100;

export interface LeaseNeeds {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  /** Called whenever a renewal was confirmed. */
  readonly onRenewed?: () => void;
}

/** A lease with the moment its last confirmed renewal was sent (Clock.uptimeMs). */
export interface HeldLease {
  readonly lease: Lease;
  confirmedAtMs: number;
  /** Since when every renewal was confirmed in time (Clock.uptimeMs): the store has answered all along. */
  steadySinceMs: number;
}

/** Whether an error says that the store does not answer now: retry later. Anything else is a bug or an answer. */
export function isStoreTrouble(error: unknown): error is Error {
  return error instanceof StoreUnavailable || error instanceof DeadlineExceeded;
}

/** Asks for a lease, within one ttl. */
export async function holdLease(needs: LeaseNeeds, request: LeaseRequest, signal: AbortSignal): Promise<HeldLease> {
  const confirmedAtMs = needs.clock.uptimeMs();
  const deadline = { clock: needs.clock, limitMs: request.ttlMs, signal };
  const lease = await withDeadline(deadline, (late) => needs.store.lease(request, late));
  return { lease, confirmedAtMs, steadySinceMs: confirmedAtMs };
}

/** For how many milliseconds a lease is certain to live; 0 when it may have expired. */
export function certainMs(held: HeldLease, clock: Clock): number {
  return Math.max(0, held.confirmedAtMs + held.lease.ttlMs - clock.uptimeMs());
}

/** Renews a lease until the store says that it has expired. Throws the signal's reason when aborted. */
export async function keepLease(needs: LeaseNeeds, held: HeldLease, signal: AbortSignal): Promise<void> {
  const { clock, random } = needs;
  const everyMs = held.lease.ttlMs / renewalsPerTtl;
  const backoff = createBackoff({ firstMs: Math.min(firstRetryMs, everyMs), maxMs: everyMs }, random);
  let waitMs = everyMs;
  for (;;) {
    await clock.sleep(waitMs, signal);
    const sentAtMs = clock.uptimeMs();
    try {
      const lives = await withDeadline({ clock, limitMs: everyMs, signal }, (late) => held.lease.renew(late));
      if (!lives) return;
      held.confirmedAtMs = sentAtMs;
      needs.onRenewed?.();
      backoff.reset();
      waitMs = everyMs;
    } catch (error) {
      signal.throwIfAborted();
      if (!isStoreTrouble(error)) throw error;
      held.steadySinceMs = clock.uptimeMs();
      waitMs = backoff.nextMs();
    }
  }
}

/** Ends a lease within `limitMs`, whatever else is being ended; answers whether the store confirmed it. */
export async function endLease(needs: LeaseNeeds, lease: Lease, limitMs: number): Promise<boolean> {
  try {
    await withDeadline({ clock: needs.clock, limitMs }, (late) => lease.revoke(late));
    return true;
  } catch (error) {
    if (!isStoreTrouble(error)) throw error;
    return false;
  }
}
