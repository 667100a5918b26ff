/**
 * The board: all units of a snapshot sorted into those that want a machine and those that are left alone, who stands where, and the
 * ledger's indexes of it. A pass begins with it; kept from pass to pass it is brought up to date by what has changed (follow.ts).
 * Promises: everything the store holds but this version cannot read is left exactly as it is; how the board came to be what it is does
 * not show in what is decided on it.
 */
import type { ClusterSnapshot } from '../cluster.ts';
import { isReleased } from '../fence/hold-fenced.ts';
import { noOptions } from '../fleet-section.ts';
import type { FleetSection } from '../fleet-section.ts';
import type { UnitHistory } from '../history.ts';
import type { MachineId } from '../machine.ts';
import { compareNames, compareText } from '../order.ts';
import type { Assignment, FileHash, UnitRecord } from '../unit.ts';
import type { UnitName } from '../unit-name.ts';
import { isTemplate } from '../unit-name.ts';
import type { UnitClasses } from './candidates.ts';
import { circlesOfReplaces } from './circles.ts';
import { createLedger, place, planUnit } from './ledger.ts';
import type { Ledger, Place, PlannedUnit } from './ledger.ts';
import { enterReports } from './port-book.ts';
import { holdAsTheyAre, keepPorts } from './ports.ts';
import type { LackingUnit, StandingUnit } from './ports.ts';
import { newRow } from './rows.ts';
import type { Held, Row, Rows } from './rows.ts';
import type { SectionReader } from './sections.ts';
import { createPace, sortInSteps } from './steps.ts';
import type { Steps } from './steps.ts';
import { waitAfterMs } from './waits.ts';

export interface Board {
  snapshot: ClusterSnapshot;
  readonly sections: SectionReader;
  readonly ledger: Ledger;
  /** What holds of units that rules about machines cannot tell apart, while machines do not change. */
  readonly classes: UnitClasses;
  /** Wanted units that are global, and those that replace others. */
  readonly globals: Map<UnitName, PlannedUnit>;
  readonly replacing: Map<UnitName, PlannedUnit>;
  /** Units that replace one another in a circle have the same number. */
  readonly circles: ReadonlyMap<UnitName, number>;
  /** Units that keep what they have, and why: something about them cannot be read. */
  readonly untouched: ReadonlyMap<UnitName, string>;
  /** Units whose file cannot be used: they keep their machine and their old file, but may be stopped. */
  readonly fileless: Map<UnitName, string>;
  /** Histories of units that have moved so often that they may have to wait. */
  readonly restless: Map<UnitName, UnitHistory>;
  /** How many wanted units use a file. */
  readonly uses: Map<FileHash, number>;
  /** Whether a machine is being drained; no such board is followed. */
  readonly isDraining: boolean;
  /** Wanted units with ports that are unique in the cluster. */
  readonly clusterPorts: Set<UnitName>;
  /** Units that stand and are to have other ports as soon as there are some, by machine. */
  readonly lacking: Map<MachineId, readonly LackingUnit[]>;
}

/** A board with all that a snapshot says, and all units on it that something is to be decided about, sorted by name. */
export function* fillBoard(snapshot: ClusterSnapshot, sections: SectionReader): Steps<{ board: Board; rows: readonly Row[] }> {
  const isStep = createPace();
  const ledger = createLedger(snapshot);
  const known = yield* enterRecords(ledger.rows, snapshot);
  const unknown = yield* enterHeld(ledger.rows, snapshot);
  const all = unknown.length === 0 ? known : yield* sortInSteps(known.concat(unknown));
  const board: Board & { circles: ReadonlyMap<UnitName, number> } = {
    snapshot, sections, ledger, classes: new Map(), globals: new Map(), replacing: new Map(), circles: new Map(),
    untouched: untouchedUnits(snapshot, ledger.rows), fileless: new Map(), restless: new Map(), uses: new Map(), clusterPorts: new Set(),
    lacking: new Map(), isDraining: ledger.list.some(({ machine }) => machine.drain !== null),
  };
  const rows: Row[] = [];
  for (const row of all) {
    planWanted(board, row, row.record);
    if (isOnBoard(board, row) || row.held.length > 0) rows.push(row);
    if (isStep()) yield;
  }
  for (const [name, history] of snapshot.unitHistories) {
    noteRestless(board, name, history);
    if (isStep()) yield;
  }
  board.circles = circlesOfReplaces(board.ledger, board.replacing);
  // Before anything is placed the ledger's patterns must all be known: those of the files that fixed units still have, too.
  for (const name of [...board.untouched.keys(), ...board.fileless.keys()]) {
    const row = ledger.rows.get(name);
    for (const { assignment } of row?.held ?? []) if (row !== undefined) fixedUnit(board, row, assignment);
  }
  for (const row of rows) {
    enterUnit(board, row);
    if (isStep()) yield;
  }
  yield* enterPorts(board, rows);
  return { board, rows };
}

/** A unit of the snapshot, before and after it has its row. */
interface Recorded {
  readonly name: UnitName;
  readonly record: UnitRecord;
  row: Row | null;
}

/**
 * Makes a row of each unit that has a record; answers with them sorted by name. They are made in that order, because every step of a
 * pass goes over them in that order, and a million rows are far more than what a processor keeps at hand.
 */
function* enterRecords(rows: Rows, { units }: ClusterSnapshot): Steps<readonly Row[]> {
  const isStep = createPace();
  const recorded: Recorded[] = [];
  for (const [name, record] of units) {
    recorded.push({ name, record, row: null });
    if (isStep()) yield;
  }
  const made: Row[] = [];
  for (const one of yield* sortInSteps(recorded)) {
    made.push(one.row = newRow(one.name, one.record));
    if (isStep()) yield;
  }
  for (const { row } of recorded) {
    if (row !== null) rows.enter(row);
    if (isStep()) yield;
  }
  return made;
}

/** Whether something is to be decided about a unit that has a record, assigned or not. */
function isOnBoard({ fileless }: Board, { name, wanted }: Row): boolean {
  return wanted !== null || fileless.has(name);
}

/** Whether a person wants this unit on a machine. A template is only what its instances are made of. */
export function isWanted(name: UnitName, record: UnitRecord | undefined): boolean {
  return record !== undefined && record.desired !== 'inactive' && !isTemplate(name);
}

/** Plans a unit, if it is wanted; it was not on the board, or was taken off it. */
export function planWanted(board: Board, row: Row, record: UnitRecord | undefined): void {
  const { ledger, fileless, uses } = board;
  const { name } = row;
  row.record = record;
  if (record === undefined || board.untouched.has(name) || !isWanted(name, record)) return;
  const section = board.sections(board.snapshot.files, name, record.hash);
  uses.set(record.hash, (uses.get(record.hash) ?? 0) + 1);
  if (!section.ok) {
    fileless.set(name, section.failure.message);
    return;
  }
  const planned = planUnit(ledger, row, section.value);
  // Once it is assigned it is a unit like any other: it may move when its machine dies.
  const isAdopted = record.adoptOn !== null && !section.value.global && row.held.length === 0;
  const unit = isAdopted ? { ...planned, adoptOn: record.adoptOn } : planned;
  row.wanted = unit;
  if (unit.section.global) board.globals.set(name, unit);
  if (unit.replaceIds.length > 0) board.replacing.set(name, unit);
  if (unit.section.portScope === 'cluster' && unit.section.ports.length > 0) board.clusterPorts.add(name);
  for (const leader of unit.section.machineOf) {
    const led = ledger.rows.of(leader);
    (led.followers ??= new Set()).add(row);
  }
}

/** Takes a unit that stands nowhere off the board. Whom it followed alone comes to `left`: perhaps nothing is known of those any more. */
export function takeOffBoard(board: Board, row: Row, left: Row[]): void {
  const { fileless, uses, ledger: { rows } } = board;
  const { name, record, wanted } = row;
  if (!isOnBoard(board, row)) return;
  if (record !== undefined) {
    const count = (uses.get(record.hash) ?? 0) - 1;
    if (count > 0) uses.set(record.hash, count);
    else uses.delete(record.hash);
  }
  row.wanted = null;
  for (const index of [fileless, board.globals, board.replacing, board.clusterPorts]) index.delete(name);
  for (const leader of wanted?.section.machineOf ?? []) {
    const led = rows.get(leader);
    led?.followers?.delete(row);
    if (led?.followers?.size !== 0) continue;
    led.followers = null;
    left.push(led);
  }
}

/** Wanted units that follow another one, sorted. */
export function followersOf({ followers }: Row): readonly PlannedUnit[] {
  if (followers === null) return [];
  return [...followers].sort(compareNames).flatMap(({ wanted }) => wanted ?? []);
}

/** Remembers a history that may make its unit wait. */
export function noteRestless({ restless }: Board, name: UnitName, history: UnitHistory | undefined): void {
  const unrest = history?.unrest ?? null;
  if (history !== undefined && unrest !== null && waitAfterMs(unrest) > 0) restless.set(name, history);
  else restless.delete(name);
}

/** Enters all assignments with their units; answers with those that have no record. */
function* enterHeld(rows: Rows, { assignments }: ClusterSnapshot): Steps<readonly Row[]> {
  const isStep = createPace();
  const unknown: Row[] = [];
  const several = new Map<Row, Held[]>();
  for (const [machine, ofMachine] of assignments) {
    for (const [name, assignment] of ofMachine) {
      const row = rows.of(name);
      const held = { machine, assignment };
      if (row.record === undefined && row.held.length === 0) unknown.push(row);
      const others = several.get(row);
      if (others !== undefined) others.push(held);
      else if (row.held.length === 0) row.held = [held];
      else several.set(row, [...row.held, held]);
      if (isStep()) yield;
    }
  }
  for (const [row, held] of several) {
    row.held = sortHeld(held);
    yield;
  }
  return unknown;
}

/** Assignments of one unit in the order in which they count. */
export function sortHeld(held: Held[]): readonly Held[] {
  return held.sort((left, right) =>
    left.assignment.assignedAtMs - right.assignment.assignedAtMs || compareText(left.machine, right.machine));
}

/**
 * Units that must be left alone because the store says something about them, or about their machine, that cannot be read:
 * what a newer version wrote is no reason to stop anything.
 */
function untouchedUnits(snapshot: ClusterSnapshot, rows: Rows): Map<UnitName, string> {
  const untouched = new Map<UnitName, string>();
  const machines = new Set<string>();
  for (const { key, why } of snapshot.unreadable.values()) {
    const [folder, first = '', second] = key.split('/');
    if (folder === 'units') untouched.set(first as UnitName, `its record cannot be read: ${why}`);
    if (folder === 'assignments') untouched.set(second as UnitName, `its assignment to ${first} cannot be read: ${why}`);
    if (folder === 'machines' || folder === 'machine-overrides') machines.add(first);
  }
  if (machines.size === 0) return untouched;
  for (const { name, held } of rows.all()) {
    const there = held.find(({ machine }) => machines.has(machine));
    if (there === undefined || untouched.has(name)) continue;
    untouched.set(name, `the record of its machine ${there.machine} cannot be read`);
  }
  return untouched;
}

/** Enters a unit where it stands: on one machine when it is not global, whatever the store says. */
export function enterUnit(board: Board, row: Row): void {
  for (const { machine, assignment } of row.held) {
    const at = board.ledger.places.get(machine);
    const isThere = at !== undefined && enterUnitOn(board, row, { at, assignment });
    if (isThere && row.wanted?.section.global === false) break;
  }
}

/** Enters a unit on one machine, if it stands there. */
export function enterUnitOn(board: Board, row: Row, { at, assignment }: { readonly at: Place; readonly assignment: Assignment }): boolean {
  const { snapshot, ledger } = board;
  if (assignment.leaving && isReleased(snapshot, { machine: at.machine.id, unit: row.name })) return false;
  if (row.wanted === null && !board.untouched.has(row.name) && !board.fileless.has(row.name)) return false;
  place(ledger, at, row.wanted ?? fixedUnit(board, row, assignment));
  return true;
}

/** A unit that stays as it is, with what its assignment says. */
function fixedUnit({ ledger, sections, snapshot }: Board, row: Row, assignment: Assignment): PlannedUnit {
  const read = sections(snapshot.files, row.name, assignment.hash);
  const section: FleetSection = read.ok ? read.value : noOptions;
  return { ...planUnit(ledger, row, section), fixed: true };
}

/** Enters who has which ports: units that stay as they are first, because nothing can be taken from them. */
function* enterPorts(board: Board, rows: readonly Row[]): Steps<void> {
  const { ledger, snapshot } = board;
  const isStep = createPace();
  for (const machine of snapshot.statuses.keys()) {
    enterReports(ledger.ports, machine);
    yield;
  }
  for (const machine of snapshot.machinePorts.keys()) if (!snapshot.statuses.has(machine)) enterReports(ledger.ports, machine);
  const standing: StandingUnit[] = [];
  for (const row of rows) {
    for (const held of row.held) enterPortsOf(board, row, { held, standing });
    if (isStep()) yield;
  }
  const lacking = yield* keepPorts(ledger.ports, standing);
  for (const [machine, units] of Map.groupBy(lacking, ({ machine: at }) => at)) noteLacking(board, machine, units);
}

/** Remembers which units of a machine are to have other ports. */
export function noteLacking({ lacking }: Board, machine: MachineId, units: readonly LackingUnit[]): void {
  if (units.length === 0) lacking.delete(machine);
  else lacking.set(machine, units);
}

interface Entering {
  readonly held: Held;
  /** Where units are added whose ports are judged. */
  readonly standing: StandingUnit[];
}

/** Enters the ports of an assignment that stays as it is; one that is judged is added to `standing`. */
export function enterPortsOf(board: Board, row: Row, { held: { machine, assignment }, standing }: Entering): void {
  const { places, ports } = board.ledger;
  const at = places.get(machine);
  const unit = at?.units.get(row.name);
  if (unit !== undefined && !unit.fixed) {
    const hasPorts = unit.section.ports.length > 0 || !isEmpty(assignment.ports);
    if (hasPorts) standing.push({ unit, machine, assignment });
    return;
  }
  // What nobody wants any more is about to lose its assignments, on machines that are gone, too.
  const goes = !isOnBoard(board, row) && !board.untouched.has(row.name);
  if (!goes && (at === undefined || unit !== undefined)) holdAsTheyAre(ports, { unit: row.name, machine }, assignment);
}

function isEmpty(ports: Assignment['ports']): boolean {
  for (const _name in ports) return false;
  return true;
}
