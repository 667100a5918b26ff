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

/** Whom a word means: a machine by its id or the beginning of one, else a unit. */
export function findSubject(snapshot: ClusterSnapshot, word: string): Result<HistorySubject> {
  const machines = [...new Set([...snapshot.machineHistories.keys(), ...snapshot.machines.keys()])];
  const exact = machines.find((id) => id === word);
  if (exact !== undefined) return success({ machine: exact });
  const name = unitNameFromArgument(word);
  if (name.ok && (snapshot.units.has(name.value) || snapshot.unitHistories.has(name.value))) return success({ unit: name.value });
  const begun = machines.filter((id) => word !== '' && id.startsWith(word.replace(/\.\.\.$/, '')));
  const [only, ...others] = begun;
  if (only !== undefined && others.length === 0) return success({ machine: only });
  if (only !== undefined) return failure('MACHINE_NOT_FOUND', `"${word}" begins the ids of ${String(begun.length)} machines; write more of it`);
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
