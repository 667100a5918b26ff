/**
 * Which units a release is about, and which of them still have to be changed.
 * Promises: a unit that carries the number of the goal is never changed again, whatever a person made of it since; a unit that did
 * not get healthy is not tried twice.
 */
import type { ClusterSnapshot } from '../cluster.ts';
import type { FleetSection } from '../fleet-section.ts';
import type { MachineId } from '../machine.ts';
import { compareText } from '../order.ts';
import type { SectionReader } from '../schedule/sections.ts';
import type { UnitRecord } from '../unit.ts';
import { instanceOf, isTemplate, templateOf, unitNameParts } from '../unit-name.ts';
import type { UnitName } from '../unit-name.ts';
import { whereaboutsOf } from '../whereabouts.ts';
import { goalOf, isActive } from './release.ts';
import type { ReleaseRecord } from './release.ts';

/** A unit of a release. */
export interface Member {
  readonly name: UnitName;
  readonly record: UnitRecord;
  /** The number of a numbered instance, as 3 of app@3.service; null for all others. */
  readonly number: number | null;
  /** What its file says; null when it is missing or wrong. */
  readonly section: FleetSection | null;
}

/** One thing a release changes at a time: a unit, or a global unit on one machine. */
export interface Slot {
  readonly member: Member;
  /** Null for a unit that is not global. */
  readonly machine: MachineId | null;
}

/** The release that a unit belongs to: its own, or that of its template. */
export function releaseOf(snapshot: ClusterSnapshot, name: UnitName): ReleaseRecord | undefined {
  const own = snapshot.releases.get(name);
  if (own !== undefined && isActive(own)) return own;
  const template = templateOf(name);
  return template === null ? own : snapshot.releases.get(template);
}

/** The number of an instance; null when its name has none, or writes it otherwise than fleet would ("01"). */
function instanceNumber(name: UnitName): number | null {
  const { instance } = unitNameParts(name);
  return instance !== null && /^[1-9]\d{0,8}$/.test(instance) ? Number(instance) : null;
}

/** The units of a release, numbered instances in the order of their numbers, then the others by name. */
export function membersOf(snapshot: ClusterSnapshot, name: UnitName, sections: SectionReader): readonly Member[] {
  const names = isTemplate(name)
    ? [...snapshot.units.keys()].filter((unit) => templateOf(unit) === name)
    : snapshot.units.has(name) ? [name] : [];
  const members = names.map((unit): Member => {
    const record = snapshot.units.get(unit) as UnitRecord; // Its name comes from this map.
    const section = sections(snapshot.files, unit, record.hash);
    return { name: unit, record, number: instanceNumber(unit), section: section.ok ? section.value : null };
  });
  return members.sort((left, right) =>
    (left.number ?? Infinity) - (right.number ?? Infinity) || compareText(left.name, right.name));
}

/**
 * Whether something that carries the number `release` still has to be changed. On the way back that is what carries the target, or a
 * generation between origin and target that never got everywhere.
 */
export function isOutdated(record: ReleaseRecord, release: number): boolean {
  if (record.state !== 'rolling-back') return release !== record.target;
  const { generations, origin, target } = record;
  return release === target
    || generations.some(({ number, outcome }) => number === release && number > origin && outcome === 'left');
}

/** What is to be changed one batch after the other: what runs. */
export function outdatedSlots(snapshot: ClusterSnapshot, record: ReleaseRecord, members: readonly Member[]): readonly Slot[] {
  const givenUp = new Set(record.failures.filter(({ generation }) => generation === goalOf(record))
    .map(({ unit, machine }) => slotKey(unit, machine)));
  return members.filter((member) => member.record.desired === 'launched')
    .flatMap((member) => slotsOf(snapshot, record, member))
    .filter(({ member, machine }) => !givenUp.has(slotKey(member.name, machine)));
}

/** What does not run is changed at once: nobody notices. Nor does a global unit run that is on no machine. */
export function quietMembers(snapshot: ClusterSnapshot, record: ReleaseRecord, members: readonly Member[]): readonly Member[] {
  return members.filter((member) => {
    if (!isOutdated(record, member.record.release)) return false;
    if (member.record.desired !== 'launched') return true;
    return member.section?.global === true && machinesOf(snapshot, member.name).length === 0;
  });
}

/** Everything of the release that runs, changed or not: what a share is a share of. */
export function countSlots(snapshot: ClusterSnapshot, members: readonly Member[]): number {
  return members.filter(({ record }) => record.desired === 'launched')
    .reduce((sum, { name, section }) => sum + (section?.global === true ? machinesOf(snapshot, name).length : 1), 0);
}

/** The lowest instance numbers that no unit has and no machine still holds. */
export function freeInstances(snapshot: ClusterSnapshot, template: UnitName, count: number): readonly UnitName[] {
  const found: UnitName[] = [];
  for (let number = 1; found.length < count; number += 1) {
    const name = instanceOf(template, String(number));
    if (!name.ok) return found;
    if (!snapshot.units.has(name.value) && isGone(snapshot, name.value)) found.push(name.value);
  }
  return found;
}

/** Whether no machine has, or is to have, a unit. */
export function isGone(snapshot: ClusterSnapshot, name: UnitName): boolean {
  const { assignments, statuses } = snapshot;
  return ![...whereaboutsOf(snapshot, name)]
    .some((machine) => assignments.get(machine)?.has(name) === true || statuses.get(machine)?.has(name) === true);
}

/** Units that others follow (MachineOf): another instance would leave their followers behind. */
export function followedUnits(snapshot: ClusterSnapshot, sections: SectionReader): ReadonlyMap<UnitName, UnitName> {
  const followed = new Map<UnitName, UnitName>();
  for (const [name, { hash }] of snapshot.units) {
    const section = sections(snapshot.files, name, hash);
    if (section.ok && !isTemplate(name)) for (const leader of section.value.machineOf) followed.set(leader, name);
  }
  return followed;
}

function slotsOf(snapshot: ClusterSnapshot, record: ReleaseRecord, member: Member): readonly Slot[] {
  const isStale = isOutdated(record, member.record.release);
  if (member.section?.global !== true) return isStale ? [{ member, machine: null }] : [];
  return machinesOf(snapshot, member.name)
    .filter((machine) => isOutdated(record, snapshot.assignments.get(machine)?.get(member.name)?.release ?? 0))
    .map((machine) => ({ member, machine }));
}

/** Machines that are there and have a unit. */
function machinesOf(snapshot: ClusterSnapshot, name: UnitName): readonly MachineId[] {
  return [...whereaboutsOf(snapshot, name)]
    .filter((machine) => snapshot.machines.has(machine) && snapshot.assignments.get(machine)?.has(name) === true).sort(compareText);
}

function slotKey(unit: UnitName, machine: MachineId | null): string {
  return `${unit} ${machine ?? ''}`;
}
