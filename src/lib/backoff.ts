/** Waiting longer after each failure, with jitter, up to a bound. */
import type { Random } from './random.ts';

export interface BackoffOptions {
  readonly firstMs: number;
  readonly maxMs: number;
}

/** Delays that double from `firstMs` to `maxMs`, each cut by up to half at random so that machines do not retry in step. */
export interface Backoff {
  /** The next delay in whole milliseconds. */
  nextMs(): number;
  /** Begins again at `firstMs`: call it after success. */
  reset(): void;
}

export function createBackoff(options: BackoffOptions, random: Random): Backoff {
  let failures = 0;
  return {
    nextMs(): number {
      const delayMs = Math.min(options.maxMs, options.firstMs * 2 ** Math.min(failures, 30));
      failures += 1;
      return Math.round(delayMs * (0.5 + random.next() / 2));
    },
    reset(): void {
      failures = 0;
    },
  };
}
