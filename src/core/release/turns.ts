/**
 * Whose turn it is: a global unit under release changes machine by machine.
 * Promises: an assignment of a global unit takes the content of the unit's record only when its machine's turn has come; whether the
 * unit is to run is followed at once.
 */
import type { ClusterSnapshot } from '../cluster.ts';
import { assert } from '../failure.ts';
import type { Assignment, Placement, UnitRecord } from '../unit.ts';
import { releaseOf } from './members.ts';
import { isActive } from './release.ts';

/** The record of a global unit as the assignment that it has on a machine is to follow it. */
export function recordInTurn(snapshot: ClusterSnapshot, { unit, machine }: Placement, assignment: Assignment): UnitRecord {
  const record = snapshot.units.get(unit);
  assert(record !== undefined, `${unit} is a unit of the cluster`);
  const release = releaseOf(snapshot, unit);
  if (release === undefined || !isActive(release) || assignment.release === record.release) return record;
  if (release.moves.some((move) => move.unit === unit && move.machine === machine)) return record;
  return { ...record, hash: assignment.hash, restart: assignment.restart, release: assignment.release };
}
