/**
 * Which machines are not there, and since when: what an engine must know before it starts a fenced unit elsewhere.
 * Promises: a moment is never earlier than that at which the store lost the machine's record, so whoever waits from then waits long
 * enough; what a machine said before it went is kept with it.
 */
import type { Absence } from '../core/fence/placement.ts';
import type { ClusterSnapshot } from '../core/cluster.ts';
import type { Machine, MachineId } from '../core/machine.ts';

export interface Absences {
  /** Looks at a snapshot; `uptimeMs` is now. */
  look(snapshot: ClusterSnapshot, uptimeMs: number): void;
  /** Machines that have assignments and are not there, or were seen to go. */
  known(): ReadonlyMap<MachineId, Absence>;
}

export function createAbsences(): Absences {
  let present: ReadonlyMap<MachineId, Machine> = new Map();
  const absences = new Map<MachineId, Absence>();
  return {
    look({ machines, assignments }, uptimeMs) {
      for (const [id, { ttlMs, left }] of present) if (!machines.has(id)) absences.set(id, { sinceMs: uptimeMs, ttlMs, left });
      for (const id of assignments.keys()) {
        if (!machines.has(id) && !absences.has(id)) absences.set(id, { sinceMs: uptimeMs, ttlMs: 0, left: false });
      }
      for (const id of absences.keys()) if (machines.has(id) || !assignments.has(id)) absences.delete(id);
      present = machines;
    },
    known: () => absences,
  };
}
