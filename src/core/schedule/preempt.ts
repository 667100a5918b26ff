/**
 * Preemption: a unit that no machine has memory or CPU for pushes out units of lower priority that allow it (Preemptible=true).
 * Promises: nobody of equal or higher priority is pushed out, with whatever follows him; only as many as are needed; nothing else that
 * keeps the unit from a machine is overcome. It ends: who is pushed out has a lower priority than who pushes, and replaces nobody.
 */
import { followersOf } from './board.ts';
import type { UnitClass } from './candidates.ts';
import { arrivalFilters, firstRefusal, machineFilters, neighbourFilters } from './filters.ts';
import { priorityOf } from './ledger.ts';
import type { Place, PlannedUnit } from './ledger.ts';
import { hasBit } from './machine-bits.ts';
import type { Pass } from './pass.ts';
import { isBetterRank, rankOf } from './rank.ts';
import { asksForRoom, noRoom, roomTogether, shortage, staysBelowMax } from './room.ts';

/** Units that make room for another on a machine. */
export interface Eviction {
  readonly at: Place;
  /** Those that are pushed out; their followers leave with them. */
  readonly victims: readonly PlannedUnit[];
}

/** The machine on which the least is pushed out for a unit that no machine takes as it is; null when there is none. */
export function findEviction(pass: Pass, unit: PlannedUnit, unitClass: UnitClass): Eviction | null {
  const priority = priorityOf(unit);
  if (!asksForRoom(unit) || !anyBelow(pass, priority)) return null;
  const { turns } = pass.ledger;
  if (unitClass.futileAt?.turn === turns && priority <= unitClass.futileAt.priority) return null;
  let best: Eviction | null = null;
  for (const at of pass.ledger.list) {
    if (at.preemptible.size === 0 || !hasBit(unitClass.allowed, at.index)) continue;
    const victims = victimsOn(pass, unit, at);
    if (victims !== null && (best === null || isLess(unit, { at, victims }, best))) best = { at, victims };
  }
  if (best === null && isLikeItsClass(pass, unit)) unitClass.futileAt = { turn: turns, priority };
  return best;
}

/** Whether what is on machines keeps a unit from them only as it does all of its class. */
function isLikeItsClass({ ledger }: Pass, { name, section, conflictIds, replaceIds }: PlannedUnit): boolean {
  const isPlain = section.machineOf.length === 0 && section.ports.length === 0 && conflictIds.length === 0 && replaceIds.length === 0;
  return isPlain && ledger.patterns.matching(name).length === 0;
}

/** Who would have to leave a machine so that it takes a unit; null when that does not help, or nobody has to. */
export function victimsOn(pass: Pass, unit: PlannedUnit, at: Place): readonly PlannedUnit[] | null {
  const { context } = pass;
  if (isEnough(unit, at, new Set()) || staysBelowMax(unit, at) !== null) return null;
  for (const filters of [machineFilters, arrivalFilters, neighbourFilters]) {
    if (firstRefusal(filters, unit, { place: at, context }) !== null) return null;
  }
  const candidates = [...at.preemptible].flatMap((victim) => {
    const leaving = withFollowers(pass, victim, at);
    return leaving.every((each) => mayLeave(unit, each)) ? [{ victim, leaving }] : [];
  });
  candidates.sort((left, right) => priorityOf(left.victim) - priorityOf(right.victim)
    || sinceMs(right.victim, at) - sinceMs(left.victim, at) || (left.victim.name < right.victim.name ? 1 : -1));
  const chosen: typeof candidates = [];
  const leavingOf = (some: typeof candidates): Set<PlannedUnit> => new Set(some.flatMap(({ leaving }) => leaving));
  for (const candidate of candidates) {
    if (isEnough(unit, at, leavingOf(chosen))) break;
    chosen.push(candidate);
  }
  if (!isEnough(unit, at, leavingOf(chosen))) return null;
  // Whoever came early in the order may turn out not to be needed beside one that came later.
  let needed = chosen;
  for (const candidate of chosen.toReversed()) {
    const fewer = needed.filter((each) => each !== candidate);
    if (isEnough(unit, at, leavingOf(fewer))) needed = fewer;
  }
  return needed.map(({ victim }) => victim);
}

/** Whether a unit fits once others have left. */
function isEnough(unit: PlannedUnit, at: Place, leaving: ReadonlySet<PlannedUnit>): boolean {
  const { bytes, cpuMillis } = shortage(unit, at, leaving.size === 0 ? noRoom : roomTogether(leaving, at));
  return bytes === 0 && cpuMillis === 0;
}

/** A unit that is followed stays: the one that comes wants to be where it is. */
function mayLeave(unit: PlannedUnit, { name, section, fixed }: PlannedUnit): boolean {
  return section.placing.preemptible && !fixed && (section.placing.priority ?? 0) < priorityOf(unit) && !unit.section.machineOf.includes(name);
}

/** A unit with all that stand on its machine because of it. */
function withFollowers(pass: Pass, victim: PlannedUnit, at: Place): readonly PlannedUnit[] {
  const leaving = new Set([victim]);
  for (const each of leaving) {
    for (const follower of followersOf(each.row)) if (at.units.get(follower.name) === follower) leaving.add(follower);
  }
  return [...leaving];
}

/** Since when a unit stands on a machine: the one that came last leaves first. */
function sinceMs({ row: { held } }: PlannedUnit, at: Place): number {
  return held.find(({ machine }) => machine === at.machine.id)?.assignment.assignedAtMs ?? Number.MAX_SAFE_INTEGER;
}

/** Lower priorities first, then fewer units, then the better machine. */
function isLess(unit: PlannedUnit, left: Eviction, right: Eviction): boolean {
  const [highestLeft, highestRight] = [highest(left), highest(right)];
  if (highestLeft !== highestRight) return highestLeft < highestRight;
  if (left.victims.length !== right.victims.length) return left.victims.length < right.victims.length;
  return isBetterRank(rankOf(unit, left.at), rankOf(unit, right.at));
}

function highest({ victims }: Eviction): number {
  return Math.max(...victims.map(priorityOf));
}

function anyBelow({ ledger }: Pass, priority: number): boolean {
  for (const [each, count] of ledger.preemptible) if (each < priority && count > 0) return true;
  return false;
}

/** "made room for web.service (priority 10)". */
export function sayMadeRoom(unit: PlannedUnit): string {
  return `made room for ${unit.name} (priority ${String(priorityOf(unit))})`;
}

/** "batch.service (priority 0) and 2 others". */
export function sayVictims(victims: readonly PlannedUnit[]): string {
  const [first] = victims;
  if (first === undefined) return 'nobody';
  const others = victims.length === 1 ? '' : victims.length === 2 ? ' and 1 other' : ` and ${String(victims.length - 1)} others`;
  return `${first.name} (priority ${String(priorityOf(first))})${others}`;
}
