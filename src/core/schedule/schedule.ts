/**
 * The scheduler: a snapshot in, decisions out.
 * Promises: pure and deterministic, whatever the order of the snapshot's maps. A unit that is not global gets at most one
 * machine. No unit leaves a machine that is there and fits, and none is taken from a machine that is gone unless another one
 * takes it: trouble of the cluster is no reason to stop a unit. Every wanted unit without a machine has a reason.
 */
import type { ClusterSnapshot } from '../cluster.ts';
import { decide } from './decide.ts';
import type { SchedulePlan } from './decision.ts';
import { removeUnfit } from './keep.ts';
import { beginPass } from './pass.ts';
import { explainGlobals, placeGlobals, placePending } from './placing.ts';
import { createSectionReader } from './sections.ts';
import type { SectionReader } from './sections.ts';

/**
 * Decides where all units run. `sections` may be kept between passes, for speed alone. `nowMs` ends the waits of units that had
 * to move again and again; without it none waits.
 */
export function schedule(
  snapshot: ClusterSnapshot, sections: SectionReader = createSectionReader(), nowMs: number = Infinity,
): SchedulePlan {
  const pass = beginPass(snapshot, sections, nowMs);
  removeUnfit(pass);
  let pushed = true;
  // Ends: whoever is replaced stands lower in an order without circles than who replaces it.
  while (pushed) {
    placeGlobals(pass);
    pushed = placePending(pass);
  }
  explainGlobals(pass);
  const decisions = decide(pass);
  const ends = [...pass.waits.values()].map(({ untilMs }) => untilMs);
  return { decisions, unplaced: pass.unplaced, againAtMs: ends.length === 0 ? null : Math.min(...ends) };
}
