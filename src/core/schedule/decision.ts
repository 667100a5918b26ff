/**
 * What the scheduler answers: decisions as data, each with its reason, and what could not be placed and why.
 * Promises: decisions say only what differs from the snapshot; carrying all of them out leaves nothing to decide.
 */
import type { MachineId } from '../machine.ts';
import type { Assignment } from '../unit.ts';
import type { UnitName } from '../unit-name.ts';

/** An assignment as decided; the moment is added by whoever commits it. */
export type AssignmentContent = Omit<Assignment, 'assignedAtMs'>;

interface DecisionArgs {
  /** A unit that was on no machine gets one. */
  assign: { readonly machine: MachineId; readonly content: AssignmentContent };
  /** A unit stays where it is and is wanted otherwise: another file, state or restart generation than `before`. */
  update: { readonly machine: MachineId; readonly content: AssignmentContent; readonly before: Assignment };
  /** A unit changes its machine: both in one commit, so that it never has two. */
  move: {
    readonly from: MachineId;
    readonly machine: MachineId;
    readonly content: AssignmentContent;
    /** Nobody asked for it: the machine was lost. Counts for the backoff. */
    readonly unrest: boolean;
  };
  /** A unit loses its machine. */
  unassign: { readonly machine: MachineId };
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

/** All that one pass of the scheduler says. */
export interface SchedulePlan {
  /** In the order they are to be committed: units leave before others come. */
  readonly decisions: readonly Decision[];
  readonly unplaced: ReadonlyMap<UnitName, Unplaced>;
  /** When a unit that waits may be placed anew, ms since the epoch; null when none waits. */
  readonly againAtMs: number | null;
}
