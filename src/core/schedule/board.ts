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
import { compareText } from '../order.ts';
import { createSharedMap } from '../shared-map.ts';
import type { SharedMap } from '../shared-map.ts';
import type { Assignment, FileHash, UnitRecord } from '../unit.ts';
import type { UnitName } from '../unit-name.ts';
import { isTemplate } from '../unit-name.ts';
import type { UnitClasses } from './candidates.ts';
import { circlesOfReplaces } from './circles.ts';
import { createLedger, place, planUnit } from './ledger.ts';
import type { Ledger, Place, PlannedUnit } from './ledger.ts';
import { enterReports } from './port-book.ts';
import { holdAsTheyAre, keepPorts } from './ports.ts';
import type { StandingUnit } from './ports.ts';
import type { SectionReader } from './sections.ts';
import { sortInSteps } from './steps.ts';
import type { Steps } from './steps.ts';
import { waitAfterMs } from './waits.ts';

/** An assignment of the snapshot with the machine it is for. */
export interface Held {
  readonly machine: MachineId;
  readonly assignment: Assignment;
}

export interface Board {
  snapshot: ClusterSnapshot;
  readonly sections: SectionReader;
  readonly ledger: Ledger;
  /** What holds of units that rules about machines cannot tell apart, while machines do not change. */
  readonly classes: UnitClasses;
  /** Units that are to run and can be judged. */
  readonly wanted: SharedMap<UnitName, PlannedUnit>;
  /** Those of them that are global, and those that replace others. */
  readonly globals: Map<UnitName, PlannedUnit>;
  readonly replacing: Map<UnitName, PlannedUnit>;
  /** Units that replace one another in a circle have the same number. */
  readonly circles: ReadonlyMap<UnitName, number>;
  /** Units that keep what they have, and why: something about them cannot be read. */
  readonly untouched: ReadonlyMap<UnitName, string>;
  /** Units whose file cannot be used: they keep their machine and their old file, but may be stopped. */
  readonly fileless: Map<UnitName, string>;
  /** The assignments of each unit, longest standing first. */
  readonly held: SharedMap<UnitName, readonly Held[]>;
  /** Wanted units by the units they follow (MachineOf). */
  readonly followers: Map<UnitName, Set<UnitName>>;
  /** Histories of units that have moved so often that they may have to wait. */
  readonly restless: Map<UnitName, UnitHistory>;
  /** How many wanted units use a file. */
  readonly uses: Map<FileHash, number>;
  /** Wanted units with ports that are unique in the cluster. */
  readonly clusterPorts: Set<UnitName>;
}

/** A board with all that a snapshot says, and the names of all units on it, sorted. */
export function* fillBoard(snapshot: ClusterSnapshot, sections: SectionReader): Steps<{ board: Board; names: readonly UnitName[] }> {
  const held = yield* heldByUnit(snapshot);
  const board: Board & { circles: ReadonlyMap<UnitName, number> } = {
    snapshot, sections, ledger: createLedger(snapshot), classes: new Map(), wanted: createSharedMap(), globals: new Map(), replacing: new Map(),
    circles: new Map(), untouched: untouchedUnits(snapshot, held), fileless: new Map(), held, followers: new Map(), restless: new Map(),
    uses: new Map(), clusterPorts: new Set(),
  };
  const names: UnitName[] = [];
  for (const [name, record] of snapshot.units) {
    planWanted(board, name, record);
    if (isOnBoard(board, name)) names.push(name);
    yield;
  }
  for (const [name] of held.entries()) if (!snapshot.units.has(name) || !isOnBoard(board, name)) names.push(name);
  const sorted = yield* sortInSteps(names);
  for (const [name, history] of snapshot.unitHistories) {
    noteRestless(board, name, history);
    yield;
  }
  board.circles = circlesOfReplaces(board.ledger, board.replacing);
  // Before anything is placed the ledger's patterns must all be known: those of the files that fixed units still have, too.
  for (const name of [...board.untouched.keys(), ...board.fileless.keys()]) {
    for (const { assignment } of held.get(name) ?? []) fixedUnit(board, name, assignment);
  }
  for (const name of sorted) {
    enterUnit(board, name);
    yield;
  }
  yield* enterPorts(board, sorted);
  return { board, names: sorted };
}

/** Whether something is to be decided about a unit that has a record, assigned or not. */
function isOnBoard({ wanted, fileless }: Board, name: UnitName): boolean {
  return wanted.get(name) !== undefined || fileless.has(name);
}

/** Whether a person wants this unit on a machine. A template is only what its instances are made of. */
export function isWanted(name: UnitName, record: UnitRecord | undefined): boolean {
  return record !== undefined && record.desired !== 'inactive' && !isTemplate(name);
}

/** Plans a unit that is wanted; it was not on the board, or was taken off it. */
export function planWanted(board: Board, name: UnitName, record: UnitRecord | undefined): void {
  const { ledger, wanted, fileless, uses } = board;
  if (record === undefined || board.untouched.has(name) || !isWanted(name, record)) return;
  const section = board.sections(board.snapshot.files, name, record.hash);
  uses.set(record.hash, (uses.get(record.hash) ?? 0) + 1);
  if (!section.ok) {
    fileless.set(name, section.failure.message);
    return;
  }
  const planned = planUnit(ledger, name, section.value);
  // Once it is assigned it is a unit like any other: it may move when its machine dies.
  const isAdopted = record.adoptOn !== null && !section.value.global && board.held.get(name) === undefined;
  const unit = isAdopted ? { ...planned, adoptOn: record.adoptOn } : planned;
  wanted.put(name, unit);
  if (unit.section.global) board.globals.set(name, unit);
  if (unit.replaceIds.length > 0) board.replacing.set(name, unit);
  if (unit.section.portScope === 'cluster' && unit.section.ports.length > 0) board.clusterPorts.add(name);
  for (const leader of unit.section.machineOf) {
    const others = board.followers.get(leader);
    if (others === undefined) board.followers.set(leader, new Set([name]));
    else others.add(name);
  }
}

/** Takes a unit that stands nowhere off the board; `record` is the one it was planned with. */
export function takeOffBoard(board: Board, name: UnitName, record: UnitRecord | undefined): void {
  const { wanted, fileless, uses, followers } = board;
  const unit = wanted.get(name);
  if (unit === undefined && !fileless.has(name)) return;
  if (record !== undefined) {
    const left = (uses.get(record.hash) ?? 0) - 1;
    if (left > 0) uses.set(record.hash, left);
    else uses.delete(record.hash);
  }
  wanted.put(name, null);
  for (const index of [fileless, board.globals, board.replacing, board.clusterPorts]) index.delete(name);
  for (const leader of unit?.section.machineOf ?? []) {
    const others = followers.get(leader);
    others?.delete(name);
    if (others?.size === 0) followers.delete(leader);
  }
}

/** Wanted units that follow another one, sorted. */
export function followersOf({ followers, wanted }: Board, leader: UnitName): readonly PlannedUnit[] {
  const names = followers.get(leader);
  return names === undefined ? [] : [...names].sort(compareText).flatMap((name) => wanted.get(name) ?? []);
}

/** Remembers a history that may make its unit wait. */
export function noteRestless({ restless }: Board, name: UnitName, history: UnitHistory | undefined): void {
  const unrest = history?.unrest ?? null;
  if (history !== undefined && unrest !== null && waitAfterMs(unrest) > 0) restless.set(name, history);
  else restless.delete(name);
}

function* heldByUnit(snapshot: ClusterSnapshot): Steps<Board['held']> {
  const held: Board['held'] = createSharedMap();
  for (const [machine, assignments] of snapshot.assignments) {
    for (const [name, assignment] of assignments) {
      const others = held.get(name);
      held.put(name, others === undefined ? [{ machine, assignment }] : sortHeld([...others, { machine, assignment }]));
      yield;
    }
  }
  return held;
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
function untouchedUnits(snapshot: ClusterSnapshot, held: Board['held']): Map<UnitName, string> {
  const untouched = new Map<UnitName, string>();
  const machines = new Set<string>();
  for (const { key, why } of snapshot.unreadable.values()) {
    const [folder, first = '', second] = key.split('/');
    if (folder === 'units') untouched.set(first as UnitName, `its record cannot be read: ${why}`);
    if (folder === 'assignments') untouched.set(second as UnitName, `its assignment to ${first} cannot be read: ${why}`);
    if (folder === 'machines' || folder === 'machine-overrides') machines.add(first);
  }
  if (machines.size === 0) return untouched;
  for (const [name, ofUnit] of held.entries()) {
    const there = ofUnit.find(({ machine }) => machines.has(machine));
    if (there === undefined || untouched.has(name)) continue;
    untouched.set(name, `the record of its machine ${there.machine} cannot be read`);
  }
  return untouched;
}

/** Enters a unit where it stands: on one machine when it is not global, whatever the store says. */
export function enterUnit(board: Board, name: UnitName): void {
  for (const { machine } of board.held.get(name) ?? []) {
    const at = board.ledger.places.get(machine);
    const isThere = at !== undefined && enterUnitOn(board, name, at);
    if (isThere && board.wanted.get(name)?.section.global === false) break;
  }
}

/** Enters a unit on one machine, if it stands there. */
export function enterUnitOn(board: Board, name: UnitName, at: Place): boolean {
  const { snapshot, ledger } = board;
  const machine = at.machine.id;
  const assignment = snapshot.assignments.get(machine)?.get(name);
  if (assignment === undefined || (assignment.leaving && isReleased(snapshot, { machine, unit: name }))) return false;
  const unit = board.wanted.get(name);
  if (unit === undefined && !board.untouched.has(name) && !board.fileless.has(name)) return false;
  place(ledger, at, unit ?? fixedUnit(board, name, assignment));
  return true;
}

/** A unit that stays as it is, with what its assignment says. */
function fixedUnit({ ledger, sections, snapshot }: Board, name: UnitName, assignment: Assignment): PlannedUnit {
  const read = sections(snapshot.files, name, assignment.hash);
  const section: FleetSection = read.ok ? read.value : noOptions;
  return { ...planUnit(ledger, name, section), fixed: true };
}

/** Enters who has which ports: units that stay as they are first, because nothing can be taken from them. */
function* enterPorts(board: Board, names: readonly UnitName[]): Steps<void> {
  const { ledger, held, snapshot } = board;
  for (const machine of snapshot.statuses.keys()) {
    enterReports(ledger.ports, machine);
    yield;
  }
  for (const machine of snapshot.machinePorts.keys()) if (!snapshot.statuses.has(machine)) enterReports(ledger.ports, machine);
  const standing: StandingUnit[] = [];
  for (const name of names) {
    for (const { machine, assignment } of held.get(name) ?? []) enterPortsOf(board, { name, machine, assignment }, standing);
    yield;
  }
  keepPorts(ledger.ports, standing);
}

interface Assigned extends Held {
  readonly name: UnitName;
}

/** Enters the ports of an assignment that stays as it is; one that is judged is added to `standing`. */
export function enterPortsOf(board: Board, { name, machine, assignment }: Assigned, standing: StandingUnit[]): void {
  const { places, ports } = board.ledger;
  const at = places.get(machine);
  const unit = at?.units.get(name);
  if (unit !== undefined && !unit.fixed) {
    const hasPorts = unit.section.ports.length > 0 || !isEmpty(assignment.ports);
    if (hasPorts) standing.push({ unit, machine, assignment });
    return;
  }
  // What nobody wants any more is about to lose its assignments, on machines that are gone, too.
  const goes = !isOnBoard(board, name) && !board.untouched.has(name);
  if (!goes && (at === undefined || unit !== undefined)) holdAsTheyAre(ports, { unit: name, machine }, assignment);
}

function isEmpty(ports: Assignment['ports']): boolean {
  for (const _name in ports) return false;
  return true;
}
