/**
 * Whose turn it is: a global unit under release changes machine by machine.
 * Promises: an assignment of a global unit follows the unit's record only when its machine's turn has come; whether the unit is to
 * run is followed at once.
 */
import type { ClusterSnapshot } from '../cluster.ts';
import type { Assignment, Placement } from '../unit.ts';
import { releaseOf } from './members.ts';
import { isActive } from './release.ts';

/** Whether an assignment may take the content that the record of its unit has now. Asked of global units. */
export function followsRecord(snapshot: ClusterSnapshot, { unit, machine }: Placement, assignment: Pick<Assignment, 'release'>): boolean {
  const record = snapshot.units.get(unit);
  const release = releaseOf(snapshot, unit);
  if (release === undefined || !isActive(release) || record === undefined || assignment.release === record.release) return true;
  return release.moves.some((move) => move.unit === unit && move.machine === machine);
}
