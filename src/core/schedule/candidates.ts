/**
 * Which machines come into question for a unit, without asking every rule about every machine.
 * Promises: the answer is that of asking all rules about all machines in the order of rank.ts; what is remembered holds for one pass,
 * in which machines do not change.
 */
import type { FleetSection } from '../fleet-section.ts';
import type { MachineId } from '../machine.ts';
import { arrivalFilters, firstRefusal, machineFilters, neighbourFilters, roomFilters } from './filters.ts';
import type { FilterContext } from './filters.ts';
import type { Ledger, Place, PlannedUnit } from './ledger.ts';
import { clearBit, emptyBits, hasBit, inBoth, inFirstOnly, isEmpty, lowestFloor, setBit } from './machine-bits.ts';
import type { Floor, MachineBits } from './machine-bits.ts';
import { heldPreferences, isBetterRank, isRanked, rankOf } from './rank.ts';
import { asksForRoom } from './room.ts';
import { homesOf } from './rows.ts';
import { byTally } from './tallies.ts';
import type { Tally } from './tallies.ts';

/** Units that the rules about machines alone, and about room, cannot tell apart. */
export interface UnitClass {
  /** Machines that the rules about machines allow. */
  readonly allowed: MachineBits;
  /** Those of them that were not found full since a unit last left them. */
  readonly open: MachineBits;
  /** True of the open machines until a unit leaves one of them. */
  floor: Floor;
  /** How much of the ledger's list of machines that units left is looked at. */
  seenLeft: number;
  /** Allowed machines by how many preferences hold there, most first, where there are any; empty for units without preferences. */
  readonly preferred: readonly MachineBits[];
  /** The highest priority that nobody could be pushed out for, as of a turn of the ledger. */
  futileAt: { readonly turn: number; readonly priority: number } | null;
}

/** The classes a pass has met. */
export type UnitClasses = Map<string, UnitClass>;

/** The class of a unit. */
export function classOf(classes: UnitClasses, unit: PlannedUnit, context: FilterContext): UnitClass {
  const key = keyOf(unit);
  const known = classes.get(key);
  if (known !== undefined) return known;
  const { ledger: { places, list, left } } = context;
  const allowed = emptyBits(list.length);
  for (const place of places.values()) {
    const at = { place, context };
    if (firstRefusal(machineFilters, unit, at) === null && firstRefusal(arrivalFilters, unit, at) === null) setBit(allowed, place.index);
  }
  const made: UnitClass = {
    allowed, open: allowed.slice(), floor: lowestFloor(), seenLeft: left.length, futileAt: null,
    preferred: preferredOf(unit, list).map((alike) => inBoth(allowed, alike)).filter((alike) => !isEmpty(alike)),
  };
  classes.set(key, made);
  return made;
}

function preferredOf(unit: PlannedUnit, list: readonly Place[]): readonly MachineBits[] {
  const { prefer } = unit.section.placing;
  if (prefer.length === 0) return [];
  const byHeld = Array.from({ length: prefer.length + 1 }, () => emptyBits(list.length));
  for (const place of list) setBit(byHeld[heldPreferences(unit, place)] ?? emptyBits(0), place.index);
  return byHeld.toReversed();
}

/** What was made of a section last, for units of one template: to make it takes longer than to find it. */
const keys = new WeakMap<FleetSection, { readonly tally: Tally | null; readonly key: string }>();

function keyOf(unit: PlannedUnit): string {
  const { section, tally, adoptOn } = unit;
  if (adoptOn !== null) return makeKey(unit);
  let known = keys.get(section);
  if (known?.tally !== tally) {
    const key = makeKey(unit);
    if (key.includes('%')) return key;
    keys.set(section, known = { tally, key });
  }
  return known.key;
}

/** All of a unit that a class is about. A value with a specifier may speak of the unit's name. */
function makeKey({ name, section, adoptOn, tally }: PlannedUnit): string {
  const { machineId, machineBootId, metadata, onMachineLost, placing } = section;
  const { memory, cpuMillis, prefer, maxPerMachine } = placing;
  const asksNothing = machineId === null && machineBootId === null && adoptOn === null && metadata.length === 0;
  const isPlain = memory === null && cpuMillis === null && prefer.length === 0 && maxPerMachine === null;
  if (asksNothing && isPlain && onMachineLost === 'keep') return '';
  const max = maxPerMachine === null ? null : [maxPerMachine, tally?.template];
  const asked = JSON.stringify([machineId, machineBootId, adoptOn, metadata, onMachineLost, memory, cpuMillis, prefer, max]);
  return asked.includes('%') ? `${asked} ${name}` : asked;
}

/** The best machine that takes a unit which replaces none; null when there is none. */
export function bestPlace(unit: PlannedUnit, unitClass: UnitClass, context: FilterContext): Place | null {
  const { ledger } = context;
  const isRoomy = !asksForRoom(unit) && unit.section.placing.maxPerMachine === null;
  const open = openMachines(unitClass, ledger);
  const takes = (place: Place | undefined): boolean => {
    if (place === undefined) return false;
    if (!isRoomy && firstRefusal(roomFilters, unit, { place, context }) !== null) {
      // Until a unit leaves it, for no other unit of the class either.
      clearBit(open, place.index);
      return false;
    }
    return firstRefusal(neighbourFilters, unit, { place, context }) === null;
  };
  const [peer] = unit.section.machineOf.filter((name) => name !== unit.name && !context.together.has(name));
  if (peer !== undefined) return onHome(homesOf(ledger.rows.get(peer)), { unit, ledger, open, takes });
  const among = without(unit.conflictIds, open, ledger);
  const { order, list } = ledger;
  const takesAt = (index: number): boolean => takes(list[index]);
  const isPacked = unit.section.placing.strategy === 'pack';
  if (!isPacked) order.raise(unitClass.floor, open);
  const firstOf = (tier: MachineBits): number | null => (isPacked ? order.most(tier, takesAt) : order.least(tier, takesAt, unitClass.floor));
  if (!isRanked(unit)) return placeAt(ledger, firstOf(among));
  for (const tier of tiersOf(unit, among, { unitClass, ledger })) {
    const found = firstOf(tier);
    if (found !== null) return placeAt(ledger, found);
  }
  return null;
}

/** Whether no machine has room for units of a class, so that they all have the same reasons. */
export function isFull(unitClass: UnitClass, ledger: Ledger): boolean {
  return isEmpty(openMachines(unitClass, ledger));
}

function placeAt({ list }: Ledger, index: number | null): Place | null {
  return index === null ? null : list[index] ?? null;
}

/** Machines of a class that may have room. */
function openMachines(unitClass: UnitClass, { left }: Ledger): MachineBits {
  if (unitClass.seenLeft < left.length) unitClass.floor = lowestFloor();
  for (; unitClass.seenLeft < left.length; unitClass.seenLeft += 1) {
    const index = left[unitClass.seenLeft] ?? 0;
    if (hasBit(unitClass.allowed, index)) setBit(unitClass.open, index);
  }
  return unitClass.open;
}

interface Search {
  readonly unitClass: UnitClass;
  readonly ledger: Ledger;
}

/** Machines in groups that are alike but for their load, in the order of rank.ts. */
function* tiersOf(unit: PlannedUnit, among: MachineBits, { unitClass, ledger }: Search): Generator<MachineBits> {
  const { spreadBy } = unit.section.placing;
  const gathered = unit.tally === null || spreadBy === null ? [null] : byTally(unit.tally, spreadBy);
  for (const group of gathered) {
    const here = group === null ? among : inBoth(among, group);
    if (group !== null && isEmpty(here)) continue;
    const calm = without(unit.avoidIds, here, ledger);
    for (const part of calm === here ? [here] : [calm, inFirstOnly(here, calm)]) {
      if (unitClass.preferred.length < 2) yield part;
      else for (const alike of unitClass.preferred) yield inBoth(part, alike);
    }
  }
}

interface Choice {
  readonly unit: PlannedUnit;
  readonly ledger: Ledger;
  readonly open: MachineBits;
  readonly takes: (place: Place) => boolean;
}

/** The best of the few machines that a unit's leader is on. */
function onHome(homes: ReadonlySet<MachineId>, { unit, ledger, open, takes }: Choice): Place | null {
  let best: Place | null = null;
  for (const id of homes) {
    const at = ledger.places.get(id);
    if (at === undefined || !hasBit(open, at.index) || !takes(at)) continue;
    const isFirst = best === null || isBetterRank(rankOf(unit, at), rankOf(unit, best));
    if (isFirst || (best !== null && !isBetterRank(rankOf(unit, best), rankOf(unit, at)) && at.index < best.index)) best = at;
  }
  return best;
}

/** Takes out machines with a unit that a pattern matches: they may be many, and all are known. */
function without(patterns: PlannedUnit['conflictIds'], machines: MachineBits, { matchedOn }: Ledger): MachineBits {
  if (patterns.length === 0) return machines;
  const left = machines.slice();
  for (const id of patterns) matchedOn.get(id)?.clearFrom(left);
  return left;
}
