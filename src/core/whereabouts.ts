/**
 * Where something of a unit is.
 * Promises: with a snapshot that keeps whereabouts this costs the same however many machines there are.
 */
import type { ClusterSnapshot } from './cluster.ts';
import type { MachineId } from './machine.ts';
import type { UnitName } from './unit-name.ts';

/** Every machine that may have an assignment or a status of a unit, in no certain order; others have neither. */
export function whereaboutsOf({ whereabouts, assignments, statuses }: ClusterSnapshot, name: UnitName): Iterable<MachineId> {
  if (whereabouts !== undefined) return whereabouts.get(name) ?? [];
  return new Set([...assignments.keys(), ...statuses.keys()]);
}
