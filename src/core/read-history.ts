/**
 * The histories of a cluster as people ask for them: of one unit, of one machine, or of everything.
 * Promises: pure; oldest first; the placements that hold now are among the events, though they are not written down yet.
 */
import type { ClusterSnapshot } from './cluster.ts';
import { failure, success } from './failure.ts';
import type { Result } from './failure.ts';
import type { HistoryEvent } from './history.ts';
import type { MachineId } from './machine.ts';
import { eventsOfUnit, placementOf } from './schedule/decision-history.ts';
import type { UnitName } from './unit-name.ts';
import { unitNameFromArgument } from './unit-name.ts';

/** Whose history is asked for; null: everybody's. */
export type HistorySubject = { readonly unit: UnitName } | { readonly machine: MachineId } | null;

/** An event with the unit it is about; null when it is about its machine. */
export interface ToldEvent extends HistoryEvent {
  readonly unit: UnitName | null;
}

/** Machines by what they are called: their hostname or address, those that are gone by what they were called last. */
function calledSo({ machines, roster }: ClusterSnapshot, word: string): readonly MachineId[] {
  const known = new Map<MachineId, { readonly hostname: string; readonly publicIp: string }>([...roster, ...machines]);
  return [...known].filter(([, { hostname, publicIp }]) => hostname === word || publicIp === word).map(([id]) => id);
}

/** Whom a word means: a machine by its id, a unit, or else a machine by its hostname, its address or the beginning of its id. */
export function findSubject(snapshot: ClusterSnapshot, word: string): Result<HistorySubject> {
  const machines = [...new Set([...snapshot.machineHistories.keys(), ...snapshot.machines.keys()])];
  const exact = machines.find((id) => id === word);
  if (exact !== undefined) return success({ machine: exact });
  const name = unitNameFromArgument(word);
  if (name.ok && (snapshot.units.has(name.value) || snapshot.unitHistories.has(name.value))) return success({ unit: name.value });
  if (word === '') return failure('UNIT_NOT_FOUND', 'no unit or machine is named');
  const called = calledSo(snapshot, word);
  const found = called.length > 0 ? called : machines.filter((id) => id.startsWith(word.replace(/\.\.\.$/, '')));
  const [only, ...others] = found;
  if (only !== undefined && others.length === 0) return success({ machine: only });
  if (only !== undefined) return failure('MACHINE_NOT_FOUND', `"${word}" can mean ${String(found.length)} machines; write more of an id`);
  return failure('UNIT_NOT_FOUND', `nothing is remembered of a unit or machine "${word}"`);
}

/** All that is remembered of somebody: of a machine also what happened on it to units. */
export function readHistory(snapshot: ClusterSnapshot, subject: HistorySubject): readonly ToldEvent[] {
  const ofUnit = (unit: UnitName): ToldEvent[] => eventsOfUnit(snapshot, unit).map((event) => ({ ...event, unit }));
  if (subject !== null && 'unit' in subject) return ofUnit(subject.unit);
  const events: ToldEvent[] = [];
  for (const [machine, history] of snapshot.machineHistories) {
    for (const event of history.events) events.push({ ...event, machine, unit: null });
  }
  for (const [unit, history] of snapshot.unitHistories) for (const event of history.events) events.push({ ...event, unit });
  for (const [machine, assigned] of snapshot.assignments) {
    for (const unit of assigned.keys()) {
      const event = placementOf(snapshot, unit, machine);
      if (event !== null) events.push({ ...event, unit });
    }
  }
  const wanted = subject === null ? events : events.filter(({ machine }) => machine === subject.machine);
  return wanted.sort((left, right) => left.atMs - right.atMs);
}
