/**
 * What the roster, a machine's presence and what people ordered about it add to the machine's history.
 * Promises: pure; compares levels, so that looking twice notes nothing twice.
 */
import { addEvent } from './history.ts';
import type { HistoryEvent, MachineHistory } from './history.ts';
import type { Cordon, Drain, Machine, RosterEntry } from './machine.ts';

/** A machine as the store has it now. */
export interface SeenMachine {
  /** undefined while it is not there. */
  readonly machine: Machine | undefined;
  readonly entry: RosterEntry | undefined;
  readonly cordon: Cordon | null;
  readonly drain: Drain | null;
}

const presenceWords: ReadonlySet<string> = new Set(['joined', 'returned', 'rebooted']);
const absenceWords: ReadonlySet<string> = new Set(['left', 'lost']);

/** The history with what is new; null when nothing is. */
export function noteMachine(history: MachineHistory | undefined, seen: SeenMachine, nowMs: number): MachineHistory | null {
  let events = history?.events ?? [];
  const found = [
    presenceEvent(history, seen, nowMs), orderEvent(events, { ...cordoning, order: seen.cordon }, nowMs),
    orderEvent(events, { ...draining, order: seen.drain }, nowMs),
  ];
  for (const event of found) {
    if (event !== null) events = addEvent(events, event);
  }
  const bootId = seen.machine?.bootId ?? history?.bootId ?? '';
  const isSame = events.length === 0 || (events === history?.events && bootId === history.bootId);
  return isSame ? null : { events, bootId };
}

type MachineEvent = Omit<HistoryEvent, 'count'>;

const eventAt = (atMs: number, what: string, why: string): MachineEvent => ({ atMs, what, machine: '', why });

function presenceEvent(history: MachineHistory | undefined, { machine, entry }: SeenMachine, nowMs: number): MachineEvent | null {
  const last = history?.events.findLast(({ what }) => presenceWords.has(what) || absenceWords.has(what))?.what;
  if (machine !== undefined) {
    const who = [machine.hostname, machine.publicIp].filter((word) => word !== '').join(', ');
    const isRebooted = history !== undefined && history.bootId !== '' && history.bootId !== machine.bootId;
    if (last === undefined) return eventAt(nowMs, 'joined', `${who}, fleet ${machine.version}`);
    if (absenceWords.has(last)) {
      if (isRebooted) return eventAt(nowMs, 'rebooted', 'it is back after a reboot');
      return eventAt(nowMs, 'returned', 'it is back, in the same boot');
    }
    return isRebooted ? eventAt(nowMs, 'rebooted', 'it came back before anybody had missed it') : null;
  }
  const goneSinceMs = entry === undefined ? nowMs : entry.goneSinceMs;
  if (goneSinceMs === null || last === undefined || absenceWords.has(last)) return null;
  return entry?.left === true
    ? eventAt(goneSinceMs, 'left', 'its units were stopped and it left on purpose')
    : eventAt(goneSinceMs, 'lost', 'it was not heard of for its whole lease time');
}

interface Order {
  readonly order: Cordon | null;
  /** Words of events, and what they mean for the machine. */
  readonly begun: string;
  readonly ended: string;
  readonly begins: string;
  readonly ends: string;
}

const cordoning: Omit<Order, 'order'> = {
  begun: 'cordoned', ended: 'uncordoned', begins: 'it takes no new units', ends: 'it takes new units again',
};
const draining: Omit<Order, 'order'> = {
  begun: 'draining', ended: 'undrained', begins: 'its units are to leave', ends: 'its units may stay',
};

/** What a person ordered, told from the last such event: the same order again is another one when its time is. */
function orderEvent(events: readonly HistoryEvent[], wanted: Order, nowMs: number): MachineEvent | null {
  const { order, begun, ended, begins, ends } = wanted;
  const last = events.findLast(({ what }) => what === begun || what === ended);
  if (order === null) return last?.what === begun ? eventAt(nowMs, ended, ends) : null;
  if (last?.what === begun && last.atMs === order.sinceMs) return null;
  const by = order.by === '' ? '' : ` by ${order.by}`;
  return eventAt(order.sinceMs, begun, `${begins}, ordered${by}${order.reason === '' ? '' : `: ${order.reason}`}`);
}
