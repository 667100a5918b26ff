/**
 * What the agent knows of the units that run here, from the moment they were started: how they are checked, how long they drain,
 * since when they do. Kept on disk, so that a fleetd that is started anew goes on where the one before it was.
 * Promises: what is known of a run ends with the run; what is missing, damaged or from before a reboot is nothing known; a disk
 * that cannot be written to keeps nobody from working.
 */
import { isServing } from '../core/reconcile/drain.ts';
import type { Drain } from '../core/reconcile/drain.ts';
import { remembered } from '../core/reconcile/remembered.ts';
import { renderUnit } from '../core/reconcile/render.ts';
import type { HealthState } from '../core/health.ts';
import { careOf, needsCare } from '../core/unit-care.ts';
import type { UnitCare } from '../core/unit-care.ts';
import { parseUnitFile } from '../core/unit-file.ts';
import { outdated } from '../core/unit.ts';
import type { Assignment, FileHash } from '../core/unit.ts';
import type { UnitName } from '../core/unit-name.ts';
import type { Log } from '../lib/log.ts';
import type { Observation } from '../runner/runner.ts';
import type { AgentMemory } from './memory.ts';

/** One run of a unit that fleet looks after. */
export interface Attended {
  /** Of the rendering it was started with. */
  readonly renderedHash: string;
  readonly care: UnitCare;
  /** When it was started, ms since the epoch: tells one run of a unit from the next. */
  readonly run: number;
  /** On the clock that runs from the boot of the machine on. */
  readonly drainsSinceMs: number | null;
  /** Whether it was stopped or restarted after that. */
  readonly stopped: boolean;
  /** What its checks have said; null before the first. */
  readonly health: HealthState | null;
}

/** What is seen of the machine, and the unit files that are at hand. */
export interface Seen {
  readonly observations: ReadonlyMap<UnitName, Observation>;
  readonly texts: ReadonlyMap<FileHash, string>;
  readonly assignments: ReadonlyMap<UnitName, Assignment>;
}

export interface CareBook {
  /** Reads what an earlier process wrote. */
  recall(): Promise<void>;
  /** Takes over what has changed: units that run now, that run anew, that have ended. */
  learn(seen: Seen): void;
  /** The units that run and are looked after. */
  attended(): ReadonlyMap<UnitName, Attended>;
  /** The same for the plan; nothing drains for longer than `longestMs`. */
  drains(longestMs: number): ReadonlyMap<UnitName, Drain>;
  /** Notes something about the run of a unit; does nothing when that is not known any more. */
  note(name: UnitName, what: Partial<Pick<Attended, 'drainsSinceMs' | 'stopped' | 'health'>>): void;
  /** Writes what has changed since the last time. */
  save(): Promise<void>;
}

const fileName = 'attended.json';
/** Of the file's form: another version's is not read. */
const fileVersion = 1;

export function createCareBook(needs: { readonly memory: AgentMemory; readonly bootId: string; readonly log: Log }): CareBook {
  const attended = new Map<UnitName, Attended>();
  let written = '';
  const print = (): string => JSON.stringify({ version: fileVersion, bootId: needs.bootId, units: Object.fromEntries(attended) });
  const put = (name: UnitName, change: Partial<Attended>): void => {
    const before = attended.get(name);
    if (before !== undefined) attended.set(name, { ...before, ...change });
  };
  return {
    async recall(): Promise<void> {
      try {
        written = await needs.memory.read(fileName) ?? '';
        for (const [name, entry] of readUnits(written, needs.bootId)) attended.set(name, entry);
      } catch (error) {
        needs.log.warning(`cannot read what is known of the units of this machine, looking at them anew: ${messageOf(error)}`);
      }
    },
    learn(seen): void {
      const { observations } = seen;
      for (const name of attended.keys()) if (!observations.has(name)) attended.delete(name);
      for (const [name, observation] of observations) {
        const before = attended.get(name);
        const now = attendedNow(before, observation, seen);
        if (now === null) attended.delete(name);
        else if (now !== before) attended.set(name, now);
      }
    },
    attended: () => attended,
    drains: (longestMs) => new Map([...attended].filter(([, { care }]) => care.drainMs > 0)
      .map(([name, { care, drainsSinceMs: sinceMs, stopped }]) => [name, { drainMs: Math.min(care.drainMs, longestMs), sinceMs, stopped }])),
    note: put,
    async save(): Promise<void> {
      const text = print();
      if (text === written || (written === '' && attended.size === 0)) return;
      // Also when it fails: a full disk is said once for each change.
      written = text;
      try {
        await needs.memory.write(fileName, text);
      } catch (error) {
        needs.log.warning(`cannot remember what is known of units; a restart of fleetd looks at them anew: ${messageOf(error)}`);
      }
    },
  };
}

/** What is known of a unit after a look at it; null when there is nothing to look after. */
function attendedNow(before: Attended | undefined, seen: Observation, { texts, assignments }: Seen): Attended | null {
  // What stops is known until it has stopped.
  if (seen.active === 'deactivating') return before ?? null;
  if (!isServing(seen.active)) return null;
  const isSameRun = before?.run === seen.sinceMs;
  // An older rendering runs than the one on disk: what was known of it holds.
  if (isSameRun && (before.renderedHash === seen.renderedHash || seen.restart === outdated)) return before;
  if (seen.restart === outdated) return null;
  const assignment = assignments.get(seen.name);
  const text = texts.get(seen.hash);
  if (assignment === undefined || text === undefined) return null;
  // Ports that were assigned after it was started are not yet its own.
  if (renderUnit(seen.name, assignment, text).renderedHash !== seen.renderedHash) return null;
  const care = careFor(seen.name, assignment, text);
  if (care === null) return null;
  return { renderedHash: seen.renderedHash, care, run: seen.sinceMs, drainsSinceMs: null, stopped: false, health: null };
}

/** What is to be looked after; null for nothing. */
const careFor = remembered((name, { ports }, text): UnitCare | null => {
  const file = parseUnitFile(text);
  const care = file.ok ? careOf(name, file.value, ports) : null;
  return care === null || !needsCare(care) ? null : care;
});

/** Reads the file back. Its content is this program's own: a version and a boot are all that is looked at. */
function readUnits(text: string, bootId: string): readonly (readonly [UnitName, Attended])[] {
  if (text === '') return [];
  const { version, bootId: writtenIn, units } = JSON.parse(text) as { version?: unknown; bootId?: unknown; units?: Record<UnitName, Attended> };
  if (version !== fileVersion || writtenIn !== bootId || units === undefined) return [];
  return Object.entries(units) as [UnitName, Attended][];
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
