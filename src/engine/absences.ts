/**
 * Which machines are not there, and since when: what an engine must know before it starts a fenced unit elsewhere.
 * Promises: a moment is never earlier than that at which the store lost the machine's record, so whoever waits from then waits long
 * enough; what a machine said before it went is kept with it.
 */
import type { Absence } from '../core/fence/placement.ts';
import { emptySnapshot } from '../core/cluster.ts';
import type { ClusterSnapshot } from '../core/cluster.ts';
import type { MachineId } from '../core/machine.ts';
import { changedKeys } from '../core/shared-map.ts';

export interface Absences {
  /** Looks at a snapshot; `uptimeMs` is now. */
  look(snapshot: ClusterSnapshot, uptimeMs: number): void;
  /** Machines that have assignments and are not there, or were seen to go. */
  known(): ReadonlyMap<MachineId, Absence>;
}

export function createAbsences(): Absences {
  let seen: Pick<ClusterSnapshot, 'machines' | 'assignments'> = emptySnapshot;
  const absences = new Map<MachineId, Absence>();
  return {
    look({ machines, assignments }, uptimeMs) {
      // A look costs what has changed: ten thousand machines that join are looked at one after the other.
      for (const id of new Set([...changedKeys(seen.machines, machines), ...changedKeys(seen.assignments, assignments)])) {
        const before = seen.machines.get(id);
        if (machines.has(id) || !assignments.has(id)) absences.delete(id);
        else if (before !== undefined) absences.set(id, { sinceMs: uptimeMs, ttlMs: before.ttlMs, left: before.left });
        else if (!absences.has(id)) absences.set(id, { sinceMs: uptimeMs, ttlMs: 0, left: false });
      }
      seen = { machines, assignments };
    },
    known: () => absences,
  };
}
