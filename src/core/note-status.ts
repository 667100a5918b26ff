/**
 * What a machine's report about a unit adds to the unit's history.
 * Promises: pure; compares levels, so that looking twice notes nothing twice and looking late notes what is still to be seen; a unit
 * that does the same again and again is noted now and then, not every time.
 */
import { addEvent } from './history.ts';
import type { HistoryEvent, UnitHistory } from './history.ts';
import { limits } from './limits.ts';
import type { MachineId } from './machine.ts';
import { hasSucceeded } from './schedule/finished.ts';
import type { Assignment, UnitStatus } from './unit.ts';
import { failureOf, phaseOf } from './unit-state.ts';

/** A unit on a machine that it is assigned to. */
export interface SeenUnit {
  readonly machine: MachineId;
  readonly assignment: Assignment;
  readonly status: UnitStatus;
  readonly isGlobal: boolean;
}

/** What to write, null for nothing; `againMs` says after how long to look again at what was put off, 0: nothing was. */
export interface Noted {
  readonly history: UnitHistory | null;
  readonly againMs: number;
}

/** What a unit does again is written this often at most. */
const repeatMs = 10_000;
/** A unit gets at most this many new events within a minute from what its machines report. */
const newEventsMax = 8;
const newEventsWindowMs = 60_000;

/** What machines report, in contrast to what the engine decides. */
const reportedWords: ReadonlySet<string> = new Set(['started', 'failed', 'restarted', 'stopped', 'succeeded', 'refused']);

const nothing: Noted = { history: null, againMs: 0 };

export function noteStatus(history: UnitHistory, seen: SeenUnit, nowMs: number): Noted {
  const event = eventOf(history.events, seen, nowMs);
  if (event === null) return nothing;
  const isSuccess = event.what === 'succeeded' && !seen.isGlobal;
  const last = history.events.at(-1);
  const isRepeat = last?.what === event.what && last.machine === event.machine;
  const near = (windowMs: number) => (other: HistoryEvent): boolean => Math.abs(nowMs - other.atMs) < windowMs;
  // A success is never put off: until it is known the unit might run again.
  if (!isSuccess) {
    if (isRepeat && near(repeatMs)(last)) return { history: null, againMs: repeatMs };
    if (history.events.filter(near(newEventsWindowMs)).length >= newEventsMax) return { history: null, againMs: newEventsWindowMs };
    if (isForgotten(history.events, event)) return nothing;
  }
  const { hash, restart } = seen.assignment;
  const succeeded = isSuccess ? { hash, restart, machine: seen.machine, atMs: event.atMs } : history.succeeded;
  const events = event.what === 'restarted' && isRepeat ? [...history.events.slice(0, -1), event] : addEvent(history.events, event);
  // That it runs again is another event, and maybe no status comes any more that would have somebody look.
  return { history: { ...history, events, succeeded }, againMs: event.what === 'stopped' ? 1 : 0 };
}

/** Something so old that a full history has forgotten it already. */
function isForgotten(events: readonly HistoryEvent[], { atMs }: HistoryEvent): boolean {
  return events.length === limits.historyEventsMax && events.every((event) => event.atMs > atMs);
}

/** What a status tells that the events do not; null when nothing. */
function eventOf(events: readonly HistoryEvent[], { machine, assignment, status }: SeenUnit, nowMs: number): HistoryEvent | null {
  const here = events.filter((event) => event.machine === machine && reportedWords.has(event.what));
  const last = here.at(-1);
  const atMs = status.sinceMs === 0 ? nowMs : status.sinceMs;
  const event = (what: string, why: string): HistoryEvent => ({ atMs, what, machine, why, count: 1 });
  const isKnown = (what: string, why: string): boolean => (status.sinceMs === 0
    ? last?.what === what && last.why === why
    : here.some((other) => other.what === what && other.atMs === atMs));
  if (status.problem !== '') {
    return last?.what === 'refused' && last.why === status.problem ? null : { ...event('refused', status.problem), atMs: nowMs };
  }
  if (status.fencedAtMs > 0 && !here.some((other) => other.what === 'stopped' && other.atMs === status.fencedAtMs)) {
    return { ...event('stopped', fencedWhy), atMs: status.fencedAtMs };
  }
  switch (phaseOf(status)) {
    case 'failed': {
      const why = `${failureOf(status)}${status.restarts === 0 ? '' : `, after ${countOf(status.restarts, 'restart')}`}`;
      return isKnown('failed', why) ? null : event('failed', why);
    }
    case 'done':
      if (!hasSucceeded(status, assignment) || assignment.finished || isKnown('succeeded', successWhy)) return null;
      return event('succeeded', successWhy);
    case 'restarting':
    case 'starting':
    case 'running':
      if (status.restarts > 0) return restartedEvent(last, event, status);
      return last !== undefined && brokenWords.has(last.what) ? event('started', 'it runs again') : null;
    case 'stopped':
    case 'stopping':
    case 'ended':
      return null;
  }
}

/** After these it is news that a unit runs. */
const brokenWords: ReadonlySet<string> = new Set(['failed', 'refused', 'stopped']);
const fencedWhy = 'its machine was cut off from the cluster for longer than its LostAfter=, and its fence stopped it';
const successWhy = 'it has run to its end with success';

/** systemd starts it again by its own Restart=: one event that counts. */
function restartedEvent(
  last: HistoryEvent | undefined, event: (what: string, why: string) => HistoryEvent, status: UnitStatus,
): HistoryEvent | null {
  if (last?.what === 'restarted' && last.count === status.restarts) return null;
  const isRepeat = last?.what === 'restarted' && last.count < status.restarts;
  const why = phaseOf(status) === 'restarting'
    ? `it ended with ${failureOf(status)}, and systemd starts it again (Restart=)`
    : isRepeat ? last.why : 'it ended, and systemd started it again (Restart=)';
  return { ...event('restarted', why), count: status.restarts };
}

function countOf(count: number, word: string): string {
  return count === 1 ? `1 ${word}` : `${String(count)} ${word}s`;
}
