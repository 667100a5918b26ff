/**
 * Long computations in slices: leases, watchdog and fences go on during a million placements.
 * Promises: the event loop is kept for little more than {@link sliceMs} at a time; a computation whose signal is aborted is given up at the
 * end of its slice.
 */
import type { Steps } from '../core/schedule/steps.ts';
import type { Clock } from '../lib/clock.ts';

/** How long one slice lasts. Collecting garbage comes on top of it. */
export const sliceMs = 10;

/**
 * Runs `steps` to their end; rejects with the signal's reason when it is aborted first. Slices are measured by the time of day, which costs
 * next to nothing to ask for; one in which it jumps is over.
 */
export async function inSlices<T>(steps: Steps<T>, clock: Clock, signal: AbortSignal): Promise<T> {
  let begunMs = clock.nowMs();
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    if (Math.abs(clock.nowMs() - begunMs) < sliceMs) continue;
    await clock.sleep(0, signal);
    begunMs = clock.nowMs();
  }
}
