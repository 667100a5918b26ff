/**
 * The options of [X-Fleet] about a machine that is cut off from the cluster: OnMachineLost= and LostAfter=.
 * Promises: pure; a wrong word is a failure that says what would be right.
 */
import { failure, success } from './failure.ts';
import type { Result } from './failure.ts';
import { timeSpanMicroseconds } from './time-span.ts';

/**
 * What becomes of a unit on a machine that cannot reach the cluster: `keep` leaves it alone, so that it may run twice for a while;
 * `stop` stops it there before it is started elsewhere.
 */
export type OnMachineLost = 'keep' | 'stop';

/** Bounds of LostAfter=. Below a second no lease is renewed; above a day nobody waits for a machine. */
const lostAfterMsMin = 1_000;
const lostAfterMsMax = 86_400_000;

/** keep or stop. */
export function readOnMachineLost(value: string): Result<OnMachineLost> {
  if (value === 'keep' || value === 'stop') return success(value);
  return failure('UNIT_OPTION_INVALID', 'write keep or stop');
}

/** A time span of systemd, in milliseconds. */
export function readLostAfter(value: string): Result<number> {
  const ms = (timeSpanMicroseconds(value) ?? Number.NaN) / 1_000;
  if (ms >= lostAfterMsMin && ms <= lostAfterMsMax) return success(Math.round(ms));
  return failure('UNIT_OPTION_INVALID', 'write a time from 1s to 1d, such as 30s or 2min');
}
