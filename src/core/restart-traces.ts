/** What is left of a unit that was destroyed, and what that means for a new one of the same name. */
import type { ClusterSnapshot } from './cluster.ts';
import type { UnitName } from './unit-name.ts';

/**
 * The restart generation of a new unit: beyond all that is left of one of the same name that was destroyed, so that what that one
 * did is not taken for what is asked now.
 */
export function restartBeyondTraces({ unitHistories, assignments, statuses }: ClusterSnapshot, name: UnitName): number {
  const traces = [unitHistories.get(name)?.succeeded?.restart ?? -1];
  for (const ofMachine of assignments.values()) traces.push(ofMachine.get(name)?.restart ?? -1);
  for (const ofMachine of statuses.values()) traces.push(ofMachine.get(name)?.restart ?? -1);
  return Math.max(...traces, -1) + 1;
}
