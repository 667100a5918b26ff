/**
 * Timers, and a bound on how long something may take, on the clock that was given.
 * Promises: a timer that was stopped calls nothing any more; that of a deadline is gone as soon as the work has ended, whichever way it ended.
 */
import type { Clock } from './clock.ts';

/** Calls `act` after `limitMs`; answers how to stop that before. */
export function startTimer({ clock, limitMs }: Pick<Deadline, 'clock' | 'limitMs'>, act: () => void): () => void {
  const stopped = new AbortController();
  clock.sleep(limitMs, stopped.signal).then(act, () => undefined); // It rejects when it is stopped, and for no other reason.
  return () => stopped.abort(null); // Without a reason Node would make an error with a stack, which costs more than all the rest.
}

/** The work took longer than it may; the message says how long that is. */
export class DeadlineExceeded extends Error {
  override readonly name = 'DeadlineExceeded';
}

export interface Deadline {
  readonly clock: Clock;
  readonly limitMs: number;
  /** Ends the work early, beside the deadline. */
  readonly signal?: AbortSignal;
}

/**
 * Runs `work` with a signal that is aborted with DeadlineExceeded after `limitMs`, or with the reason of `signal`; work
 * that then fails throws that reason.
 */
export async function withDeadline<T>(deadline: Deadline, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const { limitMs, signal } = deadline;
  const late = new AbortController();
  const stopTimer = startTimer(deadline, () => late.abort(new DeadlineExceeded(`no answer within ${limitMs / 1_000} s`)));
  const limited = signal === undefined ? late.signal : AbortSignal.any([late.signal, signal]);
  try {
    return await work(limited);
  } catch (error) {
    limited.throwIfAborted(); // Node wraps the reason into an AbortError that does not say what took too long.
    throw error;
  } finally {
    stopTimer();
  }
}

/** Whether a wait ended well; false when its deadline came first. */
export async function inTime(wait: Promise<void>): Promise<boolean> {
  try {
    await wait;
    return true;
  } catch (error) {
    if (error instanceof DeadlineExceeded) return false;
    throw error;
  }
}
