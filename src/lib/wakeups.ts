/**
 * Level-triggered loops: an event only wakes the loop, which then reads everything again.
 * Promises: any number of wake() calls while the loop works make it run once more, none is lost, memory stays constant.
 */
import type { Clock } from './clock.ts';
import { startTimer } from './deadline.ts';

/** A bell: wake() rings it, wait() returns as soon as it has rung since the last wait(). */
export interface Bell {
  wake(): void;
  /** Resolves when rung (at once when it already was); rejects with the signal's reason when aborted. */
  wait(signal: AbortSignal): Promise<void>;
}

/** Waits until the bell rings, but not longer than `limitMs`; answers whether it rang. */
export async function waitAtMost(
  bell: Bell, limit: { readonly clock: Clock; readonly limitMs: number }, signal: AbortSignal,
): Promise<boolean> {
  let rang = true;
  const stopTimer = startTimer(limit, () => {
    rang = false;
    bell.wake();
  });
  try {
    await bell.wait(signal);
    return rang;
  } finally {
    stopTimer();
  }
}

/** A gate: whoever comes to it while it is closed waits until it opens. */
export interface Gate {
  set(isOpen: boolean): void;
  /** Resolves once it is open, or after `limitMs`; rejects with the signal's reason when aborted. */
  pass(limit: { readonly clock: Clock; readonly limitMs: number }, signal: AbortSignal): Promise<void>;
}

/** A gate that is open. */
export function createGate(): Gate {
  /** Rings when the gate opens; null while it is open. */
  let opening: Bell | null = null;
  return {
    set(isOpen) {
      if (!isOpen) {
        opening ??= createBell();
        return;
      }
      opening?.wake();
      opening = null;
    },
    async pass(limit, signal) {
      if (opening !== null) await waitAtMost(opening, limit, signal);
    },
  };
}

/** Resolves once `holds()` does, looking at once and whenever it is told to; rejects with the signal's reason when aborted. */
export function untilHolds(onChange: (look: () => void) => () => void, holds: () => boolean, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    if (holds()) return resolve();
    const finish = (): void => {
      stopLooking();
      signal.removeEventListener('abort', stop);
    };
    const stop = (): void => {
      finish();
      reject(signal.reason as Error);
    };
    const stopLooking = onChange(() => {
      if (!holds()) return;
      finish();
      resolve();
    });
    signal.addEventListener('abort', stop, { once: true });
  });
}

export function createBell(): Bell {
  let rung = false;
  let waiter: (() => void) | null = null;
  return {
    wake(): void {
      rung = true;
      waiter?.();
    },
    wait(signal: AbortSignal): Promise<void> {
      return new Promise((resolve, reject) => {
        signal.throwIfAborted();
        const finish = (): void => {
          signal.removeEventListener('abort', stop);
          waiter = null;
          rung = false;
          resolve();
        };
        const stop = (): void => {
          waiter = null;
          reject(signal.reason as Error);
        };
        if (rung) return finish();
        waiter = finish;
        signal.addEventListener('abort', stop, { once: true });
      });
    },
  };
}

/** All in milliseconds but `burst`. */
export interface TickLimits {
  readonly shortMs: number;
  readonly longMs: number;
  /** How many short ticks follow one another at most. */
  readonly burst: number;
  /** Of time that it takes to get one of them back. */
  readonly refillMs: number;
}

/**
 * Answers, after each piece of work of a loop, how long to wait before the next one, so that many changes make few pieces; after a time of
 * quiet a few follow one another quickly, so that a single change is dealt with at once.
 */
export function createTicks(clock: Clock, { shortMs, longMs, burst, refillMs }: TickLimits): () => number {
  let shortTicks = burst;
  let lastMs = clock.uptimeMs();
  return () => {
    const nowMs = clock.uptimeMs();
    shortTicks = Math.min(burst, shortTicks + (nowMs - lastMs) / refillMs);
    lastMs = nowMs;
    if (shortTicks < 1) return longMs;
    shortTicks -= 1;
    return shortMs;
  };
}
