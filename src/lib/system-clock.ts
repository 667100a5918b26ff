/**
 * The machine's own time.
 * Promises: uptimeMs() never jumps back and runs through suspend, in steps of 1 ms, whatever is done to the wall clock;
 * a sleep never ends early, and holds nothing after it was aborted.
 */
import { uptime } from 'node:os';
import type { Clock } from './clock.ts';

/** Node fires timers of more than 2^31 - 1 ms at once; longer sleeps are served in pieces. */
const longestTimerMs = 2_147_483_647;

/**
 * How far the uptime of the machine is ahead of process.hrtime(), as far as is known: os.uptime() goes in steps of 10 ms, so it grows
 * for a while, and never beyond the truth.
 */
let aheadMs = 0;
/** When that was last looked at, by process.hrtime(), and how far the wall clock was ahead of it then. */
let looked = { awakeMs: -Infinity, wallAheadMs: 0 };
/** How far the wall clock may run off before it counts as moved, and after what time it is looked again whatever it says. */
const wallStepMs = 2;
const lookAgainMs = 1_000;

function uptimeMs(): number {
  const awakeMs = hrtimeMs();
  const wallAheadMs = Date.now() - awakeMs;
  // The kernel moves the wall clock by the time it was suspended, too (timekeeping_inject_sleeptime64()).
  if (awakeMs - looked.awakeMs > lookAgainMs || Math.abs(wallAheadMs - looked.wallAheadMs) > wallStepMs) {
    looked = { awakeMs, wallAheadMs };
    // In this order: what comes in between makes it smaller than it is, not larger.
    const steppedMs = uptime() * 1_000;
    aheadMs = Math.max(aheadMs, steppedMs - hrtimeMs());
  }
  return Math.floor(awakeMs + aheadMs);
}

function hrtimeMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/**
 * The clock of this machine. uptimeMs() is process.hrtime(), which stands still while the machine is suspended, as performance.now() does, so
 * that a lease counted on it alone would look alive after it was given to another machine; and os.uptime(), which does not, but reads
 * /proc/uptime (5 to 20 microseconds), and is asked only when the wall clock has moved against the other. Timers do stand still: after a
 * resume, look at uptimeMs() again.
 */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  uptimeMs,
  async sleep(delayMs: number, signal: AbortSignal): Promise<void> {
    let leftMs = Math.max(0, delayMs);
    for (; leftMs > longestTimerMs; leftMs -= longestTimerMs) await sleepFor(longestTimerMs, signal);
    await sleepFor(leftMs, signal);
  },
};

/** Not the one of node:timers/promises: that makes an error with a stack of every wait that is given up, and most are. */
function sleepFor(delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const wake = (): void => {
      signal.removeEventListener('abort', stop);
      resolve();
    };
    const clear = startTimer(wake, delayMs);
    const stop = (): void => {
      clear();
      reject(signal.reason as Error);
    };
    signal.addEventListener('abort', stop, { once: true });
  });
}

/** A timer takes a millisecond at least; who only lets others have their turn waits for no more than that. Answers how to give it up. */
function startTimer(wake: () => void, delayMs: number): () => void {
  if (delayMs > 0) {
    const timer = setTimeout(wake, delayMs);
    return () => clearTimeout(timer);
  }
  const turn = setImmediate(wake);
  return () => clearImmediate(turn);
}
