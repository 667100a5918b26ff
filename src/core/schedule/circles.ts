/**
 * Circles of Replaces: units that replace one another replace nothing.
 * Promises: pure; the answer does not depend on the order of the units.
 */
import type { UnitName } from '../unit-name.ts';
import { graphByName, groupByCircles } from './groups.ts';
import type { Ledger, PlannedUnit } from './ledger.ts';

/** Numbers the circles among units that replace others; units outside of any circle have no number. */
export function circlesOfReplaces(ledger: Ledger, replacing: ReadonlyMap<UnitName, PlannedUnit>): Map<UnitName, number> {
  const byPattern = new Map<number, UnitName[]>();
  for (const unit of replacing.values()) {
    for (const id of unit.replaceIds) {
      const holders = byPattern.get(id);
      if (holders === undefined) byPattern.set(id, [unit.name]);
      else holders.push(unit.name);
    }
  }
  const replacersOf = ({ name }: PlannedUnit): UnitName[] =>
    ledger.patterns.matching(name).flatMap((id) => byPattern.get(id) ?? []).filter((other) => other !== name);
  const circles = new Map<UnitName, number>();
  let number = 0;
  const units = [...replacing.values()];
  for (const group of groupByCircles(units, graphByName(units, replacersOf))) {
    if (group.length > 1) for (const { name } of group) circles.set(name, number);
    number += 1;
  }
  return circles;
}
