/**
 * What the scheduler answers: decisions as data, each with its reason, and what could not be placed and why.
 * Promises: decisions say only what differs from the snapshot; carrying all of them out leaves nothing to decide.
 */
import type { CursorScope } from '../cluster.ts';
import type { MachineId } from '../machine.ts';
import type { FormerPorts, PortCursors } from '../ports.ts';
import type { Assignment } from '../unit.ts';
import type { UnitName } from '../unit-name.ts';

/** An assignment as decided; the moment is added by whoever commits it, also to ports that are new (`sinceMs` 0). */
export type AssignmentContent = Omit<Assignment, 'assignedAtMs'>;

/** Ports that are given out move cursors: the records of those, as they are after the whole pass. */
interface GivesPorts {
  readonly cursors: ReadonlyMap<CursorScope, PortCursors>;
}

/** A unit that leaves a machine is remembered with its ports; null when it has none. */
interface LeavesPorts {
  readonly former: FormerPorts | null;
}

interface DecisionArgs {
  /** A unit that was on no machine gets one. */
  assign: { readonly machine: MachineId; readonly content: AssignmentContent } & GivesPorts;
  /** A unit stays where it is and is wanted otherwise: another file, state, restart generation or ports than `before`. */
  update: { readonly machine: MachineId; readonly content: AssignmentContent; readonly before: Assignment } & GivesPorts;
  /** A unit changes its machine: both in one commit, so that it never has two. */
  move: {
    readonly from: MachineId;
    readonly machine: MachineId;
    readonly content: AssignmentContent;
    /** Nobody asked for it: the machine was lost. Counts for the backoff. */
    readonly unrest: boolean;
  } & GivesPorts & LeavesPorts;
  /** A unit loses its machine. */
  unassign: { readonly machine: MachineId } & LeavesPorts;
}

/** One change of the assignments. `why` is a sentence for people. */
export type Decision = {
  [K in keyof DecisionArgs]: { readonly kind: K; readonly unit: UnitName; readonly why: string } & DecisionArgs[K];
}[keyof DecisionArgs];

/** Why a unit that should run has no machine. */
export interface Unplaced {
  /** One sentence. */
  readonly why: string;
  /** A reason for each machine, sorted by machine id, at most limits.explainMachinesMax; empty when no machine was looked at. */
  readonly machines: ReadonlyMap<MachineId, string>;
}

/** The units that should run and have no machine. A reason looks at every machine, so it is found only for those that somebody asks about. */
export interface UnplacedUnits {
  readonly size: number;
  names(): Iterable<UnitName>;
  /** Why a unit has none, as of the end of the pass; undefined for one that has. To be asked before the next pass begins. */
  get(name: UnitName): Unplaced | undefined;
}

/** All that one pass of the scheduler says. */
export interface SchedulePlan {
  /** In the order they are to be committed: units leave before others come. */
  readonly decisions: readonly Decision[];
  readonly unplaced: UnplacedUnits;
  /** When a unit that waits may be placed anew, ms since the epoch; null when none waits. */
  readonly againAtMs: number | null;
}
