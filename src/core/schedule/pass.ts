/**
 * What one pass of the scheduler works on: the snapshot sorted into units that want a machine, units that are left alone,
 * and the ledger of who stands where.
 * Promises: everything the store holds but this version cannot read is left exactly as it is.
 */
import { awaitedMachines } from '../awaited.ts';
import type { ClusterSnapshot } from '../cluster.ts';
import { isReleased } from '../fence/hold-fenced.ts';
import { noOptions } from '../fleet-section.ts';
import type { FleetSection } from '../fleet-section.ts';
import type { MachineId } from '../machine.ts';
import { compareText } from '../order.ts';
import type { Assignment, UnitRecord } from '../unit.ts';
import type { UnitName } from '../unit-name.ts';
import { isTemplate } from '../unit-name.ts';
import type { Unplaced } from './decision.ts';
import type { UnitClasses } from './candidates.ts';
import type { FilterContext } from './filters.ts';
import { groupByCircles } from './groups.ts';
import { waitOf } from './waits.ts';
import type { Wait } from './waits.ts';
import { createLedger, place, planUnit } from './ledger.ts';
import type { Ledger, Place, PlannedUnit } from './ledger.ts';
import { holdAsTheyAre, keepPorts } from './ports.ts';
import type { StandingUnit } from './ports.ts';
import { createSectionReader } from './sections.ts';
import type { SectionReader } from './sections.ts';

/** An assignment of the snapshot with the machine it is for. */
export interface Held {
  readonly machine: MachineId;
  readonly assignment: Assignment;
}

/** The working state of one pass. */
export interface Pass {
  readonly snapshot: ClusterSnapshot;
  readonly ledger: Ledger;
  readonly context: FilterContext;
  readonly classes: UnitClasses;
  /** Units that are to run and can be judged, sorted by name. */
  readonly wanted: ReadonlyMap<UnitName, PlannedUnit>;
  /** Units that keep what they have, and why: something about them cannot be read. */
  readonly untouched: ReadonlyMap<UnitName, string>;
  /** Units whose file cannot be used: they keep their machine and their old file, but may be stopped. */
  readonly fileless: ReadonlyMap<UnitName, string>;
  /** The assignments of each unit, longest standing first; units sorted by name. */
  readonly held: ReadonlyMap<UnitName, readonly Held[]>;
  /** Wanted units by the units they follow (MachineOf). */
  readonly followers: ReadonlyMap<UnitName, readonly PlannedUnit[]>;
  /** Why units come to, and go from, machines in this pass. */
  readonly comes: Map<UnitName, Map<MachineId, string>>;
  readonly goes: Map<UnitName, Map<MachineId, string>>;
  readonly unplaced: Map<UnitName, Unplaced>;
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
  const { sections = createSectionReader(), nowMs = Infinity } = circumstances;
  const awaited = circumstances.awaited ?? awaitedMachines(snapshot, nowMs);
  const held = heldByUnit(snapshot);
  const untouched = untouchedUnits(snapshot, held);
  const ledger = createLedger(snapshot);
  const wanted = new Map<UnitName, PlannedUnit>();
  const fileless = new Map<UnitName, string>();
  const unplaced = new Map<UnitName, Unplaced>();
  for (const [name, record] of [...snapshot.units].sort(([left], [right]) => compareText(left, right))) {
    if (untouched.has(name) || !isWanted(name, record)) continue;
    const section = sections(snapshot.files, name, record.hash);
    if (section.ok) {
      // Once it is assigned it is a unit like any other: it may move when its machine dies.
      const adoptOn = section.value.global || held.has(name) ? null : record.adoptOn;
      wanted.set(name, { ...planUnit(ledger, name, section.value), adoptOn });
      continue;
    }
    fileless.set(name, section.failure.message);
    unplaced.set(name, { why: section.failure.message, machines: new Map() });
  }
  const circles = circlesOfReplaces(ledger, wanted);
  const pass: Pass = {
    snapshot, ledger, wanted, untouched, fileless, held, unplaced, awaited, waits: waitsIn(snapshot, nowMs),
    context: { ledger, together: new Set(), circles }, classes: new Map(),
    followers: followersOf(wanted), comes: new Map(), goes: new Map(),
  };
  enterHeld(pass, sections);
  return pass;
}

/** Why a unit that is on no machine waits for the one it was on, as a sentence; null when it may be placed. */
export function awaitedWhy(pass: Pass, name: UnitName): string | null {
  const [first] = pass.held.get(name) ?? [];
  return first === undefined ? null : pass.awaited.get(first.machine) ?? null;
}

function waitsIn({ units, unitHistories }: ClusterSnapshot, nowMs: number): ReadonlyMap<UnitName, Wait> {
  const waits = new Map<UnitName, Wait>();
  for (const [name, history] of unitHistories) {
    const wait = waitOf(units.get(name), history, nowMs);
    if (wait !== null) waits.set(name, wait);
  }
  return waits;
}

/** Whether a person wants this unit on a machine. A template is only what its instances are made of. */
export function isWanted(name: UnitName, record: UnitRecord | undefined): boolean {
  return record !== undefined && record.desired !== 'inactive' && !isTemplate(name);
}

/** Notes why a unit comes to or goes from a machine. */
export function note(notes: Pass['comes'], at: { readonly unit: UnitName; readonly machine: MachineId }, why: string): void {
  const ofUnit = notes.get(at.unit);
  if (ofUnit === undefined) notes.set(at.unit, new Map([[at.machine, why]]));
  else ofUnit.set(at.machine, why);
}

function heldByUnit(snapshot: ClusterSnapshot): Map<UnitName, Held[]> {
  const held = new Map<UnitName, Held[]>();
  for (const [machine, assignments] of snapshot.assignments) {
    for (const [name, assignment] of assignments) {
      const others = held.get(name);
      if (others === undefined) held.set(name, [{ machine, assignment }]);
      else others.push({ machine, assignment });
    }
  }
  for (const ofUnit of held.values()) {
    if (ofUnit.length > 1) ofUnit.sort(longestStandingFirst);
  }
  return new Map([...held].sort(([left], [right]) => compareText(left, right)));
}

const longestStandingFirst = (left: Held, right: Held): number =>
  left.assignment.assignedAtMs - right.assignment.assignedAtMs || compareText(left.machine, right.machine);

/**
 * Units that must be left alone because the store says something about them, or about their machine, that cannot be read:
 * what a newer version wrote is no reason to stop anything.
 */
function untouchedUnits(snapshot: ClusterSnapshot, held: ReadonlyMap<UnitName, readonly Held[]>): Map<UnitName, string> {
  const untouched = new Map<UnitName, string>();
  const machines = new Set<string>();
  for (const { key, why } of snapshot.unreadable.values()) {
    const [folder, first = '', second] = key.split('/');
    if (folder === 'units') untouched.set(first as UnitName, `its record cannot be read: ${why}`);
    if (folder === 'assignments') untouched.set(second as UnitName, `its assignment to ${first} cannot be read: ${why}`);
    if (folder === 'machines' || folder === 'machine-overrides') machines.add(first);
  }
  if (machines.size === 0) return untouched;
  for (const [name, ofUnit] of held) {
    const there = ofUnit.find(({ machine }) => machines.has(machine));
    if (there === undefined || untouched.has(name)) continue;
    untouched.set(name, `the record of its machine ${there.machine} cannot be read`);
  }
  return untouched;
}

/** Enters the units of the snapshot where they stand: one machine for a unit that is not global, whatever the store says. */
function enterHeld(pass: Pass, sections: SectionReader): void {
  const { ledger, held, wanted, untouched, fileless, snapshot } = pass;
  const standing: { readonly at: Place; readonly unit: PlannedUnit }[] = [];
  for (const [name, ofUnit] of held) {
    const isFixed = untouched.has(name) || fileless.has(name);
    const unit = wanted.get(name);
    if (unit === undefined && !isFixed) continue;
    for (const { machine, assignment } of ofUnit) {
      const at = ledger.places.get(machine);
      if (at === undefined || (assignment.leaving && isReleased(snapshot, { machine, unit: name }))) continue;
      const section = (): FleetSection => {
        const read = sections(snapshot.files, name, assignment.hash);
        return read.ok ? read.value : noOptions;
      };
      const entered = unit ?? { ...planUnit(ledger, name, section()), fixed: true };
      standing.push({ at, unit: entered });
      if (!entered.fixed && !entered.section.global) break;
    }
  }
  // Only now: the ledger's patterns must all be known before anything is placed.
  for (const { at, unit } of standing) place(ledger, at, unit);
  enterPorts(pass);
}

/** Enters who has which ports: units that stay as they are first, because nothing can be taken from them. */
function enterPorts({ ledger, held, wanted, untouched, fileless }: Pass): void {
  const standing: StandingUnit[] = [];
  for (const [name, ofUnit] of held) {
    // What nobody wants any more is about to lose its assignments, on machines that are gone, too.
    const goes = !wanted.has(name) && !untouched.has(name) && !fileless.has(name);
    for (const { machine, assignment } of ofUnit) {
      const at = ledger.places.get(machine);
      const unit = at?.units.get(name);
      if (unit !== undefined && !unit.fixed) standing.push({ unit, machine, assignment });
      else if (!goes && (at === undefined || unit !== undefined)) holdAsTheyAre(ledger.ports, { unit: name, machine }, assignment);
    }
  }
  keepPorts(ledger.ports, standing);
}

function followersOf(wanted: ReadonlyMap<UnitName, PlannedUnit>): Map<UnitName, PlannedUnit[]> {
  const followers = new Map<UnitName, PlannedUnit[]>();
  for (const unit of wanted.values()) {
    for (const leader of unit.section.machineOf) {
      const others = followers.get(leader);
      if (others === undefined) followers.set(leader, [unit]);
      else others.push(unit);
    }
  }
  return followers;
}

/** Numbers the circles among units that replace one another; units outside of any circle have no number. */
export function circlesOfReplaces(ledger: Ledger, units: ReadonlyMap<UnitName, PlannedUnit>): Map<UnitName, number> {
  const replacing = [...units.values()].filter((unit) => unit.replaceIds.length > 0);
  const byPattern = new Map<number, UnitName[]>();
  for (const unit of replacing) {
    for (const id of unit.replaceIds) {
      const holders = byPattern.get(id);
      if (holders === undefined) byPattern.set(id, [unit.name]);
      else holders.push(unit.name);
    }
  }
  const replacersOf = (name: UnitName): UnitName[] =>
    ledger.patterns.matching(name).flatMap((id) => byPattern.get(id) ?? []).filter((other) => other !== name);
  const groups = groupByCircles(replacing.map((unit) => unit.name), replacersOf);
  const circles = new Map<UnitName, number>();
  for (const [number, group] of groups.entries()) {
    if (group.length > 1) for (const name of group) circles.set(name, number);
  }
  return circles;
}
