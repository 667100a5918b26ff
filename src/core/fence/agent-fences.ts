/**
 * The fences of a machine, as its agent plans them: which are to stand, and what must not happen while one does not.
 * Promises: pure; a fence that has fallen is raised only in a plan that stops nothing, after a plan that stopped all that counted as
 * started behind it; one that nobody needs is lowered.
 */
import type { Assignment } from '../unit.ts';
import { notStarted, outdated } from '../unit.ts';
import type { UnitName } from '../unit-name.ts';
import type { Step } from '../reconcile/step.ts';
import { fenceUnit } from './fence-unit.ts';

/** What the agent knows of its fences; a fence is named by its lostAfterMs. */
export interface FenceView {
  readonly standing: ReadonlySet<number>;
  /** The machine is certain to belong to the cluster: without that no fence is raised. */
  readonly mayRaise: boolean;
}

/** Whether a unit must not be started, because its fence does not stand. */
export function isFencedOff({ fence, lostAfterMs }: Assignment, { standing }: FenceView): boolean {
  return fence > 0 && !standing.has(lostAfterMs);
}

/** What to do with a unit behind a fence that has fallen: nothing until it counts as not started, so that it is started anew. */
export function planFencedOff(name: UnitName, seen: { readonly restart: number; readonly active: string } | undefined): readonly Step[] {
  if (seen === undefined || seen.restart === notStarted || seen.restart === outdated) return [];
  return [{ kind: 'stop', unit: name, why: 'this machine was cut off from the cluster for longer than its LostAfter' }];
}

export interface FencedMachine {
  readonly assignments: ReadonlyMap<UnitName, Assignment>;
  readonly observations: ReadonlyMap<UnitName, unknown>;
  readonly withheld: ReadonlySet<string>;
  readonly fences: FenceView;
}

/** The steps that bring the fences to what the assignments need; `steps` are those of the units. */
export function planFences({ assignments, observations, withheld, fences }: FencedMachine, steps: readonly Step[]): readonly Step[] {
  const needed = new Set<number>();
  for (const [name, { fence, lostAfterMs, leaving }] of assignments) {
    // What leaves may take its time to stop, and is not started any more.
    if (fence > 0 && (!leaving || observations.has(name))) needed.add(lostAfterMs);
  }
  const lower = [...fences.standing].filter((lostAfterMs) => !needed.has(lostAfterMs))
    .map((lostAfterMs): Step => ({ kind: 'lower', lostAfterMs, why: 'no unit needs it any more' }));
  if (!fences.mayRaise || steps.some(({ kind }) => kind === 'stop')) return lower;
  const missing = [...needed].filter((lostAfterMs) => !fences.standing.has(lostAfterMs) && !withheld.has(fenceUnit(lostAfterMs)));
  return [...lower, ...missing.map((lostAfterMs): Step => ({ kind: 'raise', lostAfterMs, why: 'units are bound to it' }))];
}
