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
import { removeUnfit } from './keep.ts';
import { beginPass } from './pass.ts';
import type { Circumstances } from './pass.ts';
import { explainGlobals, placeGlobals, placePending } from './placing.ts';

export type { Circumstances } from './pass.ts';

/** Decides where all units run. */
export function schedule(snapshot: ClusterSnapshot, circumstances: Circumstances = {}): SchedulePlan {
  const pass = beginPass(snapshot, circumstances);
  removeUnfit(pass);
  let pushed = true;
  // Ends: whoever is replaced stands lower in an order without circles than who replaces it.
  while (pushed) {
    placeGlobals(pass);
    pushed = placePending(pass);
  }
  // After all others have a place, so that nobody is kept waiting by a unit that has one.
  pushed = drainMachines(pass);
  while (pushed) pushed = placePending(pass);
  explainGlobals(pass);
  const decisions = decide(pass);
  const ends = [...pass.waits.values()].map(({ untilMs }) => untilMs);
  return { decisions, unplaced: pass.unplaced, againAtMs: ends.length === 0 ? null : Math.min(...ends) };
}
