/** What agents may have been looking at when they did something: for checkers that judge their acts. */
import type { MachineId } from '../../src/core/machine.ts';
import type { Assignment } from '../../src/core/unit.ts';
import type { UnitName } from '../../src/core/unit-name.ts';
import { keys } from '../../src/store/keys.ts';
import { decodeAssignment } from '../../src/store/records.ts';
import type { Version } from '../chronicle.ts';
import type { SimulatedMachine } from '../machine.ts';
import type { SimProcess } from '../process.ts';
import type { Court, Witness } from '../witness.ts';

/**
 * Tells which assignments of a unit an agent may have been looking at when it made the plan that it carries out now.
 */
export type View = (machine: SimulatedMachine, process: SimProcess, name: UnitName) => readonly (Assignment | null)[];

export interface Seeing extends Witness {
  readonly view: View;
  /** What an agent may have on its disk of assignments that earlier processes of the machine have heard of. */
  readonly remembered: View;
}

const assignmentOf = ({ value }: Version): Assignment | null => {
  const decoded = value === null ? null : decodeAssignment(value);
  return decoded?.ok === true ? decoded.value : null;
};

/** A witness that follows what agents look at: from what one had heard when it last looked at its units, to what it has heard by now. */
export function seeing({ chronicle }: Court): Seeing {
  const lookedAt = new Map<SimProcess, number>();
  const lastHeard = new Map<string, number>();
  const heard = (process: SimProcess): number =>
    chronicle.heard(process, keys.assignmentsOf(process.machine as MachineId));
  return {
    heard: (process, part) =>
      void (
        part === 'agent' &&
        lastHeard.set(process.machine, Math.max(heard(process), lastHeard.get(process.machine) ?? 0))
      ),
    // What fences ask the store for is heard by them alone: the plan is made from what has been followed.
    observed: (_machine, process) =>
      void lookedAt.set(process, chronicle.followed(process, keys.assignmentsOf(process.machine as MachineId))),
    view(machine, process, name) {
      const upTo = heard(process);
      return upTo === 0
        ? []
        : chronicle.between(keys.assignment(machine.id, name), lookedAt.get(process) ?? 0, upTo).map(assignmentOf);
    },
    remembered(machine, process, name) {
      if ((lookedAt.get(process) ?? 0) > 0) return [];
      // The copy on disk may lack all that was heard just before an end.
      const upTo = lastHeard.get(machine.id) ?? 0;
      return chronicle.between(keys.assignment(machine.id, name), 0, upTo).map(assignmentOf);
    },
  };
}

/** What is said of a unit that something is done to. */
export const subject = (name: UnitName, machine: SimulatedMachine, process: SimProcess): string =>
  `${name} on ${machine.id} by ${process.name}`;
