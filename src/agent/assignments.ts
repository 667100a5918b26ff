/**
 * What is assigned to this machine, followed in the store.
 * Promises: nothing is taken for unassigned before the store has been heard once, nor because its assignment cannot be read;
 * while the store is away the last known assignments hold.
 */
import type { MachineId } from '../core/machine.ts';
import type { Assignment } from '../core/unit.ts';
import type { UnitName } from '../core/unit-name.ts';
import { keys, parseKey } from '../store/keys.ts';
import { createFollower } from '../store/mirror.ts';
import type { FollowNeeds } from '../store/mirror.ts';
import { decodeAssignment } from '../store/records.ts';
import type { StoreChange } from '../store/store.ts';

export interface Assignments {
  /** Follows until the signal is aborted. */
  run(signal: AbortSignal): Promise<void>;
  /** Whether the store has been heard since the agent began. */
  known(): boolean;
  current(): ReadonlyMap<UnitName, Assignment>;
  /** Units whose assignment cannot be read, by a version that does not understand it: they are left as they are. */
  unreadable(): ReadonlySet<UnitName>;
}

export function followAssignments(needs: FollowNeeds, machine: MachineId, onChange: () => void): Assignments {
  let assignments = new Map<UnitName, Assignment>();
  const unreadable = new Set<UnitName>();
  let known = false;
  const take = (change: StoreChange): void => {
    const meaning = parseKey(change.kind === 'put' ? change.entry.key : change.key);
    if (meaning?.kind !== 'assignment') return;
    const { name } = meaning;
    unreadable.delete(name);
    assignments.delete(name);
    if (change.kind === 'delete') return;
    const decoded = decodeAssignment(change.entry.value);
    if (decoded.ok) {
      assignments.set(name, decoded.value);
      return;
    }
    unreadable.add(name);
    needs.log.warning(`cannot read the assignment of ${name}, leaving the unit as it is: ${decoded.failure.message}`);
  };
  const follower = createFollower(needs, keys.assignmentsOf(machine), ({ changes }) => {
    // A copy: a plan keeps what it was made from.
    if (changes.length > 0) assignments = new Map(assignments);
    for (const change of changes) take(change);
    known = true;
    onChange();
  });
  return { run: follower.run, known: () => known, current: () => assignments, unreadable: () => unreadable };
}
