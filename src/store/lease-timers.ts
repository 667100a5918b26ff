/**
 * When leases end, for stores that keep their data in this process.
 * Promises: a lease that is not renewed ends once, no earlier than its ttl after the last renewal; nothing polls.
 */
import type { Clock } from '../lib/clock.ts';
import type { LeaseRow } from './ledger.ts';

export interface LeaseTimers {
  /** Starts a lease's time anew; a lease not seen before begins to be counted. */
  renew(lease: LeaseRow): void;
  /** Whether the lease is counted: not once its time was up. */
  counts(id: string): boolean;
  /** Milliseconds until the lease ends if it is not renewed; 0 when it is not counted. */
  leftMs(id: string): number;
  /** Stops counting a lease that was ended otherwise. */
  forget(id: string): void;
  close(): void;
}

/** Calls `onExpired` for every lease whose time is up; the lease is forgotten by then. */
export function createLeaseTimers(clock: Clock, onExpired: (id: string) => void): LeaseTimers {
  const counted = new Map<string, { deadlineMs: number; readonly stop: AbortController }>();

  const countDown = async (id: string, stop: AbortController): Promise<void> => {
    for (let leftMs = leftOf(id); leftMs > 0; leftMs = leftOf(id)) await clock.sleep(leftMs, stop.signal);
    counted.delete(id);
    onExpired(id);
  };
  const leftOf = (id: string): number => (counted.get(id)?.deadlineMs ?? 0) - clock.uptimeMs();
  const forget = (id: string): void => {
    counted.get(id)?.stop.abort();
    counted.delete(id);
  };
  return {
    renew({ id, ttlMs }: LeaseRow): void {
      const deadlineMs = clock.uptimeMs() + ttlMs;
      const before = counted.get(id);
      if (before !== undefined) {
        before.deadlineMs = deadlineMs; // The sleep under way ends too early, sees this and sleeps on.
        return;
      }
      const stop = new AbortController();
      counted.set(id, { deadlineMs, stop });
      countDown(id, stop).catch((error: unknown) => {
        if (!stop.signal.aborted) throw error;
      });
    },
    counts: (id) => counted.has(id),
    leftMs: (id) => Math.max(0, leftOf(id)),
    forget,
    close(): void {
      for (const id of [...counted.keys()]) forget(id);
    },
  };
}
