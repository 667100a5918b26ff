/**
 * Brings a board up to date: from the snapshot it shows to the next one, at the cost of what has changed.
 * Promises: a board that was brought up to date is as good as one made anew, and what is to be looked at on it holds all that a pass
 * over everything would change; where that is not certain, null is the answer, and the board is of no use any more.
 */
import type { ClusterSnapshot } from '../cluster.ts';
import type { Machine, MachineId } from '../machine.ts';
import { compareText } from '../order.ts';
import { changedKeys } from '../shared-map.ts';
import { templateOf } from '../unit-name.ts';
import type { UnitName } from '../unit-name.ts';
import { enterPortsOf, enterUnit, enterUnitOn, noteLacking, noteRestless, planWanted, sortHeld, takeOffBoard } from './board.ts';
import type { Board } from './board.ts';
import { changesBetween } from './changes.ts';
import type { Changes } from './changes.ts';
import { remove } from './ledger.ts';
import type { Scope } from './pass.ts';
import { enterReports, forgetMachine, holdsForAll } from './port-book.ts';
import { keepPorts } from './ports.ts';
import type { StandingUnit } from './ports.ts';
import { homesOf } from './rows.ts';
import type { Row } from './rows.ts';
import type { Steps } from './steps.ts';

/** What the last pass on a board has left open: its decisions may not have been carried out. */
export interface Open {
  /** Units that it decided about, moved on the board, or could not place. */
  readonly units: ReadonlySet<UnitName>;
  /** Global units, by the machines that it decided about. */
  readonly globals: ReadonlyMap<UnitName, ReadonlySet<MachineId>>;
}

export interface Followed {
  readonly scope: Scope;
  readonly globalsAnywhere: boolean;
}

/** More changes than this, and more than half of the units: a new board is made faster. */
const changesMax = 10_000;

/** What cannot be read of these keeps units as they are, also such as come to them later. */
const keepingFolders = /^(units|assignments|machines|machine-overrides)\//;

/** Whether a board can be followed at all, after a pass that has made so many decisions. */
export function isFollowable(board: Board, decisionCount: number): boolean {
  const { snapshot, clusterPorts, ledger } = board;
  if (board.isDraining || isMost(decisionCount, board)) return false;
  if (clusterPorts.size > 0 || holdsForAll(ledger.ports)) return false;
  for (const key of snapshot.unreadable.keys()) if (keepingFolders.test(key)) return false;
  return true;
}

/** Follows to `next`; what is open of the pass before is looked at again. */
export function* followBoard(board: Board, next: ClusterSnapshot, open: Open): Steps<Followed | null> {
  if (isMost(open.units.size, board)) return null;
  const changes = yield* changesBetween(board.snapshot, next);
  if (needsAll(board, next, changes)) return null;
  const work = workOf(board, { next, changes, open });
  if (isMost(work.units.size, board)) return null;
  const replacing = new Map(board.replacing);
  const patterns = board.ledger.patterns.size();
  const { rows } = board.ledger;
  const scope: Scope = { units: new Set(), places: new Set() };
  for (const name of work.globals.keys()) scope.units.add(rows.of(name));
  const changed = [...work.units].map(rows.of);
  for (const row of changed) scope.units.add(row);
  const left = yield* takeOff(board, { changed, globals: work.globals }, scope);
  board.snapshot = next;
  board.ledger.ports.snapshot = next;
  followMachines(board, changes.machines);
  for (const name of changes.histories) noteRestless(board, name, next.unitHistories.get(name));
  for (const [name, machines] of changes.moved) updateHeld(board, name, machines);
  const gone = new Set<MachineId>();
  for (const row of changed) {
    planWanted(board, row, next.units.get(row.name));
    // The pass before may have taken its ports from it there.
    for (const { machine } of row.held) if (!next.machines.has(machine)) gone.add(machine);
    yield;
  }
  for (const row of [...changed, ...left]) rows.tidy(row);
  if (board.ledger.patterns.size() > patterns || !isSameReplacing(replacing, board.replacing)) return null;
  yield* enter(board, { changed, globals: work.globals }, scope);
  // A file that only an assignment has left may have brought patterns, too.
  if (board.ledger.patterns.size() > patterns) return null;
  yield* followPorts(board, new Set([...changes.aboutMachines, ...changes.machines, ...work.machines, ...gone]), scope);
  return { scope, globalsAnywhere: [...work.units].some((name) => board.globals.has(name)) };
}

function isMost(count: number, { ledger }: Board): boolean {
  return count > changesMax && count > ledger.rows.size() / 2;
}

/** Whether something has changed that touches more than can be told. */
function needsAll(board: Board, next: ClusterSnapshot, changes: Changes): boolean {
  const { snapshot, uses, fileless, ledger } = board;
  if (changedKeys(snapshot.portPools, next.portPools).size > 0 || changedKeys(snapshot.unreadable, next.unreadable).size > 0) return true;
  const files = changedKeys(snapshot.files, next.files);
  if (files.size > 0 && (fileless.size > 0 || [...files].some((hash) => uses.has(hash)))) return true;
  if (changes.machines.size === 0) return false;
  const places = new Map(ledger.list.map((place) => [place.machine.id, place.machine]));
  return [...changes.machines].some((id) => {
    const machine = next.machines.get(id);
    if (machine === undefined) return false;
    const before = places.get(id);
    return before === undefined || machine.drain !== null || !isSameGround(before, machine);
  });
}

/** Whether a machine is the one it was as far as it is counted together with others. */
function isSameGround(before: Machine, after: Machine): boolean {
  return JSON.stringify([before.metadata, before.capacity]) === JSON.stringify([after.metadata, after.capacity]);
}

function isSameReplacing(before: Board['replacing'], after: Board['replacing']): boolean {
  return before.size === after.size && [...before].every(([name, { replaceIds }]) => after.get(name)?.replaceIds === replaceIds);
}

/** What is taken off the board and entered anew. */
interface Work {
  /** Whole units. */
  readonly units: ReadonlySet<UnitName>;
  /** Global units of which only some placements have changed. */
  readonly globals: ReadonlyMap<UnitName, ReadonlySet<MachineId>>;
  /** Machines whose assignments differ. */
  readonly machines: ReadonlySet<MachineId>;
}

interface News {
  readonly next: ClusterSnapshot;
  readonly changes: Changes;
  readonly open: Open;
}

function workOf(board: Board, { next, changes, open }: News): Work {
  const units = new Set<UnitName>([...open.units, ...changes.records]);
  const globals = new Map<UnitName, Set<MachineId>>();
  const add = (name: UnitName, ids: Iterable<MachineId>): void => {
    if (!board.globals.has(name)) {
      units.add(name);
      return;
    }
    const all = globals.get(name) ?? new Set();
    for (const id of ids) all.add(id);
    globals.set(name, all);
  };
  for (const [name, ids] of open.globals) add(name, ids);
  for (const [name, ids] of changes.moved) add(name, ids);
  for (const name of changes.told) add(name, []);
  // What is assigned to a machine that came, went, differs or was forgotten.
  for (const id of [...changes.machines, ...changes.aboutMachines]) {
    for (const { assignments } of [board.snapshot, next]) for (const name of assignments.get(id)?.keys() ?? []) add(name, [id]);
  }
  for (const name of board.globals.keys()) {
    const template = templateOf(name);
    if (changes.releases.has(name) || (template !== null && changes.releases.has(template))) units.add(name);
  }
  for (const name of units) globals.delete(name);
  return { units, globals, machines: new Set([...changes.moved.values()].flatMap((ids) => [...ids])) };
}

/** The same, by rows. */
interface Changed extends Pick<Work, 'globals'> {
  readonly changed: readonly Row[];
}

/** Takes what has changed off the board, as it stands in the snapshot before. */
function* takeOff(board: Board, { changed, globals }: Changed, scope: Scope): Steps<readonly Row[]> {
  const { ledger } = board;
  const left: Row[] = [];
  const leave = (name: UnitName, id: MachineId): void => {
    const at = ledger.places.get(id);
    const unit = at?.units.get(name);
    if (at === undefined || unit === undefined) return;
    remove(ledger, at, unit);
    scope.places.add(at);
  };
  for (const [name, ids] of globals) for (const id of ids) leave(name, id);
  for (const row of changed) {
    for (const id of [...homesOf(row)]) leave(row.name, id);
    takeOffBoard(board, row, left);
    yield;
  }
  return left;
}

/** Brings the ledger's machines up to date. */
function followMachines({ ledger, snapshot, classes }: Board, machines: ReadonlySet<MachineId>): void {
  if (machines.size === 0) return;
  classes.clear();
  ledger.places.clear();
  for (const place of ledger.list) {
    const machine = snapshot.machines.get(place.machine.id);
    if (machine === undefined) continue;
    place.machine = machine;
    ledger.places.set(machine.id, place);
  }
}

function updateHeld({ ledger: { rows }, snapshot }: Board, name: UnitName, machines: ReadonlySet<MachineId>): void {
  const row = rows.of(name);
  const kept = row.held.filter(({ machine }) => !machines.has(machine));
  for (const machine of machines) {
    const assignment = snapshot.assignments.get(machine)?.get(name);
    if (assignment !== undefined) kept.push({ machine, assignment });
  }
  row.held = sortHeld(kept);
}

/** Enters what has changed where it stands now. */
function* enter(board: Board, { changed, globals }: Changed, scope: Scope): Steps<void> {
  const { ledger: { places, rows }, snapshot } = board;
  for (const [name, ids] of globals) {
    for (const id of ids) {
      const [at, assignment] = [places.get(id), snapshot.assignments.get(id)?.get(name)];
      if (at !== undefined && assignment !== undefined && enterUnitOn(board, rows.of(name), { at, assignment })) scope.places.add(at);
    }
  }
  for (const row of changed) {
    enterUnit(board, row);
    for (const id of homesOf(row)) {
      const at = places.get(id);
      if (at !== undefined) scope.places.add(at);
    }
    yield;
  }
  for (const at of scope.places) if (!places.has(at.machine.id)) scope.places.delete(at);
}

/** Enters all ports of the machines that are looked at anew. */
function* followPorts(board: Board, machines: Set<MachineId>, scope: Scope): Steps<void> {
  const { ledger, snapshot } = board;
  for (const id of machines) {
    const at = ledger.places.get(id);
    if (at !== undefined) scope.places.add(at);
  }
  for (const { machine } of scope.places) machines.add(machine.id);
  for (const id of machines) {
    forgetMachine(ledger.ports, id);
    enterReports(ledger.ports, id);
    const standing: StandingUnit[] = [];
    const assignments = [...snapshot.assignments.get(id) ?? []].sort(([left], [right]) => compareText(left, right));
    for (const [name, assignment] of assignments) enterPortsOf(board, ledger.rows.of(name), { held: { machine: id, assignment }, standing });
    noteLacking(board, id, yield* keepPorts(ledger.ports, standing));
    for (const { unit } of standing) scope.units.add(unit.row);
    yield;
  }
}
