/**
 * Which machines come into question for a unit, without asking every rule about every machine.
 * Promises: the answer is that of asking all rules about all machines, least loaded first; what is remembered holds for one pass,
 * in which machines do not change.
 */
import type { MachineId } from '../machine.ts';
import type { Unplaced } from './decision.ts';
import { arrivalFilters, firstRefusal, machineFilters, neighbourFilters } from './filters.ts';
import type { FilterContext } from './filters.ts';
import type { Ledger, Place, PlannedUnit } from './ledger.ts';
import { clearBit, emptyBits, isEmpty, setBit } from './machine-bits.ts';
import type { MachineBits } from './machine-bits.ts';

/** Units that the rules about machines alone cannot tell apart. */
export interface UnitClass {
  /** Machines that those rules allow. */
  readonly allowed: MachineBits;
  readonly isNowhere: boolean;
  /** Why no machine takes them, once somebody has asked; only for classes that no machine is allowed for. */
  refusals: Unplaced | null;
}

/** The classes a pass has met. */
export type UnitClasses = Map<string, UnitClass>;

/** The class of a unit. */
export function classOf(classes: UnitClasses, unit: PlannedUnit, context: FilterContext): UnitClass {
  const key = keyOf(unit);
  const known = classes.get(key);
  if (known !== undefined) return known;
  const { ledger: { list } } = context;
  const allowed = emptyBits(list.length);
  for (const [index, place] of list.entries()) {
    const at = { place, context };
    if (firstRefusal(machineFilters, unit, at) === null && firstRefusal(arrivalFilters, unit, at) === null) setBit(allowed, index);
  }
  const made: UnitClass = { allowed, isNowhere: isEmpty(allowed), refusals: null };
  classes.set(key, made);
  return made;
}

/** All of a unit that machineFilters and arrivalFilters look at. A value with a specifier may speak of the unit's name. */
function keyOf({ name, section, adoptOn }: PlannedUnit): string {
  const { machineId, machineBootId, metadata, onMachineLost } = section;
  const asksNothing = machineId === null && machineBootId === null && adoptOn === null && metadata.length === 0;
  if (asksNothing && onMachineLost === 'keep') return '';
  const asked = JSON.stringify([machineId, machineBootId, adoptOn, metadata, onMachineLost]);
  return asked.includes('%') ? `${asked} ${name}` : asked;
}

/** The least loaded machine that takes a unit which replaces none; null when there is none. */
export function leastLoaded(unit: PlannedUnit, { allowed }: UnitClass, context: FilterContext): Place | null {
  const { ledger } = context;
  const takes = (place: Place | undefined): boolean =>
    place !== undefined && firstRefusal(neighbourFilters, unit, { place, context }) === null;
  const [peer] = unit.section.machineOf.filter((name) => name !== unit.name && !context.together.has(name));
  if (peer !== undefined) return onHome(ledger, ledger.homes.get(peer) ?? new Set(), { allowed, takes });
  const found = ledger.order.first(withoutConflicts(unit, allowed, ledger), (index) => takes(ledger.list[index]));
  return found === null ? null : ledger.list[found] ?? null;
}

interface Choice {
  readonly allowed: MachineBits;
  readonly takes: (place: Place) => boolean;
}

/** The best of the few machines that a unit's leader is on. */
function onHome({ places }: Ledger, homes: ReadonlySet<MachineId>, { allowed, takes }: Choice): Place | null {
  let best: Place | null = null;
  for (const id of homes) {
    const at = places.get(id);
    if (at === undefined || ((allowed[at.index >>> 5] ?? 0) & (1 << (at.index & 31))) === 0 || !takes(at)) continue;
    if (best === null || at.load < best.load || (at.load === best.load && at.index < best.index)) best = at;
  }
  return best;
}

/** Takes out machines with a unit that conflicts: they may be many, and all are known. */
function withoutConflicts({ conflictIds }: PlannedUnit, allowed: MachineBits, { matchedOn }: Ledger): MachineBits {
  if (conflictIds.length === 0) return allowed;
  const left = allowed.slice();
  for (const id of conflictIds) for (const index of matchedOn.get(id) ?? []) clearBit(left, index);
  return left;
}
