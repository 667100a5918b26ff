/**
 * What happened to units and machines, as data that is kept: bounded, and enough to say what became of a unit and why.
 * Promises: a history never grows past limits.historyEventsMax; what is repeated is counted instead of listed again; pure.
 */
import { limits } from './limits.ts';
import type { MachineId } from './machine.ts';
import type { FileHash } from './unit.ts';

/**
 * Words for what happens to a unit:
 * - `placed`, `moved`, `updated`, `removed`: the engine gave it a machine, another machine, another file or state, or took it off
 * - `started`: it runs again after a failure or its fence; `failed`: it failed; `restarted`: systemd started it again by its Restart=
 * - `stopped`: its fence has stopped it, because its machine was cut off
 * - `succeeded`: a oneshot has run to its end with success; `refused`: its machine could not do what was asked
 * - `waits`: it had to move so often that the next move waits
 */
const unitHappenings = [
  'placed', 'moved', 'updated', 'removed', 'started', 'failed', 'restarted', 'stopped', 'succeeded', 'refused', 'waits',
] as const;

/** Words for what happens to a machine. `left`: on purpose; `lost`: it was not heard of for its whole lease time. */
const machineHappenings = [
  'joined', 'left', 'lost', 'returned', 'rebooted', 'changed', 'cordoned', 'uncordoned', 'draining', 'undrained', 'forgotten',
] as const;

/** One thing that happened, or the same thing several times in a row. */
export interface HistoryEvent {
  /** When it happened, at last if several times. */
  readonly atMs: number;
  /** One of {@link unitHappenings} or {@link machineHappenings}; other words come from newer versions and are shown as they are. */
  readonly what: string;
  /** The machine it happened on, for a unit; '' when it was on none, and in the history of a machine. */
  readonly machine: MachineId | '';
  /** A sentence for people. */
  readonly why: string;
  /** How often in a row. */
  readonly count: number;
}

/** A oneshot that has done its work: it is not run again until it is asked for with another file or restart generation. */
export interface Success {
  readonly hash: FileHash;
  readonly restart: number;
  readonly machine: MachineId;
  readonly atMs: number;
}

/** Moves in a row that nobody asked for: what fleet's backoff counts. */
export interface Unrest {
  readonly moves: number;
  readonly lastAtMs: number;
}

/** Store key `unit-history/<name>`, written by the engine only. The placement that holds now stands in the assignment. */
export interface UnitHistory {
  /** Oldest first. */
  readonly events: readonly HistoryEvent[];
  readonly succeeded: Success | null;
  readonly unrest: Unrest | null;
}

/** Store key `machine-history/<id>`, written by the engine only. */
export interface MachineHistory {
  /** Oldest first. */
  readonly events: readonly HistoryEvent[];
  /** The boot it was last seen in: tells a reboot from a return. */
  readonly bootId: string;
}

export const emptyUnitHistory: UnitHistory = { events: [], succeeded: null, unrest: null };

/** Adds what happened; the same thing again is counted, and what is beyond the limit is forgotten, oldest first. */
export function addEvent(events: readonly HistoryEvent[], event: Omit<HistoryEvent, 'count'>): readonly HistoryEvent[] {
  const last = events.at(-1);
  if (last?.what === event.what && last.machine === event.machine && last.why === event.why) {
    return [...events.slice(0, -1), { ...event, count: last.count + 1 }];
  }
  return [...events, { ...event, count: 1 }].slice(-limits.historyEventsMax);
}
