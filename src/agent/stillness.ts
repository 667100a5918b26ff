/**
 * Whether the units of this machine have come to where they were going: what is told of one on its way is soon told otherwise.
 * Promises: a unit that stays on its way is waited for no longer than a second; one that a socket has activated counts as stopping for as long.
 */
import { notStarted } from '../core/unit.ts';
import type { UnitName } from '../core/unit-name.ts';
import type { Clock } from '../lib/clock.ts';
import type { Observation } from '../runner/runner.ts';

/** Starts and stops that take longer are no reason to hold back what is told of others. */
const movingMsMax = 1_000;
const transitions: ReadonlySet<string> = new Set(['activating', 'deactivating', 'reloading']);

export interface Stillness {
  /** Takes all that is observed, and the units that have not settled yet; answers whether no unit is on its way. */
  look(observations: ReadonlyMap<UnitName, Observation>, early: ReadonlySet<UnitName>): boolean;
}

export function createStillness(clock: Clock): Stillness {
  /** Clock.uptimeMs() when a unit was first seen on its way. */
  const since = new Map<UnitName, number>();
  return {
    look(observations, early) {
      const nowMs = clock.uptimeMs();
      for (const name of since.keys()) if (!observations.has(name)) since.delete(name);
      for (const [name, observation] of observations) {
        if (!early.has(name) && !isMoving(observation)) since.delete(name);
        else if (!since.has(name)) since.set(name, nowMs);
      }
      return ![...since.values()].some((beganMs) => nowMs - beganMs < movingMsMax);
    },
  };
}

/** A unit that was told to stop runs until systemd gets to it. */
function isMoving({ active, restart }: Observation): boolean {
  return transitions.has(active) || (active === 'active' && restart === notStarted);
}
