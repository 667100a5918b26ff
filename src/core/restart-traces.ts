/** What is left of a unit that was destroyed, and what that means for a new one of the same name. */
import type { ClusterSnapshot } from './cluster.ts';
import type { UnitName } from './unit-name.ts';
import { whereaboutsOf } from './whereabouts.ts';

/**
 * The restart generation of a new unit: beyond all that is left of one of the same name that was destroyed, so that what that one
 * did is not taken for what is asked now.
 */
export function restartBeyondTraces(snapshot: ClusterSnapshot, name: UnitName): number {
  const { unitHistories, assignments, statuses } = snapshot;
  const traces = [unitHistories.get(name)?.succeeded?.restart ?? -1];
  for (const machine of whereaboutsOf(snapshot, name)) {
    traces.push(assignments.get(machine)?.get(name)?.restart ?? -1, statuses.get(machine)?.get(name)?.restart ?? -1);
  }
  return Math.max(...traces) + 1;
}
