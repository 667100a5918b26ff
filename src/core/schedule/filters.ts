/**
 * The rules of placement, one small function each: may this unit run on this machine?
 * Promises: a rule answers null or says why not; it decides nothing else and changes nothing.
 *
 * To add a rule: write a Filter, put it into one of the two tables, and look at the difference it makes with
 * UPDATE_GOLDEN=1 on schedule.test.ts.
 */
import { canFence } from '../fence/placement.ts';
import type { MetadataRequirement } from '../fleet-section.ts';
import type { Machine } from '../machine.ts';
import { compareText } from '../order.ts';
import { shortMachineId } from '../machine.ts';
import { expandSpecifiers } from '../specifiers.ts';
import type { UnitName } from '../unit-name.ts';
import { otherUnder, othersUnder } from './ledger.ts';
import type { Ledger, Place, PlannedUnit } from './ledger.ts';
import { refuseForPorts } from './port-words.ts';
import { lackingPorts, seekerOf } from './ports.ts';
import { homesOf } from './rows.ts';
import { hasCpus, hasMemory, staysBelowMax } from './room.ts';

/** Why a machine does not take a unit: what the unit asks for (alike on many machines), and what this machine has instead. */
export interface Refusal {
  readonly why: string;
  readonly detail: string;
}

/** What a rule may look at beside the unit and the machine. */
export interface FilterContext {
  readonly ledger: Ledger;
  /** Units that are placed in the same step and count as being there already. */
  readonly together: ReadonlySet<UnitName>;
  /** Units that replace one another in a circle have the same number. */
  readonly circles: ReadonlyMap<UnitName, number>;
}

/** One rule of placement. */
export type Filter = (unit: PlannedUnit, place: Place, context: FilterContext) => Refusal | null;

/** A refusal as one sentence. */
export function sayRefusal({ why, detail }: Refusal): string {
  return detail === '' ? why : `${why}; ${detail}`;
}

/** MachineID names the machine by its full id or, as in fleet 1.0, by the first eight characters. */
const hasMachineId: Filter = ({ section: { machineId } }, { machine }) =>
  machineId === null || machineId === machine.id || machineId === machine.id.slice(0, 8)
    ? null
    : { why: `needs machine ${shortMachineId(machineId)}`, detail: 'this is another machine' };

/** A unit taken over from another cluster runs already: it goes nowhere else. */
const runsThere: Filter = ({ adoptOn }, { machine }) =>
  adoptOn === null || adoptOn === machine.id
    ? null
    : { why: `waits for machine ${shortMachineId(adoptOn)}, where it ran when it was imported`, detail: 'this is another machine' };

/** X-ConditionMachineBootID. */
const hasBootId: Filter = ({ section: { machineBootId } }, { machine }) =>
  machineBootId === null || machineBootId === machine.bootId
    ? null
    : { why: `needs boot id ${shortMachineId(machineBootId)}`, detail: `the machine has ${shortMachineId(machine.bootId)}` };

/** OnMachineLost=stop: the machine has to say how long its lease lives, which an older fleet does not. */
const canStopWhenLost: Filter = ({ section: { onMachineLost } }, { machine }) =>
  onMachineLost === 'keep' || canFence(machine)
    ? null
    : { why: 'needs a machine that can stop it when it is lost', detail: `fleet ${machine.version} there cannot` };

/** MachineMetadata: every requirement must hold; a requirement holds when one of its alternatives does. */
const hasMetadata: Filter = (unit, { machine }) => {
  const lacking = unit.section.metadata.find((requirement) => !requirementHolds(requirement, unit.name, machine));
  if (lacking === undefined) return null;
  const { key, alternatives } = lacking;
  const value = metadataOf(machine, key);
  const asked = alternatives.map((alternative) => `${key}${alternative.operator}${alternative.value}`).join(' or ');
  return { why: `needs metadata ${asked}`, detail: `the machine has ${value === undefined ? `no ${key}` : `${key}=${value}`}` };
};

/** MachineOf: the machine of all its peers. */
const hasPeers: Filter = ({ name, section: { machineOf } }, { units }, { ledger, together }) => {
  if (machineOf.length === 0) return null;
  const missing = machineOf.find((peer) => peer !== name && !units.has(peer) && !together.has(peer));
  if (missing === undefined) return null;
  const [home] = [...homesOf(ledger.rows.get(missing))].sort(compareText);
  const detail = home === undefined ? `${missing} is on no machine` : `${missing} is on ${shortMachineId(home)}`;
  return { why: `needs the machine of ${missing}`, detail };
};

/** Conflicts of this unit with what is there. */
const conflictsWithNone: Filter = ({ name, conflictIds }, { matched }) => {
  if (conflictIds.length === 0) return null;
  const other = otherUnder(matched, conflictIds, name);
  return other === undefined ? null : { why: `conflicts with ${other}`, detail: `${other} is on the machine` };
};

/** Conflicts of what is there with this unit. */
const noneConflicts: Filter = ({ name }, { conflicting }, { ledger }) => {
  if (conflicting.size === 0) return null;
  const other = otherUnder(conflicting, ledger.patterns.matching(name), name);
  return other === undefined ? null : { why: `${other} conflicts with it`, detail: `${other} is on the machine` };
};

/** Replaces of what is there: a replaced unit does not come back to the machine of its successor. */
const noneReplaces: Filter = ({ name }, { replacing }, { ledger }) => {
  if (replacing.size === 0) return null;
  const other = otherUnder(replacing, ledger.patterns.matching(name), name);
  return other === undefined ? null : { why: `${other} replaces it`, detail: `${other} is on the machine` };
};

/** Units that replace one another in a circle: the first one stays (fleet 1.0 ignores such Replaces, too). */
const replacesInNoCircle: Filter = (unit, place, { circles }) => {
  const circle = circles.get(unit.name);
  if (circle === undefined) return null;
  const other = replaceableUnits(unit, place).find((name) => circles.get(name) === circle);
  return other === undefined ? null : { why: `replaces ${other} in a circle`, detail: `${other} is on the machine` };
};

/** Port: a free port of every range or pool the unit asks for. */
const hasPorts: Filter = (unit, { machine }, { ledger: { ports } }) => {
  const lacking = lackingPorts(ports, unit, machine.id);
  return lacking === null ? null : refuseForPorts(ports, seekerOf(ports, unit, machine.id), lacking);
};

/** Rules about a unit and a machine alone: what is on the machine does not matter. */
export const machineFilters: readonly Filter[] = [runsThere, hasMachineId, hasBootId, hasMetadata];

/** A cordon or a drain: a person wants no new units there. */
const isOpen: Filter = (_unit, { machine: { cordon, drain } }) => {
  const closed = drain ?? cordon;
  if (closed === null) return null;
  const by = closed.by === '' ? '' : ` by ${closed.by}`;
  return { why: 'takes no new units', detail: `${drain === null ? 'cordoned' : 'being drained'}${by}${closed.reason === '' ? '' : `: ${closed.reason}`}` };
};

/** A full or read-only disk, a manager that does not answer: it could not even be told what to run. */
const isAble: Filter = (_unit, { machine: { trouble } }) => (trouble === '' ? null : { why: 'can take no new units', detail: trouble });

/** Rules that keep units from coming; those that are there stay. */
export const arrivalFilters: readonly Filter[] = [isOpen, isAble, canStopWhenLost];

/** Rules about a unit and what is on the machine already. */
export const neighbourFilters: readonly Filter[] = [
  hasPeers, conflictsWithNone, noneConflicts, noneReplaces, replacesInNoCircle, hasPorts,
];

/** It runs there already: nothing is filled by counting it. */
const unlessAdopted = (filter: Filter): Filter => (unit, at, context) => (unit.adoptOn === null ? filter(unit, at, context) : null);

/** Rules about what is left on the machine: they keep units from coming, and those that are there stay. */
export const roomFilters: readonly Filter[] = [hasMemory, hasCpus, staysBelowMax].map(unlessAdopted);

/** The first rule that refuses, of one table; null when all agree. */
export function firstRefusal(
  filters: readonly Filter[], unit: PlannedUnit, at: { readonly place: Place; readonly context: FilterContext },
): Refusal | null {
  for (const filter of filters) {
    const refusal = filter(unit, at.place, at.context);
    if (refusal !== null) return refusal;
  }
  return null;
}

/** Units on a machine that Replaces of `unit` match, sorted. */
export function replaceableUnits({ name, replaceIds }: PlannedUnit, { matched }: Place): readonly UnitName[] {
  return replaceIds.length === 0 ? [] : othersUnder(matched, replaceIds, name);
}

export function requirementHolds({ key, alternatives }: MetadataRequirement, name: UnitName, machine: Machine): boolean {
  const has = metadataOf(machine, key);
  return alternatives.some(({ operator, value }) => comparisonHolds(has, operator, forMachine(value, name, machine)));
}

/** The keys come from people: "constructor" is one like any other. */
function metadataOf(machine: Machine, key: string): string | undefined {
  return Object.hasOwn(machine.metadata, key) ? machine.metadata[key] : undefined;
}

/** A value may speak of the machine it is compared with: %H, %m and %b. */
function forMachine(value: string, name: UnitName, machine: Machine): string {
  if (!value.includes('%')) return value;
  const expanded = expandSpecifiers(value, { name, machine });
  return expanded.ok ? expanded.value : value;
}

type Operator = MetadataRequirement['alternatives'][number]['operator'];

/** `=` and `!=` compare text, the others numbers; a machine without the key, or without a number, satisfies only `!=`. */
function comparisonHolds(has: string | undefined, operator: Operator, wanted: string): boolean {
  if (operator === '=') return has === wanted;
  if (operator === '!=') return has !== wanted;
  const left = numberOf(has);
  const right = numberOf(wanted);
  if (left === null || right === null) return false;
  switch (operator) {
    case '<': return left < right;
    case '<=': return left <= right;
    case '>': return left > right;
    case '>=': return left >= right;
  }
}

function numberOf(text: string | undefined): number | null {
  if (text === undefined || text.trim() === '') return null;
  const value = Number(text);
  return Number.isFinite(value) ? value : null;
}
