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

function uptimeMs(): number {
  const steppedMs = uptime() * 1_000;
  const awakeMs = Number(process.hrtime.bigint()) / 1e6;
  aheadMs = Math.max(aheadMs, steppedMs - awakeMs);
  return Math.floor(awakeMs + aheadMs);
}

/**
 * The clock of this machine. uptimeMs() is os.uptime(), which on Linux reads /proc/uptime (a few microseconds), and between its steps
 * process.hrtime(). That stands still while the machine is suspended, as performance.now() does, so a lease counted on it alone would
 * look alive after it was given to another machine. Timers do stand still: after a resume, look at uptimeMs() again.
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
