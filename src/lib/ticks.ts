/**
 * Ticks: how long whoever works whenever something changes waits after each piece of work, so that many changes make few pieces.
 * Promises: after a time of quiet a few pieces follow one another quickly, so that a single change is dealt with at once.
 */
import type { Clock } from './clock.ts';

/** All in milliseconds but `burst`. */
export interface TickLimits {
  readonly shortMs: number;
  readonly longMs: number;
  /** How many short ticks follow one another at most. */
  readonly burst: number;
  /** Of time that it takes to get one of them back. */
  readonly refillMs: number;
}

/** Answers, after each piece of work, how long to wait before the next one. */
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
