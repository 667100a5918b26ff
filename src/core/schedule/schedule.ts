/**
 * The scheduler: a snapshot in, decisions out.
 * Promises: pure and deterministic, whatever the order of the snapshot's maps. A unit that is not global gets at most one
 * machine. No unit leaves a machine that is there and fits, and none is taken from a machine that is gone unless another one
 * takes it: trouble of the cluster is no reason to stop a unit. Every wanted unit without a machine has a reason.
 */
import type { ClusterSnapshot } from '../cluster.ts';
import { decide } from './decide.ts';
import type { SchedulePlan } from './decision.ts';
import { drainMachines } from './drain.ts';
import { createHandover } from './handover.ts';
import { removeUnfit } from './keep.ts';
import { beginPass } from './pass.ts';
import type { Circumstances, Pass } from './pass.ts';
import { noteUnplacedGlobals, placeGlobals, placePending } from './placing.ts';
import { runSteps } from './steps.ts';
import type { Steps } from './steps.ts';
import { createUnplaced } from './unplaced.ts';

export type { Circumstances } from './pass.ts';

/** Decides where all units run. */
export function schedule(snapshot: ClusterSnapshot, circumstances: Circumstances = {}): SchedulePlan {
  return runSteps(carryOut(beginPass(snapshot, circumstances)));
}

/** Carries a pass out. */
export function* carryOut(pass: Pass): Steps<SchedulePlan> {
  yield* settleUnits(pass);
  const decisions = yield* decide(pass);
  const ends = [...pass.waits.values()].map(({ untilMs }) => untilMs);
  return { decisions, unplaced: createUnplaced(pass), againAtMs: ends.length === 0 ? null : Math.min(...ends) };
}

/** Puts every unit where it is to be; nothing is decided yet. */
export function* settleUnits(pass: Pass): Steps<void> {
  const handOver = createHandover(pass);
  yield* removeUnfit(pass);
  yield* handOver();
  let pushed = true;
  // Ends: whoever is replaced stands lower in an order without circles than who replaces it, and who was handed a port lacks it no more.
  while (pushed) {
    yield* placeGlobals(pass);
    pushed = yield* placePending(pass);
    pushed = (yield* handOver()) || pushed;
  }
  // After all others have a place, so that nobody is kept waiting by a unit that has one.
  pushed = drainMachines(pass);
  pushed = (yield* handOver()) || pushed;
  while (pushed) {
    pushed = yield* placePending(pass);
    pushed = (yield* handOver()) || pushed;
  }
  noteUnplacedGlobals(pass);
}
