/**
 * Which units have begun to run so lately that they may be about to end: nobody is told that they run before that is over.
 * Promises: a service is told to run only when its processes have begun their programs and come to wait for something, or when it has
 * run for a tenth of a second; so one that ends at once is never told to have started, also where processors and disks are scarce. Nothing
 * is held back for longer than five seconds.
 */
import type { ProcessActivity } from '../core/process-activity.ts';
import type { UnitName } from '../core/unit-name.ts';
import type { Clock } from '../lib/clock.ts';
import { createBell } from '../lib/wakeups.ts';
import type { Observation } from '../runner/runner.ts';

/** A service that has run for so long has started when it waits for something then, or has had a processor for half of that time. */
const youngMs = 100;
const ranMsMin = youngMs / 2;
/** A service that has neither ended nor had a processor for long enough by then is taken for started: it may wait for a disk all the time. */
const lateMs = 5_000;
/** What became of a process that is not to be seen is heard of by then; it may run where fleetd sees no processes. */
const unseenMs = 1_000;
const lateLookMs = 20;
/** A service whose processes have all slept for so long has started: one that is about to end has something to do. */
const quietMs = 10;
/** Looking at processes takes time from them: few units are looked at often, more of them seldom, and of many the time decides alone. */
const looks: readonly { readonly youngMax: number; readonly everyMs: number }[] = [
  { youngMax: 2, everyMs: 2 }, { youngMax: 8, everyMs: 5 }, { youngMax: 64, everyMs: 20 },
];

/** What the processes of a service do, from its main process on. */
export type Activity = (mainPid: number) => ProcessActivity;

export interface Settling {
  /** Takes all observations of the machine; answers with the units that are not to be told to run yet. */
  look(observations: ReadonlyMap<UnitName, Observation>): ReadonlySet<UnitName>;
  /** Looks again and again as long as there are young units, and tells when one has settled. */
  run(signal: AbortSignal): Promise<void>;
}

export interface SettlingNeeds {
  readonly clock: Clock;
  /** Without it time alone decides. */
  readonly activity?: Activity;
  readonly changed: () => void;
}

interface Young {
  readonly pid: number;
  /** Clock.uptimeMs() when it began to run. */
  readonly sinceMs: number;
  /** What its processes did when they were last seen asleep, and since when they did nothing else. */
  quiet: { readonly text: string; readonly sinceMs: number } | null;
}

export function createSettling({ clock, activity, changed }: SettlingNeeds): Settling {
  const young = new Map<UnitName, Young>();
  /** The main process that was found settled, by unit. */
  const settled = new Map<UnitName, number>();
  const bell = createBell();

  /** How often processes are looked at now; null: not at all. */
  const lookEveryMs = (): number | null =>
    (activity === undefined ? null : looks.find(({ youngMax }) => young.size <= youngMax)?.everyMs ?? null);
  /** Whether the unit has settled by now. */
  const isOver = (unit: Young): boolean => {
    const nowMs = clock.uptimeMs();
    const ageMs = nowMs - unit.sinceMs;
    if (activity === undefined || (ageMs < youngMs && lookEveryMs() === null)) return ageMs >= youngMs;
    const seen = activity(unit.pid);
    if (seen.state !== 'asleep') {
      unit.quiet = null;
      if (seen.state === 'gone') return ageMs >= unseenMs;
      return ageMs >= (seen.state === 'busy' && seen.ranMs >= ranMsMin ? youngMs : lateMs);
    }
    if (seen.text !== unit.quiet?.text) unit.quiet = { text: seen.text, sinceMs: nowMs };
    return ageMs >= youngMs || nowMs - unit.quiet.sinceMs >= quietMs;
  };
  const nextLookMs = (): number => {
    const everyMs = lookEveryMs();
    const nowMs = clock.uptimeMs();
    const overInMs = [...young.values()].map(({ sinceMs, quiet }) => {
      const inMs = (quiet === null || everyMs === null ? sinceMs + youngMs : quiet.sinceMs + quietMs) - nowMs;
      return inMs > 0 ? inMs : lateLookMs;
    });
    return Math.max(1, Math.min(everyMs ?? youngMs, ...overInMs));
  };
  /** Looks at the young; answers whether one has settled. */
  const lookAgain = (): boolean => {
    const over = [...young].filter(([, unit]) => isOver(unit));
    for (const [name, { pid }] of over) {
      young.delete(name);
      settled.set(name, pid);
    }
    return over.length > 0;
  };
  return {
    look(observations) {
      for (const names of [young, settled]) for (const name of names.keys()) if (!observations.has(name)) names.delete(name);
      for (const [name, { active, sub, mainPid, sinceMs }] of observations) {
        const runs = active === 'active' && sub === 'running' && mainPid > 0;
        if (!runs || young.get(name)?.pid !== mainPid) young.delete(name);
        if (!runs) settled.delete(name);
        if (!runs || settled.get(name) === mainPid || young.has(name)) continue;
        const ageMs = Math.max(0, clock.nowMs() - sinceMs);
        if (ageMs >= lateMs) settled.set(name, mainPid);
        else young.set(name, { pid: mainPid, sinceMs: clock.uptimeMs() - ageMs, quiet: null });
      }
      lookAgain();
      if (young.size > 0) bell.wake();
      return new Set(young.keys());
    },
    async run(signal) {
      for (;;) {
        await bell.wait(signal);
        while (young.size > 0) {
          await clock.sleep(nextLookMs(), signal);
          if (lookAgain()) changed();
        }
      }
    },
  };
}
