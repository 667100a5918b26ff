/**
 * The ledger: which unit stands on which machine while a pass decides, indexed for the questions that filters ask.
 * Promises: place() and remove() are exact inverses; a question costs the same however many units there are.
 */
import type { ClusterSnapshot } from '../cluster.ts';
import { assert } from '../failure.ts';
import type { FleetSection } from '../fleet-section.ts';
import type { Machine, MachineId } from '../machine.ts';
import { compareText } from '../order.ts';
import { roomOn } from '../placing-options.ts';
import type { UnitName } from '../unit-name.ts';
import { createLoadOrder, createMarks } from './machine-bits.ts';
import type { LoadOrder, Marks } from './machine-bits.ts';
import { createPortBook, release, setAside as setPortsAside } from './port-book.ts';
import type { PortBook } from './port-book.ts';
import { createPatternIndex } from './patterns.ts';
import type { PatternId, PatternIndex } from './patterns.ts';
import { createRows, enterHome, leaveHome } from './rows.ts';
import type { PlannedUnit, Row, Rows } from './rows.ts';
import { count, createTallies, tallyFor } from './tallies.ts';
import type { Tallies } from './tallies.ts';

export type { PlannedUnit } from './rows.ts';

/** One machine of the ledger. */
export interface Place {
  machine: Machine;
  /** Where it stands in the order of machine ids. */
  readonly index: number;
  /** What "least loaded" counts: the weights of units on it that are not global, 1 unless they say otherwise. */
  load: number;
  /** Those units themselves. */
  unitCount: number;
  /** What all units on it ask for. */
  memoryUsed: number;
  cpuUsed: number;
  /** Units on it that may be pushed out. */
  readonly preemptible: Set<PlannedUnit>;
  readonly units: Map<UnitName, PlannedUnit>;
  /** Units on it that a pattern matches. */
  readonly matched: Map<PatternId, Set<UnitName>>;
  /** Units on it that name a pattern in Conflicts, and in Replaces. */
  readonly conflicting: Map<PatternId, Set<UnitName>>;
  readonly replacing: Map<PatternId, Set<UnitName>>;
}

export interface Ledger {
  /** Machines that are there, sorted by id. */
  readonly places: Map<MachineId, Place>;
  /** Those, and machines that went since the ledger was made, by their index. */
  readonly list: readonly Place[];
  readonly order: LoadOrder;
  /** Machines, by index, with a unit that a pattern matches. */
  readonly matchedOn: Map<PatternId, Marks>;
  /** What is known of each unit; where it stands, for example. */
  readonly rows: Rows;
  readonly patterns: PatternIndex;
  readonly ports: PortBook;
  readonly tallies: Tallies;
  /** The machines, by index, that a unit has left, in order: what was full may have room again. */
  readonly left: number[];
  /** Grows with each unit that comes or goes. */
  turns: number;
  /** How often units without a machine were gathered to be placed. */
  rounds: number;
  /** Units that stand and may be pushed out, by priority. */
  readonly preemptible: Map<number, number>;
}

export function createLedger(snapshot: ClusterSnapshot): Ledger {
  const sorted = [...snapshot.machines.values()].sort((left, right) => compareText(left.id, right.id));
  const list = sorted.map((machine, index): Place => ({
    machine, index, load: 0, unitCount: 0, memoryUsed: 0, cpuUsed: 0, preemptible: new Set(), units: new Map(),
    matched: new Map(), conflicting: new Map(), replacing: new Map(),
  }));
  const order = createLoadOrder(list.length);
  for (const { index } of list) order.move(index, { from: -1, to: 0 });
  return {
    places: new Map(list.map((place) => [place.machine.id, place])), list, order, matchedOn: new Map(), rows: createRows(),
    patterns: createPatternIndex(), ports: createPortBook(snapshot), tallies: createTallies(list), left: [], turns: 0, rounds: 0, preemptible: new Map(),
  };
}

/** Makes a unit known to the ledger's patterns. All units are made known before the first is placed. */
export function planUnit(ledger: Ledger, row: Row, section: FleetSection): PlannedUnit {
  const { patterns } = ledger;
  return {
    name: row.name, row, section, conflictIds: patterns.idsOf(section.conflicts), replaceIds: patterns.idsOf(section.replaces),
    avoidIds: patterns.idsOf(section.placing.avoid), tally: tallyFor(ledger.tallies, row.name, section),
    adoptOn: null, fixed: false,
  };
}

/** Puts a unit on a machine; which ports it has there is for ports.ts. */
export function place(ledger: Ledger, at: Place, unit: PlannedUnit): void {
  const before = at.units.size;
  at.units.set(unit.name, unit);
  assert(at.units.size > before, 'a unit is placed once on a machine');
  weigh(ledger, { at, unit }, 1);
  for (const id of ledger.patterns.matching(unit.name)) {
    enter(at.matched, id, unit.name);
    marksOf(ledger, id).mark(at.index);
  }
  for (const id of unit.conflictIds) enter(at.conflicting, id, unit.name);
  for (const id of unit.replaceIds) enter(at.replacing, id, unit.name);
  enterHome(unit.row, at.machine.id);
}

/** Takes units off their machine to see what would be without them; answers with what puts them back, with their ports. */
export function setAside(ledger: Ledger, at: Place, units: readonly PlannedUnit[]): () => void {
  const back = units.map((unit) => {
    const putBack = setPortsAside(ledger.ports, { unit: unit.name, machine: at.machine.id });
    remove(ledger, at, unit);
    return putBack;
  });
  return () => {
    for (const unit of units) place(ledger, at, unit);
    for (const putBack of back.toReversed()) putBack();
  };
}

/** Takes a unit off a machine, with the ports it was given there. */
export function remove(ledger: Ledger, at: Place, unit: PlannedUnit): void {
  assert(at.units.delete(unit.name), 'a unit leaves a machine it stands on');
  weigh(ledger, { at, unit }, -1);
  ledger.left.push(at.index);
  for (const id of ledger.patterns.matching(unit.name)) {
    leave(at.matched, id, unit.name);
    if (!at.matched.has(id)) marksOf(ledger, id).unmark(at.index);
  }
  for (const id of unit.conflictIds) leave(at.conflicting, id, unit.name);
  for (const id of unit.replaceIds) leave(at.replacing, id, unit.name);
  leaveHome(unit.row, at.machine.id);
  release(ledger.ports, { unit: unit.name, machine: at.machine.id });
}

function marksOf({ matchedOn, list }: Ledger, id: PatternId): Marks {
  let marks = matchedOn.get(id);
  if (marks === undefined) matchedOn.set(id, marks = createMarks(list.length));
  return marks;
}

/** Priority= of a unit. */
export function priorityOf({ section }: PlannedUnit): number {
  return section.placing.priority ?? 0;
}

/** Counts a unit that has come to a machine (1), or left it (-1). */
function weigh(ledger: Ledger, { at, unit }: { readonly at: Place; readonly unit: PlannedUnit }, by: 1 | -1): void {
  const { order, tallies, preemptible } = ledger;
  ledger.turns += 1;
  const { global, placing } = unit.section;
  if (!global) {
    const weight = placing.weight ?? 1;
    if (weight !== 0) order.move(at.index, { from: at.load, to: at.load + by * weight });
    at.load += by * weight;
    at.unitCount += by;
  }
  if (placing.memory !== null || placing.cpuMillis !== null) {
    const room = roomOn(placing, at.machine);
    at.memoryUsed += by * room.bytes;
    at.cpuUsed += by * room.cpuMillis;
  }
  count(tallies, { unit: unit.name, at }, by);
  if (!placing.preemptible || unit.fixed) return;
  if (by === 1) at.preemptible.add(unit);
  else at.preemptible.delete(unit);
  preemptible.set(priorityOf(unit), (preemptible.get(priorityOf(unit)) ?? 0) + by);
}

/** The first by name of the units other than `self` that stand under one of the patterns; undefined when there is none. */
export function otherUnder(
  index: ReadonlyMap<PatternId, ReadonlySet<UnitName>>, ids: readonly PatternId[], self: UnitName,
): UnitName | undefined {
  let first: UnitName | undefined;
  for (const id of ids) {
    for (const name of index.get(id) ?? nobody) if (name !== self && (first === undefined || name < first)) first = name;
  }
  return first;
}

/** All such units, sorted; how they came there does not show. */
export function othersUnder(
  index: ReadonlyMap<PatternId, ReadonlySet<UnitName>>, ids: readonly PatternId[], self: UnitName,
): readonly UnitName[] {
  const found = new Set<UnitName>();
  for (const id of ids) for (const name of index.get(id) ?? nobody) if (name !== self) found.add(name);
  return found.size === 0 ? [] : [...found].sort(compareText);
}

const nobody: readonly UnitName[] = [];

function enter<K, V>(index: Map<K, Set<V>>, key: K, value: V): void {
  const values = index.get(key);
  if (values === undefined) index.set(key, new Set([value]));
  else values.add(value);
}

function leave<K, V>(index: Map<K, Set<V>>, key: K, value: V): void {
  const values = index.get(key);
  if (values?.delete(value) === true && values.size === 0) index.delete(key);
}
