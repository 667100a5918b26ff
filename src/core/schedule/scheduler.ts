/**
 * The scheduler that remembers: the same decisions as schedule(), at the cost of what has changed since it was last asked.
 * Promises: whatever happened in between, and whether or not the last decisions were carried out, its plan is the one that schedule()
 * makes of the same snapshot; a pass that is given up half way has no effect on later ones.
 */
import type { ClusterSnapshot } from '../cluster.ts';
import type { MachineId } from '../machine.ts';
import type { UnitName } from '../unit-name.ts';
import type { Board } from './board.ts';
import type { SchedulePlan } from './decision.ts';
import { followBoard, isFollowable } from './follow.ts';
import type { Open } from './follow.ts';
import { beginWholePass, passOn } from './pass.ts';
import type { Circumstances, Pass } from './pass.ts';
import { carryOut } from './schedule.ts';
import { createSectionReader } from './sections.ts';
import type { Steps } from './steps.ts';

export interface Scheduler {
  /** Decides where all units run, in steps; one plan is made at a time. */
  plan(snapshot: ClusterSnapshot, circumstances: Circumstances): Steps<SchedulePlan>;
}

/** What is kept from one pass to the next. */
interface Kept {
  readonly board: Board;
  readonly open: Open;
}

export function createScheduler(): Scheduler {
  const sections = createSectionReader();
  let kept: Kept | null = null;
  return {
    * plan(snapshot, circumstances) {
      const last = kept;
      // Until the pass is over its board shows nothing that somebody could go on from.
      kept = null;
      const known = { sections, ...circumstances };
      const pass = (last === null ? null : yield* resume(last, snapshot, known)) ?? (yield* beginWholePass(snapshot, known));
      const plan = yield* carryOut(pass);
      if (isFollowable(pass.board, plan.decisions.length)) kept = { board: pass.board, open: yield* openAfter(pass, plan) };
      return plan;
    },
  };
}

function* resume({ board, open }: Kept, snapshot: ClusterSnapshot, circumstances: Circumstances): Steps<Pass | null> {
  const followed = yield* followBoard(board, snapshot, open);
  return followed === null ? null : passOn(board, circumstances, { rows: [], ...followed });
}

function* openAfter(pass: Pass, { decisions, unplaced }: SchedulePlan): Steps<Open> {
  // A global unit that is nowhere is looked at in every pass.
  const units = new Set<UnitName>([...unplaced.names()].filter((name) => !pass.globals.has(name)));
  const globals = new Map<UnitName, Set<MachineId>>();
  const add = (unit: UnitName, machine: MachineId): void => {
    if (!pass.globals.has(unit)) units.add(unit);
    else globals.set(unit, (globals.get(unit) ?? new Set()).add(machine));
  };
  for (const decision of decisions) {
    add(decision.unit, decision.machine);
    yield;
  }
  for (const { unit, machine } of pass.takenOff) add(unit, machine);
  return { units, globals };
}
