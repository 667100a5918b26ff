/**
 * Why units are on no machine: found when somebody asks, because it takes a look at every machine.
 * Promises: the answer is as of the end of the pass, however often and in whatever order it is asked; units that no rule can tell apart are
 * looked at once for all of them.
 */
import { limits } from '../limits.ts';
import type { MachineId } from '../machine.ts';
import { classOf, isFull } from './candidates.ts';
import type { UnitClass } from './candidates.ts';
import type { Unplaced, UnplacedUnits } from './decision.ts';
import { sayRefusal } from './filters.ts';
import type { PlannedUnit } from './ledger.ts';
import type { Pass } from './pass.ts';
import { groupRefusal } from './placing.ts';

/** Reasons by class, and within one by all else that rules look at. */
type Known = Map<UnitClass, Map<string, Unplaced>>;

/** What a pass has left without a machine. */
export function createUnplaced(pass: Pass): UnplacedUnits {
  const known: Known = new Map();
  return {
    size: pass.unplaced.size,
    names: () => pass.unplaced.keys(),
    get(name) {
      const reason = pass.unplaced.get(name);
      if (reason === undefined || 'why' in reason) return reason === undefined ? undefined : { why: reason.why, machines: new Map() };
      const unplaced = knownRefusals(pass, known, reason.refused);
      const made = pass.madeRoom.get(name);
      return made === undefined ? unplaced : { ...unplaced, why: `it ${made}; ${unplaced.why}` };
    },
  };
}

function knownRefusals(pass: Pass, known: Known, group: readonly PlannedUnit[]): Unplaced {
  const [unit] = group;
  if (unit === undefined || group.length > 1) return explainRefusals(pass, group);
  const unitClass = classOf(pass.classes, unit, pass.context);
  const neighbours = neighboursOf(pass, unit, unitClass);
  if (neighbours === null) return explainRefusals(pass, group);
  const ofClass = known.get(unitClass) ?? new Map<string, Unplaced>();
  known.set(unitClass, ofClass);
  let found = ofClass.get(neighbours);
  if (found === undefined) ofClass.set(neighbours, found = explainRefusals(pass, group));
  return found;
}

/** What rules about neighbours look at, of a unit that stands nowhere; null when it may be the unit itself. */
function neighboursOf({ ledger }: Pass, unit: PlannedUnit, unitClass: UnitClass): string | null {
  // Machines without room are asked about nothing else.
  if (isFull(unitClass, ledger)) return '';
  const { name, section, conflictIds, replaceIds } = unit;
  if (section.ports.length > 0 || replaceIds.length > 0) return null;
  return JSON.stringify([conflictIds, ledger.patterns.matching(name), section.machineOf]);
}

/** Why no machine takes these units: one sentence that counts the reasons, and each machine's own. */
function explainRefusals(pass: Pass, group: readonly PlannedUnit[]): Unplaced {
  const { places } = pass.ledger;
  const machines = new Map<MachineId, string>();
  const counts = new Map<string, number>();
  let refusing = 0;
  for (const at of places.values()) {
    const refusal = groupRefusal(pass, group, at);
    if (refusal === null) continue;
    refusing += 1;
    counts.set(refusal.why, (counts.get(refusal.why) ?? 0) + 1);
    if (machines.size < limits.explainMachinesMax) machines.set(at.machine.id, sayRefusal(refusal));
  }
  // A unit that followed its leader nowhere may follow it now that a drain has moved the leader.
  return { why: refusing < places.size ? 'a machine fits by now: it is placed with the next pass' : countRefusals(places.size, counts), machines };
}

/** "0 of 3 machines fit: needs metadata role=db (2), conflicts with a.service (1)", most frequent first, a few of them. */
export function countRefusals(machineCount: number, counts: ReadonlyMap<string, number>): string {
  if (machineCount === 0) return 'the cluster has no machine';
  const sorted = [...counts].sort(([, left], [, right]) => right - left);
  const shown = sorted.slice(0, limits.explainReasonsMax).map(([why, count]) => `${why} (${String(count)})`);
  const more = sorted.length - shown.length;
  return `0 of ${String(machineCount)} machines fit: ${shown.join(', ')}${more > 0 ? `, and ${String(more)} other reasons` : ''}`;
}
