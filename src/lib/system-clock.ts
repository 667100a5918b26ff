/**
 * The machine's own time.
 * Promises: uptimeMs() never jumps back and runs through suspend, in steps of 10 ms, whatever is done to the wall clock;
 * a sleep never ends early, and holds nothing after it was aborted.
 */
import { uptime } from 'node:os';
import { setTimeout as sleepFor } from 'node:timers/promises';
import type { Clock } from './clock.ts';

/** Node fires timers of more than 2^31 - 1 ms at once; longer sleeps are served in pieces. */
const longestTimerMs = 2_147_483_647;

/**
 * The clock of this machine. uptimeMs() is os.uptime(), which on Linux reads /proc/uptime (a few microseconds):
 * performance.now() and process.hrtime() stand still while the machine is suspended, so a lease counted on them would
 * look alive after it was given to another machine. Timers do stand still: after a resume, look at uptimeMs() again.
 */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  uptimeMs: () => Math.round(uptime() * 1_000),
  async sleep(delayMs: number, signal: AbortSignal): Promise<void> {
    try {
      let leftMs = Math.max(0, delayMs);
      for (; leftMs > longestTimerMs; leftMs -= longestTimerMs) await sleepFor(longestTimerMs, undefined, { signal });
      await sleepFor(leftMs, undefined, { signal });
    } catch (error) {
      signal.throwIfAborted(); // Node rejects with an AbortError that only wraps the reason.
      throw error;
    }
  },
};
