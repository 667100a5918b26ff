/**
 * Follows systemd's signals about our units, and keeps a view of each.
 * Promises: when nothing changed a look costs no call; systemd is asked only for what no signal has told; without a connection
 * nothing is known, and with a new one everything is asked for again; memory is bounded by the number of our units, however
 * many signals come.
 */
import type { UnitName } from '../../core/unit-name.ts';
import { BusError } from './bus-connection.ts';
import { decodeBody } from './bus-frames.ts';
import type { BusFrame } from './bus-frames.ts';
import { createChangeFeed } from '../change-feed.ts';
import { inParallel } from '../in-parallel.ts';
import type { RunRecord } from './run-record.ts';
import { managerInterface, unitObjectPath } from './systemd-manager.ts';
import type { SystemdManager } from './systemd-manager.ts';
import {
  decodeSignals, forget, hearAnswers, hearProperties, hearRow, isStarting, lacksProperties, needsRow, unknownView, wantedProperties,
} from './unit-view.ts';
import type { UnitView } from './unit-view.ts';

export interface UnitWatchNeeds {
  readonly manager: SystemdManager;
  /** The record of a unit's last run; null when it leaves none. */
  readonly readRecord: (name: UnitName) => Promise<RunRecord | null>;
}

export interface UnitWatch {
  /** Follows exactly these units from now on. */
  follow(names: readonly UnitName[]): void;
  /** A unit's file may have changed: ask how systemd has loaded it. */
  suspect(name: UnitName): void;
  /** The runner is about to ask for a job of this kind. */
  expect(name: UnitName, asked: 'start' | 'stop'): void;
  /** A unit's failures are forgotten: how its last job ended says nothing any more. */
  forgive(name: UnitName): void;
  /** What the runner itself remembers of a unit changed. */
  tell(name: UnitName): void;
  /** Views of these units, brought up to date. Units that are not followed are left out. */
  look(names: readonly UnitName[], signal: AbortSignal): Promise<ReadonlyMap<UnitName, UnitView>>;
  /** As UnitRunner.changes. */
  changes(signal: AbortSignal): AsyncIterable<readonly UnitName[]>;
  /** Takes a signal from the connection. */
  onSignal(frame: BusFrame): void;
  /** The connection was lost, or is new: nothing is known. */
  onDoubt(): void;
}

export function createUnitWatch(needs: UnitWatchNeeds): UnitWatch {
  const views = new Map<UnitName, UnitView>();
  const namesByPath = new Map<string, UnitName>();
  const { tell, tellAll, changes } = createChangeFeed();
  const alter = (name: UnitName, change: Partial<UnitView>): void => void Object.assign(views.get(name) ?? {}, change);
  const onManagerSignal = (frame: BusFrame): void => {
    const heard = managerSignals[frame.member]?.(decodeBody(frame));
    const view = heard && views.get(heard.unit);
    if (heard === undefined || view === undefined) return;
    heard.take(view);
    tell(heard.unit);
  };
  const onReloading = (begins: unknown): void => {
    if (begins !== false) return;
    for (const view of views.values()) view.load = '';
    tellAll();
  };

  return {
    tell, changes,
    follow(names) {
      const wanted = new Set(names);
      for (const name of [...views.keys(), ...wanted]) {
        if (views.has(name) === wanted.has(name)) continue;
        if (wanted.has(name)) {
          views.set(name, unknownView());
          namesByPath.set(unitObjectPath(name), name);
        } else {
          views.delete(name);
          namesByPath.delete(unitObjectPath(name));
        }
        tell(name);
      }
    },
    suspect(name) {
      alter(name, { load: '' });
      tell(name);
    },
    expect: (name, asked) => alter(name, { asked, recordIsStale: true }),
    forgive: (name) => alter(name, { jobResult: '' }),
    async look(names, signal) {
      const known = new Map(names.flatMap((name) => {
        const view = views.get(name);
        return view === undefined ? [] : [[name, view] as const];
      }));
      await bringUpToDate(known, needs, signal);
      return known;
    },
    onSignal(frame) {
      if (frame.member === 'PropertiesChanged') {
        const name = namesByPath.get(frame.path);
        const view = name === undefined ? undefined : views.get(name);
        if (name === undefined || view === undefined) return;
        if (hearProperties(view, frame)) tell(name);
      } else if (frame.interface === managerInterface) {
        if (frame.member === 'Reloading') onReloading(decodeBody(frame)[0]);
        else onManagerSignal(frame);
      }
    },
    onDoubt() {
      for (const view of views.values()) forget(view);
      tellAll();
    },
  };
}

/** What a signal of the manager means for the view of the unit it names. */
type ManagerSignal = (body: readonly unknown[]) => { readonly unit: UnitName; readonly take: (view: UnitView) => void };
const managerSignals: Readonly<Record<string, ManagerSignal>> = {
  JobNew: ([, job, unit]) => ({
    unit: unit as UnitName,
    take(view) {
      view.jobs.add(job as string);
      view.jobResult = '';
    },
  }),
  JobRemoved: ([, job, unit, result]) => ({
    unit: unit as UnitName,
    take(view) {
      view.jobs.delete(job as string);
      view.jobResult = result === 'dependency' ? 'dependency' : '';
      view.recordIsStale = true;
    },
  }),
  UnitRemoved: ([unit]) => ({
    unit: unit as UnitName,
    take(view) {
      Object.assign(view, { active: 'inactive', sub: 'dead', recordIsStale: true, firstHalf: null });
      view.jobs.clear();
      view.properties.clear();
      view.undecoded.clear();
    },
  }),
};

/** Asks systemd for what the signals have not told. Throws RunnerUnavailable when it does not answer. */
async function bringUpToDate(
  views: ReadonlyMap<UnitName, UnitView>, needs: UnitWatchNeeds, signal: AbortSignal,
): Promise<void> {
  const decodeAll = (): void => {
    for (const view of views.values()) decodeSignals(view);
  };
  decodeAll();
  const rowless = [...views].filter(([, view]) => needsRow(view)).map(([name]) => name);
  for (const row of rowless.length === 0 ? [] : await needs.manager.listUnitsByNames(rowless, signal)) {
    const view = views.get(row.name);
    if (view !== undefined) hearRow(view, row);
  }
  decodeAll();
  await Promise.all([...views].filter(([name, view]) => lacksProperties(name, view)).map(async ([name, view]) => {
    const wanted = wantedProperties(name, view.active);
    try {
      hearAnswers(view, wanted, await needs.manager.unitProperties(name, wanted, signal));
    } catch (error) {
      // systemd may have dropped the unit meanwhile; the signal of that is on its way.
      if (!(error instanceof BusError)) throw error;
    }
  }));
  decodeAll();
  const stale = [...views].filter(([, view]) => view.recordIsStale && view.active === 'inactive' && !isStarting(view));
  await inParallel(stale, async ([name, view]) => {
    view.recordIsStale = false;
    view.record = await needs.readRecord(name);
  });
}
