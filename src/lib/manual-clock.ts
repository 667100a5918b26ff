/**
 * A clock that stands still until somebody moves it: for tests and the simulator.
 * Promises: sleeps end in the order of their deadlines, equal ones in the order they began; after each, everything that can go
 * on without time passing does so before the next one ends, so the same calls give the same run.
 */
import { setImmediate } from 'node:timers/promises';
import type { Clock } from './clock.ts';

export interface ManualClock extends Clock {
  /** Moves time forward, ending every sleep on the way. Not to be called again before it has resolved. */
  advance(byMs: number): Promise<void>;
  /** Lets everything go on that needs no time: resolves when all that is left waits for the clock. */
  settle(): Promise<void>;
  /** Moves from sleep to sleep until the condition holds; throws when `limitMs` have passed before it does. */
  runUntil(holds: () => boolean, limitMs: number): Promise<void>;
  /** Makes the wall clock jump, forwards or backwards; uptime and sleeps do not notice. */
  stepWallClock(byMs: number): void;
  /** How many sleeps have not ended. */
  sleepers(): number;
}

interface Sleeper {
  readonly deadlineMs: number;
  readonly end: () => void;
}

/** A clock at uptime 0 whose wall clock shows `startMs` since the epoch. */
export function createManualClock(startMs: number = 1_700_000_000_000): ManualClock {
  let uptimeMs = 0;
  let wallOffsetMs = startMs;
  const sleepers: Sleeper[] = []; // Sorted by deadline, then by age.

  /** One turn of the event loop: Node empties the queue of promise reactions before it. */
  const settle = async (): Promise<void> => {
    await setImmediate();
  };
  const endNext = async (untilMs: number): Promise<boolean> => {
    const [next] = sleepers;
    if (next === undefined || next.deadlineMs > untilMs) return false;
    uptimeMs = Math.max(uptimeMs, next.deadlineMs);
    sleepers.shift();
    next.end();
    await settle();
    return true;
  };
  const advance = async (byMs: number): Promise<void> => {
    const untilMs = uptimeMs + byMs;
    await settle();
    while (await endNext(untilMs));
    uptimeMs = untilMs;
  };
  return {
    nowMs: () => wallOffsetMs + uptimeMs,
    uptimeMs: () => uptimeMs,
    sleep(delayMs: number, signal: AbortSignal): Promise<void> {
      return new Promise((resolve, reject) => {
        signal.throwIfAborted();
        const stop = (): void => {
          sleepers.splice(sleepers.indexOf(sleeper), 1);
          reject(signal.reason as Error);
        };
        const end = (): void => {
          signal.removeEventListener('abort', stop);
          resolve();
        };
        const sleeper = { deadlineMs: uptimeMs + Math.max(0, delayMs), end };
        sleepers.splice(placeFor(sleepers, sleeper.deadlineMs), 0, sleeper);
        signal.addEventListener('abort', stop, { once: true });
      });
    },
    advance,
    settle,
    async runUntil(holds: () => boolean, limitMs: number): Promise<void> {
      const untilMs = uptimeMs + limitMs;
      await settle();
      while (!holds()) {
        if (!await endNext(untilMs)) throw new Error(`the condition does not hold after ${limitMs} ms of virtual time`);
      }
    },
    stepWallClock(byMs: number): void {
      wallOffsetMs += byMs;
    },
    sleepers: () => sleepers.length,
  };
}

/** Where a sleeper with this deadline belongs: behind all that end no later. */
function placeFor(sleepers: readonly Sleeper[], deadlineMs: number): number {
  let low = 0;
  let high = sleepers.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sleepers[middle]?.deadlineMs ?? 0) <= deadlineMs) low = middle + 1;
    else high = middle;
  }
  return low;
}
