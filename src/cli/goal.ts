/**
 * Whether a unit has got where a command wants it, over all its machines.
 * Promises: pure; a unit that somebody else changed or destroyed meanwhile is told apart from one that is slow.
 */
import { settled } from '../core/unit-state.ts';
import type { Settlement } from '../core/unit-state.ts';
import type { AppliedUnit, AssignmentView, DesiredState, ResetUnit } from '../protocol/v2.ts';
import type { SeenUnit } from './cluster-view.ts';

/** What a command waits for. */
export interface Goal {
  readonly name: string;
  readonly hash: string;
  readonly desired: DesiredState;
  readonly restart: number;
  /** Set when a reset of failures is all that is waited for: its generation. */
  readonly reset: number | null;
  /** The generation the command made; null when the unit was destroyed. */
  readonly generation: number | null;
  readonly global: boolean;
  /** Whether the command changed nothing: then there is nothing to announce when the unit is already there. */
  readonly unchanged: boolean;
  /** Whether a unit that is on no machine is fine: a stop has nothing to stop then. */
  readonly nowhereIsFine: boolean;
}

/** Where a unit was seen, for people. */
export interface Place {
  readonly id: string;
  readonly address: string;
}

/** Where a goal stands. */
export interface Standing {
  readonly state: Settlement['state'] | 'unassigned' | 'superseded';
  readonly why: string;
  /** The machines of the unit; of a failure, those where it failed. */
  readonly places: readonly Place[];
}

/** What to wait for after a unit was applied. */
export function goalOf(unit: AppliedUnit): Goal {
  return {
    name: unit.name,
    hash: unit.hash,
    desired: unit.desired,
    restart: unit.restart,
    reset: null,
    generation: unit.generation,
    global: unit.global,
    unchanged: unit.content === 'same' && unit.before === unit.desired,
    nowhereIsFine: false,
  };
}

/** What to wait for after a unit was destroyed: that no machine has it any more. */
export function goneGoal(name: string): Goal {
  return {
    name,
    hash: '',
    desired: 'inactive',
    restart: 0,
    reset: null,
    generation: null,
    global: false,
    unchanged: false,
    nowhereIsFine: true,
  };
}

/** What to wait for after failures were to be forgotten: that every machine of the unit has done it. */
export function resetGoal({ name, generation, reset }: ResetUnit): Goal {
  return {
    name,
    hash: '',
    desired: 'loaded',
    restart: 0,
    reset,
    generation,
    global: false,
    unchanged: false,
    nowhereIsFine: true,
  };
}

/** Judges a goal by what was seen. */
export function judge(goal: Goal, seen: SeenUnit): Standing {
  const superseded = whySuperseded(goal, seen);
  if (superseded !== null) return { state: 'superseded', why: superseded, places: [] };
  const machines = new Set(seen.assignments.keys());
  if (goal.desired === 'inactive') for (const machine of seen.statuses.keys()) machines.add(machine);
  if (machines.size === 0) return judgeNowhere(goal);

  const parts = [...machines].map((machine) => judgeOnMachine(goal, seen, machine));
  const failed = parts.filter((part) => part.state === 'failed');
  const waiting = parts.filter((part) => part.state === 'waiting');
  const [decisive] = [...failed, ...waiting];
  const told = failed.length > 0 ? failed : parts;
  return {
    state: decisive?.state ?? 'reached',
    why: decisive?.why ?? '',
    places: told.map((part) => part.place),
  };
}

function judgeNowhere(goal: Goal): Standing {
  const isFine = goal.desired === 'inactive' || goal.nowhereIsFine || goal.global;
  return {
    state: isFine ? 'reached' : 'unassigned',
    why: isFine ? '' : 'it is on no machine yet',
    places: [],
  };
}

function judgeOnMachine(
  goal: Goal,
  seen: SeenUnit,
  machine: string,
): Settlement & { readonly place: Place } {
  const assignment = seen.assignments.get(machine);
  const status = seen.statuses.get(machine);
  if (goal.reset !== null) return { ...settledReset(goal.reset, assignment, status), place: { id: machine, address: addressOf(assignment, status) } };
  return {
    ...settled(goal, assignment, status),
    place: { id: machine, address: addressOf(assignment, status) },
  };
}

/** A machine that reports nothing of the unit has nothing to forget. */
function settledReset(reset: number, assignment: AssignmentView | undefined, status: { readonly reset: number } | undefined): Settlement {
  if (assignment !== undefined && assignment.reset < reset) return { state: 'waiting', why: 'the engine has not passed on the latest wish yet' };
  if (status !== undefined && status.reset < reset) return { state: 'waiting', why: 'its machine has not reset it yet' };
  return { state: 'reached', why: '' };
}

function addressOf(assignment: AssignmentView | undefined, status: { readonly address: string } | undefined): string {
  return assignment?.address ?? status?.address ?? '';
}

/** Why the goal can no longer be expected; null when it can. */
function whySuperseded(goal: Goal, { unit }: SeenUnit): string | null {
  if (goal.generation === null) return unit === null ? null : 'somebody created it again meanwhile';
  if (unit === null) return 'somebody destroyed it meanwhile';
  return unit.generation > goal.generation ? 'somebody else changed it meanwhile' : null;
}
