/** Promises about what the engine decides. */
import type { MachineId } from '../../src/core/machine.ts';
import type { UnitName } from '../../src/core/unit-name.ts';
import { isTemplate } from '../../src/core/unit-name.ts';
import { isForgotten } from '../../src/core/roster.ts';
import { keys } from '../../src/store/keys.ts';
import { decodeMachineRecord } from '../../src/store/records.ts';
import type { Chronicle, KeyChange, Moment } from '../chronicle.ts';
import type { SimProcess } from '../process.ts';
import type { Checker, Court } from '../witness.ts';

/** An assignment that a commit takes away. */
interface Loss {
  readonly name: UnitName;
  readonly machine: MachineId;
}

const lossesOf = (changes: readonly KeyChange[]): readonly Loss[] =>
  changes.flatMap(({ meaning, after }) =>
    meaning?.kind === 'assignment' && after.value === null ? [{ name: meaning.name, machine: meaning.machine }] : [],
  );

/** Whether a commit gives a unit to a machine. */
const isGiven = (changes: readonly KeyChange[], name: UnitName): boolean =>
  changes.some(({ meaning, after }) => meaning?.kind === 'assignment' && meaning.name === name && after.value !== null);

export const unitsStay: Checker = {
  name: 'units-stay',
  promise: 'a unit that may run anywhere keeps its machine while that is present, the unit wanted and no rebalance asked for (promise 6)',
  begin: ({ broken }) => ({
    moment(moment): void {
      for (const { name, machine } of lossesOf(moment.changes)) {
        const record = moment.before.units.get(name);
        if (record === undefined || record.desired === 'inactive' || isTemplate(name)) continue;
        const moves = isGiven(moment.changes, name);
        const away = !moment.before.machines.has(machine) || moment.before.overrides.get(machine)?.drain != null
          || moment.before.rebalance !== null;
        const isPlain = moment.before.files.get(record.hash)?.text.includes('[X-Fleet]') === false;
        if (isPlain && !away)
          broken(`${name} was taken from ${machine}, which is there, at revision ${String(moment.revision)}`);
        // What a forgotten machine had is not waited for.
        if (isPlain && !moves && !isForgotten(moment.before, machine))
          broken(
            `${name} was taken from ${machine} and given to no other machine at revision ${String(moment.revision)}`,
          );
      }
    },
  }),
};

/** What the clock of a machine may be off within a hold. */
const clockErrorMsMax = 1_000;

/** What one process has heard of the machines, and when. */
interface Sight {
  readonly present: ReadonlySet<MachineId>;
  /** Up to where it has heard. */
  readonly revision: number;
  readonly vanishedAtMs: Map<MachineId, number>;
  /** A mass loss that goes on: since when, from which revision on, who is missing, of how many. */
  mass: {
    readonly sinceMs: number;
    readonly revision: number;
    readonly of: number;
    readonly missing: Set<MachineId>;
  } | null;
}

export const massLossHolds: Checker = {
  name: 'mass-loss-holds',
  promise: 'when more than half of at least three machines vanish within one lease time, their units stay (promise 11)',
  begin(court) {
    const sights = new Map<SimProcess, Sight>();
    return {
      heard(process, part): void {
        if (part !== 'mirror') return;
        const sight = sights.get(process) ?? { present: new Set(), revision: 0, vanishedAtMs: new Map(), mass: null };
        sights.set(process, sight);
        look(court, sight, court.chronicle.heard(process, ''));
      },
      moment({ author, changes, before, revision }): void {
        const isHeld = (machine: MachineId): boolean =>
          before.hold?.missing.includes(machine) === true && !before.machines.has(machine);
        const held = lossesOf(changes).find(({ name, machine }) => isHeld(machine) && isGiven(changes, name));
        if (held !== undefined)
          court.broken(
            `${held.name} was taken from ${held.machine} at revision ${String(revision)}, which the hold names`,
          );
        const mass = author === null ? null : (sights.get(author.process)?.mass ?? null);
        if (author === null || mass === null || author.basis < mass.revision || !isMajority(mass.missing.size, mass.of))
          return;
        // A person who has a machine forgotten says that it is not to be waited for.
        const moved = lossesOf(changes).find(
          ({ name, machine }) => mass.missing.has(machine) && !isForgotten(before, machine) && isGiven(changes, name),
        );
        if (moved === undefined || author.sentAtMs - mass.sinceMs >= court.massLossHoldMs - clockErrorMsMax) return;
        court.broken(
          `${moved.name} was taken from ${moved.machine} at revision ${revision} while most machines were missing`,
        );
      },
    };
  },
};

/** More than half of at least three. */
const isMajority = (missing: number, of: number): boolean => of >= 3 && missing * 2 > of;

/** Whether a machine that is gone at a revision went on purpose: its last record said so. */
function hasLeft(chronicle: Chronicle, id: MachineId, revision: number): boolean {
  const last = chronicle
    .versions(keys.machine(id))
    .findLast((version) => version.value !== null && version.revision <= revision);
  const record = last?.value == null ? null : decodeMachineRecord(last.value);
  return record?.ok === true && record.value.left;
}

/** Takes over what a process has heard by now. */
function look({ chronicle, machines, ttlMs, nowMs }: Court, sight: Sight, revision: number): void {
  const ids = machines.map(({ id }) => id).filter((id) => chronicle.at(keys.machine(id), revision).value !== null);
  const present = new Set(ids);
  if (chronicle.between(keys.hold, sight.revision, revision).some(({ value }, at) => at > 0 && value === null)) {
    // The hold was ended; whoever is still missing counts as lost, and not as the beginning of the next mass loss.
    sight.vanishedAtMs.clear();
    sight.mass = null;
  }
  for (const id of sight.present)
    if (!present.has(id) && !hasLeft(chronicle, id, revision)) sight.vanishedAtMs.set(id, nowMs());
  Object.assign(sight, { present, revision });
  for (const [id, atMs] of sight.vanishedAtMs) {
    if (present.has(id) || (sight.mass === null && nowMs() - atMs > ttlMs)) sight.vanishedAtMs.delete(id);
  }
  for (const id of sight.mass?.missing ?? []) if (present.has(id)) sight.mass?.missing.delete(id);
  if (sight.mass?.missing.size === 0) sight.mass = null;
  const count = present.size + sight.vanishedAtMs.size;
  if (sight.mass !== null || !isMajority(sight.vanishedAtMs.size, count)) return;
  sight.mass = { sinceMs: nowMs(), revision, of: count, missing: new Set(sight.vanishedAtMs.keys()) };
}
