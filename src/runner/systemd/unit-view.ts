/**
 * What systemd says about one unit, as data: rows, properties and signals in, an observation out.
 * Promises: pure; a signal is decoded only when somebody looks, and only the newest one of each interface, because each
 * carries all properties that change; the two signals of one change are taken together, so that no state is seen with the process of
 * another; an inactive unit is observed the same whether systemd has forgotten it or not.
 */
import type { UnitName } from '../../core/unit-name.ts';
import type { Observation } from '../runner.ts';
import { firstString } from './bus-frames.ts';
import type { BusFrame } from './bus-frames.ts';
import { readChanged } from './bus-properties.ts';
import type { RunRecord } from './run-record.ts';
import { typeInterface, unitInterface } from './systemd-manager.ts';
import type { ListedUnit, PropertyValue, UnitProperty } from './systemd-manager.ts';
import type { UnitMemory } from './unit-memory.ts';

/** A unit as last heard of. */
export interface UnitView {
  /** systemd's LoadState; '' when it has to be asked for. */
  load: string;
  active: string;
  sub: string;
  /** Object paths of its jobs that wait or run. */
  readonly jobs: Set<string>;
  /** What the last job known of is for. */
  asked: 'start' | 'stop';
  /** Why the last start job ended without a run ("dependency"); '' when there is nothing to say. */
  jobResult: string;
  /** The properties of {@link wantedProperties}, by name; empty when they have to be asked for. */
  readonly properties: Map<string, PropertyValue>;
  /** The newest signal of each interface that has not been decoded yet. */
  readonly undecoded: Map<string, BusFrame>;
  /** The interface of its type and the signal of it whose counterpart of the Unit interface has not come yet. */
  firstHalf: readonly [of: string, frame: BusFrame] | null;
  /** What the last run to the end left behind; only oneshots leave something. */
  record: RunRecord | null;
  /** Something was heard of it since the record was read. */
  recordIsStale: boolean;
}

export function unknownView(): UnitView {
  return {
    load: '', active: 'inactive', sub: 'dead', jobs: new Set(), asked: 'stop', jobResult: '', properties: new Map(),
    undecoded: new Map(), firstHalf: null, record: null, recordIsStale: true,
  };
}

/** systemctl(1) shows these as the moment since when a unit is what it is. */
const sinceProperty: Readonly<Record<string, string>> = {
  active: 'ActiveEnterTimestamp', reloading: 'ActiveEnterTimestamp', activating: 'InactiveExitTimestamp',
  deactivating: 'ActiveExitTimestamp', failed: 'InactiveEnterTimestamp', inactive: 'InactiveEnterTimestamp',
};
const serviceProperties = ['MainPID', 'NRestarts', 'Result', 'ExecMainCode', 'ExecMainStatus'];
const typesWithResult = ['socket', 'timer', 'path', 'mount', 'automount', 'swap', 'scope'];
const kept: ReadonlySet<string> = new Set(
  ['ActiveState', 'SubState', ...serviceProperties, ...Object.values(sinceProperty)]);

/** By type and state: every unit of a machine is looked at again and again. */
const wantedByTypeAndState = new Map<string, readonly UnitProperty[]>();

/** What to ask systemd about a unit in state `active` that no signal has told of. */
export function wantedProperties(name: UnitName, active: string): readonly UnitProperty[] {
  const key = `${name.slice(name.lastIndexOf('.') + 1)} ${active}`;
  let found = wantedByTypeAndState.get(key);
  if (found === undefined) wantedByTypeAndState.set(key, found = makeWanted(name, active));
  return found;
}

function makeWanted(name: UnitName, active: string): readonly UnitProperty[] {
  const type = name.slice(name.lastIndexOf('.') + 1);
  const own = type === 'service' ? serviceProperties : typesWithResult.includes(type) ? ['Result'] : [];
  return [
    { interface: unitInterface, property: sinceProperty[active] ?? 'StateChangeTimestamp' },
    ...own.map((property) => ({ interface: typeInterface(name), property })),
  ];
}

/** Whether a start waits or runs. */
export function isStarting(view: UnitView): boolean {
  return view.asked === 'start' && view.jobs.size > 0;
}

/** Whether a unit neither runs nor is about to: it may be unloaded. */
export function isDown(view: UnitView): boolean {
  return !isStarting(view) && (view.active === 'inactive' || view.active === 'failed');
}

/** Forgets everything heard of the unit. */
export function forget(view: UnitView): void {
  Object.assign(view, unknownView());
}

/**
 * Takes a PropertiesChanged signal of the unit; answers whether a change has come to its end with it. systemd sends one for the interface of
 * the unit's type, then one for Unit, and says that clients may rely on that order to take both as one (send_changed_signal() in its
 * dbus-unit.c).
 */
export function hearProperties(view: UnitView, frame: BusFrame): boolean {
  const of = firstString(frame);
  if (of !== unitInterface) {
    view.firstHalf = [of, frame];
    return false;
  }
  if (view.firstHalf !== null) view.undecoded.set(...view.firstHalf);
  view.firstHalf = null;
  view.undecoded.set(of, frame);
  view.recordIsStale = true;
  return true;
}

/** Takes a row of ListUnitsByNames; what signals have told since it was asked for is newer. */
export function hearRow(view: UnitView, row: ListedUnit): void {
  view.load = row.load;
  if (view.undecoded.has(unitInterface)) return;
  if (row.active !== view.active || row.sub !== view.sub) view.properties.clear();
  view.active = row.active;
  view.sub = row.sub;
  view.jobs.clear();
  if (row.jobType !== '') view.jobs.add(row.jobPath);
  view.asked = row.jobType === 'start' || row.jobType === 'restart' ? 'start' : 'stop';
  view.recordIsStale = true;
}

/** Brings the view up to the newest signals. */
export function decodeSignals(view: UnitView): void {
  if (view.undecoded.size === 0) return;
  for (const frame of view.undecoded.values()) {
    for (const [key, value] of readChanged(frame, kept)) view.properties.set(key, value);
  }
  view.undecoded.clear();
  const active = view.properties.get('ActiveState');
  const sub = view.properties.get('SubState');
  if (active !== undefined) view.active = String(active);
  if (sub !== undefined) view.sub = String(sub);
  view.properties.delete('ActiveState');
  view.properties.delete('SubState');
  // Only a unit with a file gets out of inactive.
  if (view.load === '' && view.active !== 'inactive') view.load = 'loaded';
}

/** Whether systemd must be asked before the view can be shown. */
export function needsRow(view: UnitView): boolean {
  return view.load === '';
}

export function lacksProperties(name: UnitName, view: UnitView): boolean {
  if (view.active === 'inactive') return false;
  return wantedProperties(name, view.active).some(({ property }) => !view.properties.has(property));
}

/** Takes answers about `asked`; what signals have told since they were asked for is newer. */
export function hearAnswers(view: UnitView, asked: readonly UnitProperty[], answers: readonly PropertyValue[]): void {
  for (const [index, { interface: of, property }] of asked.entries()) {
    const answer = answers[index];
    if (answer !== undefined && !view.undecoded.has(of)) view.properties.set(property, answer);
  }
}

/** waitid(2): CLD_EXITED, the process ended by itself and left a status. */
const CLD_EXITED = 1;

/** Whether systemd does not find the unit's file any more. */
export function isUnlinked(view: UnitView): boolean {
  return view.load === 'not-found';
}

export function observationOf(name: UnitName, memory: UnitMemory, view: UnitView): Observation {
  const starting = isStarting(view);
  const ranToItsEnd = view.active === 'inactive'
    ? !starting && view.record?.succeeded === true
    : view.active === 'active' && view.sub === 'exited';
  const succeeded = memory.oneshot && ranToItsEnd;
  const known = {
    // A unit whose link somebody removed is loaded again when nothing says it is loaded.
    name, hash: memory.hash, renderedHash: isUnlinked(view) ? '' : memory.renderedHash, restart: memory.restart, reset: memory.reset,
    load: view.load, sub: view.sub, succeeded,
    needsReload: memory.needsReload,
  };
  if (view.active === 'inactive') {
    // systemd shows a unit whose start waits for others as inactive; nobody must take that for an end.
    // systemd forgets inactive units when it likes to: what it may still know is left out, the run's record is not.
    return {
      ...known, active: starting ? 'activating' : 'inactive', result: view.jobResult === '' ? 'success' : view.jobResult,
      sinceMs: succeeded ? view.record?.endedAtMs ?? 0 : 0, exitStatus: succeeded ? 0 : null, restarts: 0, mainPid: 0,
    };
  }
  const number = (property: string): number => Number(view.properties.get(property) ?? 0);
  return {
    ...known, active: view.active, result: String(view.properties.get('Result') ?? 'success'),
    sinceMs: Math.floor(number(sinceProperty[view.active] ?? 'StateChangeTimestamp') / 1_000),
    exitStatus: number('ExecMainCode') === CLD_EXITED ? number('ExecMainStatus') : null,
    restarts: number('NRestarts'), mainPid: number('MainPID'),
  };
}
