/**
 * Which units may stay where they are. A unit leaves its machine only when the machine no longer fits: nothing is moved
 * to balance load.
 * Promises: of two units that exclude each other the one that came later goes; followers go with their leader.
 */
import { compareText } from '../order.ts';
import type { UnitName } from '../unit-name.ts';
import { followersOf } from './board.ts';
import { firstRefusal, machineFilters, neighbourFilters, sayRefusal } from './filters.ts';
import type { Filter } from './filters.ts';
import { remove } from './ledger.ts';
import type { Place, PlannedUnit } from './ledger.ts';
import { noteChange, placesIn } from './pass.ts';
import type { Pass } from './pass.ts';
import type { Steps } from './steps.ts';

interface Standing {
  readonly unit: PlannedUnit;
  readonly sinceMs: number;
}

/** Takes units off machines that no longer fit. */
export function* removeUnfit(pass: Pass): Steps<void> {
  for (const at of placesIn(pass)) {
    const standing = newestFirst(pass, at);
    // Rules about the machine alone come first: who must go anyway pushes nobody else out.
    for (const { unit } of standing) judge(pass, { unit, at }, machineFilters);
    for (const { unit } of standing) judge(pass, { unit, at }, neighbourFilters);
    yield;
  }
}

/** Takes a unit off a machine, and with it the units that must be where it is. */
export function takeOff(pass: Pass, { unit, at }: { readonly unit: PlannedUnit; readonly at: Place }, why: string): void {
  const leaving = [{ unit, why }];
  for (let next = leaving.pop(); next !== undefined; next = leaving.pop()) {
    if (at.units.get(next.unit.name) !== next.unit) continue;
    remove(pass.ledger, at, next.unit);
    noteChange(pass, next.unit, at);
    pass.takenOff.push({ unit: next.unit.name, machine: at.machine.id });
    pass.goes.set({ unit: next.unit.name, machine: at.machine.id }, next.why);
    for (const follower of followersOf(next.unit.row)) {
      if (at.units.get(follower.name) === follower) leaving.push({ unit: follower, why: followsWhy(next.unit.name) });
    }
  }
}

const followsWhy = (leader: UnitName): string => `it runs on the machine of ${leader}, which leaves this one`;

function judge(pass: Pass, { unit, at }: { readonly unit: PlannedUnit; readonly at: Place }, filters: readonly Filter[]): void {
  if (at.units.get(unit.name) !== unit) return;
  const refusal = firstRefusal(filters, unit, { place: at, context: pass.context });
  if (refusal !== null) takeOff(pass, { unit, at }, `its machine no longer fits: ${sayRefusal(refusal)}`);
}

function newestFirst({ snapshot }: Pass, at: Place): readonly Standing[] {
  const assignments = snapshot.assignments.get(at.machine.id);
  const standing: Standing[] = [];
  for (const unit of at.units.values()) {
    const sinceMs = assignments?.get(unit.name)?.assignedAtMs;
    if (sinceMs !== undefined && !unit.fixed) standing.push({ unit, sinceMs });
  }
  return standing.sort((left, right) => right.sinceMs - left.sinceMs || compareText(right.unit.name, left.unit.name));
}
