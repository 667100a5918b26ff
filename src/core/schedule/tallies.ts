/**
 * Tallies: how many instances of a template stand on each machine, and on machines that are alike in some metadata. Kept only for
 * templates whose units ask for it (MaxPerMachine, SpreadBy).
 * Promises: counting up and down are exact inverses; machines are found by the tally of their group without looking at each of them.
 */
import type { FleetSection } from '../fleet-section.ts';
import type { Machine } from '../machine.ts';
import { templateOf } from '../unit-name.ts';
import type { UnitName } from '../unit-name.ts';
import { emptyBits, setBit } from './machine-bits.ts';
import type { MachineBits } from './machine-bits.ts';

/** A machine by its place in the order of ids. */
interface Place {
  readonly machine: Machine;
  readonly index: number;
  readonly units: ReadonlyMap<UnitName, unknown>;
}

/** Machines that are alike in one key of metadata: a value's machines have its number; those without the key have -1. */
interface Grouping {
  readonly values: readonly string[];
  readonly valueOf: Int32Array;
  readonly members: readonly MachineBits[];
  readonly without: MachineBits;
}

/** The groups of one key with the tally of each; levels are groups of the same tally, ascending. */
interface Spread {
  readonly grouping: Grouping;
  readonly counts: number[];
  readonly levels: SpreadLevel[];
}

interface SpreadLevel {
  readonly count: number;
  readonly bits: MachineBits;
  groups: number;
}

/** The tally of one template. */
export interface Tally {
  readonly template: UnitName;
  /** Instances by the machine's index; machines with none are absent. */
  readonly on: Map<number, number>;
  readonly spreads: Map<string, Spread>;
}

export interface Tallies {
  readonly list: readonly Place[];
  readonly byTemplate: Map<UnitName, Tally>;
  readonly groupings: Map<string, Grouping>;
}

export function createTallies(list: readonly Place[]): Tallies {
  return { list, byTemplate: new Map(), groupings: new Map() };
}

/** The tally a unit needs, made of who stands there if there is none yet; null for a unit that asks for none. */
export function tallyFor(tallies: Tallies, name: UnitName, section: FleetSection): Tally | null {
  const { maxPerMachine, spreadBy } = section.placing;
  if (maxPerMachine === null && spreadBy === null) return null;
  const template = templateOf(name);
  if (template === null) return null;
  let tally = tallies.byTemplate.get(template);
  if (tally === undefined) {
    tallies.byTemplate.set(template, tally = { template, on: new Map(), spreads: new Map() });
    for (const { index, units } of tallies.list) {
      for (const other of units.keys()) if (templateOf(other) === template) countOn(tally, index, 1);
    }
  }
  if (spreadBy !== null && !tally.spreads.has(spreadBy)) tally.spreads.set(spreadBy, createSpread(tallies, tally, spreadBy));
  return tally;
}

/** A unit came to a machine (1), or left it (-1). */
export function count({ byTemplate }: Tallies, { unit, at }: { readonly unit: UnitName; readonly at: Place }, by: 1 | -1): void {
  if (byTemplate.size === 0) return;
  const template = templateOf(unit);
  const tally = template === null ? undefined : byTemplate.get(template);
  if (tally !== undefined) countOn(tally, at.index, by);
}

/** Instances on the machines that share a machine's value of a key, and that value; null for a machine without the key. */
export function gatheredAt({ spreads }: Tally, key: string, { index }: Place): { readonly value: string; readonly count: number } | null {
  const spread = spreads.get(key);
  const number = spread?.grouping.valueOf[index] ?? -1;
  const value = spread?.grouping.values[number];
  return value === undefined ? null : { value, count: spread?.counts[number] ?? 0 };
}

/** All machines in the order of their group's tally, those without the key last. */
export function* byTally({ spreads }: Tally, key: string): Generator<MachineBits> {
  const spread = spreads.get(key);
  if (spread === undefined) return;
  for (const { bits } of spread.levels) yield bits;
  yield spread.grouping.without;
}

function createSpread(tallies: Tallies, tally: Tally, key: string): Spread {
  let grouping = tallies.groupings.get(key);
  if (grouping === undefined) tallies.groupings.set(key, grouping = groupBy(tallies.list, key));
  const counts = grouping.values.map(() => 0);
  for (const [index, there] of tally.on) {
    const number = grouping.valueOf[index] ?? -1;
    if (number >= 0) counts[number] = (counts[number] ?? 0) + there;
  }
  const spread: Spread = { grouping, counts, levels: [] };
  for (const [number, there] of counts.entries()) enterLevel(spread, number, there);
  return spread;
}

function groupBy(list: readonly Place[], key: string): Grouping {
  const numbers = new Map<string, number>();
  const members: MachineBits[] = [];
  const without = emptyBits(list.length);
  const valueOf = new Int32Array(list.length).fill(-1);
  for (const { machine: { metadata }, index } of list) {
    const value = Object.hasOwn(metadata, key) ? metadata[key] : undefined;
    if (value === undefined) {
      setBit(without, index);
      continue;
    }
    let number = numbers.get(value);
    if (number === undefined) {
      numbers.set(value, number = members.length);
      members.push(emptyBits(list.length));
    }
    valueOf[index] = number;
    setBit(members[number] ?? without, index);
  }
  return { values: [...numbers.keys()], valueOf, members, without };
}

function countOn({ on, spreads }: Tally, index: number, by: number): void {
  const there = (on.get(index) ?? 0) + by;
  if (there === 0) on.delete(index);
  else on.set(index, there);
  for (const spread of spreads.values()) {
    const number = spread.grouping.valueOf[index] ?? -1;
    if (number < 0) continue;
    const before = spread.counts[number] ?? 0;
    leaveLevel(spread, number, before);
    spread.counts[number] = before + by;
    enterLevel(spread, number, before + by);
  }
}

function enterLevel({ levels, grouping }: Spread, number: number, there: number): void {
  let position = levels.length;
  while (position > 0 && (levels[position - 1]?.count ?? -1) >= there) position -= 1;
  let level = levels[position];
  if (level?.count !== there) levels.splice(position, 0, level = { count: there, bits: emptyBits(grouping.valueOf.length), groups: 0 });
  level.groups += 1;
  const members = grouping.members[number] ?? grouping.without;
  for (let word = 0; word < members.length; word += 1) level.bits[word] = (level.bits[word] ?? 0) | (members[word] ?? 0);
}

function leaveLevel({ levels, grouping }: Spread, number: number, there: number): void {
  const position = levels.findIndex(({ count: of }) => of === there);
  const level = levels[position];
  if (level === undefined) return;
  level.groups -= 1;
  if (level.groups === 0) levels.splice(position, 1);
  const members = grouping.members[number] ?? grouping.without;
  for (let word = 0; word < members.length; word += 1) level.bits[word] = (level.bits[word] ?? 0) & ~(members[word] ?? 0);
}
