/**
 * Which units their fences have stopped, and when: the machine alone knows, and their histories are to tell it.
 * Promises: remembered as long as the placement behind the fence is the same; another fleetd knows nothing of it.
 */
import { isFencedOff } from '../core/fence/agent-fences.ts';
import type { FenceView } from '../core/fence/agent-fences.ts';
import type { Step } from '../core/reconcile/step.ts';
import type { Assignment } from '../core/unit.ts';
import type { UnitName } from '../core/unit-name.ts';
import type { Clock } from '../lib/clock.ts';
import type { Observation } from '../runner/runner.ts';

/** What a plan was made from. */
export interface Planned {
  readonly assignments: ReadonlyMap<UnitName, Assignment>;
  readonly observations: ReadonlyMap<UnitName, Observation>;
  readonly fences: FenceView;
}

export interface FenceStops {
  /** Takes a plan: what is to be stopped behind a fence that has fallen, the fence has stopped. */
  look(steps: readonly Step[], planned: Planned): void;
  /** When its fence has stopped the unit in this placement (ms since the epoch); 0: it has not. */
  atMs(name: UnitName, assignment: Assignment | undefined): number;
}

export function createFenceStops(clock: Pick<Clock, 'nowMs'>): FenceStops {
  const stops = new Map<UnitName, { readonly fence: number; readonly atMs: number }>();
  return {
    look(steps, { assignments, observations, fences }) {
      for (const name of stops.keys()) if (assignments.get(name)?.fence !== stops.get(name)?.fence) stops.delete(name);
      for (const step of steps) {
        if (step.kind !== 'stop') continue;
        const [assignment, seen] = [assignments.get(step.unit), observations.get(step.unit)];
        if (assignment === undefined || seen === undefined || !isFencedOff(assignment, fences)) continue;
        // Of a unit that is still stopping the manager does not say since when.
        stops.set(step.unit, { fence: assignment.fence, atMs: seen.sinceMs === 0 ? clock.nowMs() : seen.sinceMs });
      }
    },
    atMs(name, assignment) {
      const stop = stops.get(name);
      return stop === undefined || stop.fence !== assignment?.fence ? 0 : stop.atMs;
    },
  };
}
