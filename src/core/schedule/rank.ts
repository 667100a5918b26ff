/**
 * Which of the machines that fit a unit is the best: SpreadBy, Avoid, Prefer, then load by Strategy, then the lower machine id.
 * Promises: a total order that depends on the ledger alone; a unit without these options has the order of fleet 1.0. The search over
 * indexed machines in candidates.ts gives the same answer, only faster.
 */
import { requirementHolds } from './filters.ts';
import { otherUnder } from './ledger.ts';
import type { Place, PlannedUnit } from './ledger.ts';
import { gatheredAt } from './tallies.ts';

/** What a machine is to a unit; less is better, in the order of the fields. */
export interface Rank {
  /** Instances of its template with the machine's value of SpreadBy; Infinity where the key is missing. */
  readonly gathered: number;
  /** 1 where a unit is that it avoids. */
  readonly avoided: number;
  /** Preferences that do not hold. */
  readonly lacking: number;
  /** The load; negative for a unit that is packed. */
  readonly load: number;
}

/** Whether anything but the load counts, or the load the other way round. */
export function isRanked({ section: { placing } }: Pick<PlannedUnit, 'section'>): boolean {
  return placing.strategy === 'pack' || placing.spreadBy !== null || placing.avoid.length > 0 || placing.prefer.length > 0;
}

export function rankOf(unit: PlannedUnit, at: Place): Rank {
  const { placing } = unit.section;
  const { spreadBy } = placing;
  const gathered = unit.tally === null || spreadBy === null ? 0 : gatheredAt(unit.tally, spreadBy, at)?.count ?? Infinity;
  return {
    gathered, avoided: avoidedAt(unit, at) === undefined ? 0 : 1, lacking: placing.prefer.length - heldPreferences(unit, at),
    load: placing.strategy === 'pack' ? -at.load : at.load,
  };
}

/** Whether the first rank is better. Of equal ones the machine with the lower id is. */
export function isBetterRank(left: Rank, right: Rank): boolean {
  if (left.gathered !== right.gathered) return left.gathered < right.gathered;
  if (left.avoided !== right.avoided) return left.avoided < right.avoided;
  if (left.lacking !== right.lacking) return left.lacking < right.lacking;
  return left.load < right.load;
}

/** How many preferences of a unit a machine fulfils. */
export function heldPreferences({ name, section: { placing: { prefer } } }: PlannedUnit, { machine }: Place): number {
  let held = 0;
  for (const requirement of prefer) if (requirementHolds(requirement, name, machine)) held += 1;
  return held;
}

/** Of units that share a machine, the one that the others follow: its options choose. */
export function leaderOf(group: readonly PlannedUnit[]): PlannedUnit | undefined {
  return group.find(({ section }) => section.machineOf.length === 0) ?? group[0];
}

/** Why a machine stands where it does in the order, one clause for each option of the unit but the load. */
export function sayRank(unit: PlannedUnit, at: Place): readonly string[] {
  const { spreadBy, avoid, prefer } = unit.section.placing;
  const clauses: string[] = [];
  if (spreadBy !== null && unit.tally !== null) {
    const gathered = gatheredAt(unit.tally, spreadBy, at);
    clauses.push(gathered === null
      ? `no ${spreadBy} to spread by`
      : `${spreadBy}=${gathered.value} has ${String(gathered.count)} of ${unit.tally.template}`);
  }
  if (avoid.length > 0) {
    const other = avoidedAt(unit, at);
    clauses.push(other === undefined ? 'nothing to avoid is there' : `${other}, which it avoids, is there`);
  }
  if (prefer.length > 0) clauses.push(`${String(heldPreferences(unit, at))} of ${String(prefer.length)} preferences hold`);
  return clauses;
}

/** "2 units"; their load, too, where they weigh something else. */
export function sayLoad({ load, unitCount }: Place): string {
  const units = unitCount === 1 ? '1 unit' : `${String(unitCount)} units`;
  return load === unitCount ? units : `${units} of load ${String(load)}`;
}

function avoidedAt({ name, avoidIds }: PlannedUnit, { matched }: Place): string | undefined {
  return otherUnder(matched, avoidIds, name);
}
