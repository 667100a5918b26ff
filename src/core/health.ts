/**
 * What checks of a running unit add up to.
 * Promises: pure; one bad answer makes no healthy unit unhealthy unless its threshold is one; the reason shown changes with
 * the verdict and otherwise seldom, so that an answer that is worded anew each time does not write to the store each time.
 */
import type { FleetSection } from './fleet-section.ts';
import type { Health } from './health-check.ts';

/** How many checks in a row turn the verdict: part of [X-Fleet]. */
export type Thresholds = Pick<FleetSection, 'healthyThreshold' | 'unhealthyThreshold'>;

export interface HealthState {
  readonly health: Exclude<Health, 'none'>;
  /** Why the last check that failed did; empty when healthy. */
  readonly why: string;
  readonly whySinceMs: number;
  /** Checks in a row that passed, or that failed: one of them is 0. */
  readonly passed: number;
  readonly failed: number;
}

/** Before the first check. */
export const startingHealth: HealthState = { health: 'starting', why: '', whySinceMs: 0, passed: 0, failed: 0 };

/** A reason in other words is shown this long after the one before. */
const whyMsMin = 30_000;

/** The state after one more check; `why` is null when it passed. `nowMs` is the moment of the check. */
export function afterCheck(
  before: HealthState, { why, nowMs }: { readonly why: string | null; readonly nowMs: number }, thresholds: Thresholds,
): HealthState {
  if (why === null) {
    const passed = before.passed + 1;
    if (passed >= thresholds.healthyThreshold) return { health: 'healthy', why: '', whySinceMs: nowMs, passed, failed: 0 };
    return { ...before, passed, failed: 0 };
  }
  const failed = before.failed + 1;
  const isTurned = failed >= thresholds.unhealthyThreshold && before.health !== 'unhealthy';
  const health = isTurned ? 'unhealthy' : before.health;
  // A healthy unit that missed one check shows nothing: it still counts as healthy.
  if (health === 'healthy') return { ...before, passed: 0, failed };
  const isDue = isTurned || before.why === '' || nowMs - before.whySinceMs >= whyMsMin;
  return { health, why: isDue ? why : before.why, whySinceMs: isDue ? nowMs : before.whySinceMs, passed: 0, failed };
}
