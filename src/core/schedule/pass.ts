/**
 * What one pass of the scheduler works on: the board, what is looked at of it, and what is decided so far.
 */
import { awaitedMachines } from '../awaited.ts';
import type { ClusterSnapshot } from '../cluster.ts';
import type { MachineId } from '../machine.ts';
import { compareNames } from '../order.ts';
import type { Placement } from '../unit.ts';
import type { UnitName } from '../unit-name.ts';
import { fillBoard } from './board.ts';
import type { Board } from './board.ts';
import type { FilterContext } from './filters.ts';
import type { Place, PlannedUnit } from './ledger.ts';
import { createNotes } from './notes.ts';
import type { Notes } from './notes.ts';
import type { Row } from './rows.ts';
import { createSectionReader } from './sections.ts';
import type { SectionReader } from './sections.ts';
import { runSteps } from './steps.ts';
import type { Steps } from './steps.ts';
import { waitOf } from './waits.ts';
import type { Wait } from './waits.ts';

/** What a pass looks at. Whatever it changes comes to belong to it. */
export interface Scope {
  /** Units to place and to decide about. */
  readonly units: Set<Row>;
  /** Machines whose units are judged, and that global units may come to. */
  readonly places: Set<Place>;
}

/** Why a unit is on no machine. */
export type Reason = { readonly why: string } | { readonly refused: readonly PlannedUnit[] };

/** The working state of one pass. */
export interface Pass extends Readonly<Board> {
  readonly board: Board;
  readonly context: FilterContext;
  /** Null: everything. */
  readonly scope: Scope | null;
  /** With the whole cluster in its scope: all units that something is to be decided about, sorted. */
  readonly rows: readonly Row[];
  /** Global units are looked at on every machine, not only on those of the scope. */
  readonly globalsAnywhere: boolean;
  /** Units that were taken off machines, whatever became of them since. */
  readonly takenOff: Placement[];
  /** What was said of machines that were the least loaded, by their load. */
  readonly choices: Map<string, string>;
  /** Why units leave machines. */
  readonly goes: Notes;
  /** Wanted units without a machine: why, or whom all machines refused together, which is put into words only when somebody asks. */
  readonly unplaced: Map<UnitName, Reason>;
  /** Units that were pushed out for others of higher priority, and for whom as a sentence. */
  readonly madeRoom: Map<UnitName, string>;
  /** Machines that are gone and whose units wait for them, each with the reason as a sentence. */
  readonly awaited: ReadonlyMap<MachineId, string>;
  /** Units that are not placed anew for a while. */
  readonly waits: ReadonlyMap<UnitName, Wait>;
}

/** What decisions depend on beside the snapshot. */
export interface Circumstances {
  /** May be kept between passes, for speed alone. */
  readonly sections?: SectionReader;
  /** The time of day; without it whatever lasts until some time is over. */
  readonly nowMs?: number;
  /** Machines that are gone and whose units wait for them, each with the reason as a sentence; those of holds when left out. */
  readonly awaited?: ReadonlyMap<MachineId, string>;
}

/** Sorts a snapshot and enters every unit where it stands. */
export function beginPass(snapshot: ClusterSnapshot, circumstances: Circumstances): Pass {
  return runSteps(beginWholePass(snapshot, circumstances));
}

/** The same, in steps. */
export function* beginWholePass(snapshot: ClusterSnapshot, circumstances: Circumstances): Steps<Pass> {
  const { board, rows } = yield* fillBoard(snapshot, circumstances.sections ?? createSectionReader());
  return passOn(board, circumstances, { scope: null, rows, globalsAnywhere: true });
}

/** Machines that units left, as the ledger lists them, before a kept board forgets the list. */
const leftMax = 65_536;
/** Classes that a board keeps: units whose options speak of their own names are each one of its own. */
const classesMax = 10_000;

/** A pass on a board that is up to date. */
export function passOn(board: Board, circumstances: Circumstances, looked: Pick<Pass, 'scope' | 'rows' | 'globalsAnywhere'>): Pass {
  const { snapshot, ledger, circles, fileless, restless } = board;
  const { nowMs = Infinity } = circumstances;
  if (ledger.left.length > leftMax || board.classes.size > classesMax) {
    // Classes remember how far they have read; without any the list begins anew.
    board.classes.clear();
    ledger.left.length = 0;
  }
  const unplaced = new Map<UnitName, Reason>();
  for (const [name, why] of fileless) unplaced.set(name, { why });
  const waits = new Map<UnitName, Wait>();
  for (const [name, history] of restless) {
    const wait = waitOf(snapshot.units.get(name), history, nowMs);
    if (wait !== null) waits.set(name, wait);
  }
  return {
    ...board, ...looked, board, takenOff: [], unplaced, waits, awaited: circumstances.awaited ?? awaitedMachines(snapshot, nowMs),
    context: { ledger, together: new Set(), circles }, choices: new Map(), goes: createNotes(), madeRoom: new Map(),
  };
}

/** The units a pass looks at, sorted by name. */
export function rowsIn({ scope, rows }: Pass): readonly Row[] {
  return scope === null ? rows : [...scope.units].sort(compareNames);
}

/** The machines a pass looks at. */
export function placesIn({ scope, ledger }: Pass): Iterable<Place> {
  return scope === null ? ledger.places.values() : scope.places;
}

/** Notes that a pass has changed where a unit stands. */
export function noteChange({ scope }: Pass, unit: PlannedUnit, at: Place): void {
  scope?.units.add(unit.row);
  scope?.places.add(at);
}

/** Why a unit that is on no machine waits for the one it was on, as a sentence; null when it may be placed. */
export function awaitedWhy({ awaited }: Pass, { held: [first] }: Row): string | null {
  if (awaited.size === 0) return null;
  return first === undefined ? null : awaited.get(first.machine) ?? null;
}
