/**
 * The rows of the board: all that is known of one unit, in one place, so that a pass over a million units finds each of them once instead
 * of asking a map for every single thing.
 * Promises: a unit has one row for as long as anything is known of it; enterHome() and leaveHome() are exact inverses.
 */
import type { FleetSection } from '../fleet-section.ts';
import type { MachineId } from '../machine.ts';
import { createSharedMap } from '../shared-map.ts';
import type { Assignment, UnitRecord } from '../unit.ts';
import type { UnitName } from '../unit-name.ts';
import type { PatternId } from './patterns.ts';
import type { Tally } from './tallies.ts';

/** An assignment of the snapshot with the machine it is for. */
export interface Held {
  readonly machine: MachineId;
  readonly assignment: Assignment;
}

/** A unit with all that placing it needs. */
export interface PlannedUnit {
  readonly name: UnitName;
  readonly row: Row;
  readonly section: FleetSection;
  readonly conflictIds: readonly PatternId[];
  readonly replaceIds: readonly PatternId[];
  readonly avoidIds: readonly PatternId[];
  /** Of its template, when it asks for one. */
  readonly tally: Tally | null;
  /** The only machine that may take it, because it runs there already; null for all that may be placed freely. */
  readonly adoptOn: MachineId | null;
  /** It stays where it is whatever its neighbours say, because something about it cannot be read. */
  readonly fixed: boolean;
}

/** One unit of the board. */
export interface Row {
  readonly name: UnitName;
  /** What people want; undefined for a unit that only assignments, or followers, speak of. */
  record: UnitRecord | undefined;
  /** Its assignments, longest standing first. */
  held: readonly Held[];
  /** What is to be placed of it; null when it is not to run, or cannot be judged. */
  wanted: PlannedUnit | null;
  /** Where it stands: on one machine, as nearly all do, or on several. */
  home: MachineId | Set<MachineId> | null;
  /** Wanted units that follow it (MachineOf). */
  followers: Set<Row> | null;
  /** Why it came to machines in the pass that goes on; whoever decides about it takes this away. */
  comes: Note | Map<MachineId, string> | null;
  /** The round of placing that it was last to be placed in. */
  round: number;
}

interface Note {
  readonly machine: MachineId;
  readonly why: string;
}

export interface Rows {
  get(name: UnitName): Row | undefined;
  /** The row of a unit; a new one when nothing is known of it. */
  of(name: UnitName): Row;
  /** A row made elsewhere, of a unit that has none yet. */
  enter(row: Row): void;
  /** Forgets a row when it says nothing any more. */
  tidy(row: Row): void;
  /** In no certain order. */
  all(): Iterable<Row>;
  size(): number;
}

export function createRows(): Rows {
  const rows = createSharedMap<UnitName, Row>();
  return {
    get: rows.get,
    of(name) {
      let row = rows.get(name);
      if (row === undefined) {
        row = newRow(name, undefined);
        rows.put(name, row);
      }
      return row;
    },
    enter(row) {
      rows.put(row.name, row);
    },
    tidy(row) {
      const { name, record, held, wanted, home, followers } = row;
      if (record === undefined && held.length === 0 && wanted === null && home === null && followers === null) rows.put(name, null);
    },
    * all() {
      for (const [, row] of rows.entries()) yield row;
    },
    size: rows.size,
  };
}

const none: readonly never[] = [];

/** A row of a unit about which no more is known than its record. */
export function newRow(name: UnitName, record: UnitRecord | undefined): Row {
  return { name, record, held: none, wanted: null, home: null, followers: null, comes: null, round: 0 };
}

/** The machines a unit is on. */
export function homesOf(row: Row | undefined): ReadonlySet<MachineId> {
  const home = row?.home ?? null;
  if (home === null) return nowhere;
  return typeof home === 'string' ? new Set([home]) : home;
}

const nowhere: ReadonlySet<MachineId> = new Set();

/** Whether a unit is on a machine. */
export function isHome({ home }: Row, machine: MachineId): boolean {
  return typeof home === 'string' ? home === machine : home?.has(machine) === true;
}

export function enterHome(row: Row, machine: MachineId): void {
  const { home } = row;
  if (home === null) row.home = machine;
  else if (typeof home === 'string') row.home = new Set([home, machine]);
  else home.add(machine);
}

export function leaveHome(row: Row, machine: MachineId): void {
  const { home } = row;
  if (home === machine) row.home = null;
  if (home === null || typeof home === 'string' || !home.delete(machine)) return;
  const [only] = home;
  if (home.size < 2) row.home = only ?? null;
}

/** Notes why a unit comes to a machine; the last word counts. */
export function noteComing(row: Row, machine: MachineId, why: string): void {
  const { comes } = row;
  if (comes instanceof Map) comes.set(machine, why);
  else if (comes === null || comes.machine === machine) row.comes = { machine, why };
  else row.comes = new Map([[comes.machine, comes.why], [machine, why]]);
}

/** Why a unit comes to a machine, as a sentence. */
export function comingWhy({ comes }: Row, machine: MachineId): string | undefined {
  if (comes instanceof Map) return comes.get(machine);
  return comes?.machine === machine ? comes.why : undefined;
}
