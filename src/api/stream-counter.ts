/**
 * How many streams (events, journals) this API serves.
 * Promises: never more than the limit; a stream that has ended is not counted any more.
 */
import { failure, type Failure } from '../core/failure.ts';
import { limits } from '../core/limits.ts';

/** The answer to a request for a stream when all places are taken. */
export const streamsExhausted: Failure = failure(
  'STREAMS_EXHAUSTED',
  `this fleetd serves ${limits.eventStreamsMax} streams already; try again later or ask another one`,
).failure;

export interface StreamCounter {
  /** Takes a place, and returns how to give it back; null when all are taken. */
  take(): (() => void) | null;
  open(): number;
}

export function createStreamCounter(max: number): StreamCounter {
  let open = 0;
  return {
    open: () => open,
    take() {
      if (open >= max) return null;
      open += 1;
      let isTaken = true;
      return () => {
        if (isTaken) open -= 1;
        isTaken = false;
      };
    },
  };
}
