/**
 * What this machine reports about ports: who listens where, and which units found a port of theirs in use.
 * Promises: ports of fleet's own units are not reported as somebody else's; a failed start is looked at once, with its log; a
 * conflict is told until the unit runs on that port after all, is gone, or so long ago that the port may be free again.
 */
import { conflictsOf } from '../core/port-conflict.ts';
import { limits } from '../core/limits.ts';
import type { MachinePorts, PortConflict, PortRange } from '../core/ports.ts';
import { phaseOf } from '../core/unit-state.ts';
import type { Assignment, UnitStatus } from '../core/unit.ts';
import type { UnitName } from '../core/unit-name.ts';
import type { Clock } from '../lib/clock.ts';
import { DeadlineExceeded, withDeadline } from '../lib/deadline.ts';
import type { Log } from '../lib/log.ts';
import { createBell, waitAtMost } from '../lib/wakeups.ts';
import { RunnerUnavailable } from '../runner/runner.ts';

/** How often the listening sockets are looked at: what joins in between is found out by whoever cannot start. */
const lookMs = 5_000;
/** Logs are written by somebody else, a moment after the unit has failed. */
const logDelayMs = 300;
const logMsMax = 5_000;
/** What a unit wrote longer ago has nothing to do with its failure. */
const logAgeMs = 15_000;
/** How long a unit must go on not running for a listener on its port to be somebody else's: it may be starting again itself. */
const settleMs = 200;
/** How long a port that was in use is not given again to anybody here, unless its listener can be seen. */
const conflictMs = 600_000;

/** How long a unit with a conflict is waited for to be given another port before its failure counts. */
const doubtMs = 10_000;

/** A line that a unit wrote. */
export interface LogLine {
  readonly atMs: number;
  readonly text: string;
}

/** What the machine can be asked. */
export interface PortFacts {
  listening(): Promise<{ readonly listening: readonly number[]; readonly ephemeral: PortRange | null }>;
  /** The last lines of a unit's log; rejects with RunnerUnavailable when it cannot be read. */
  lastLines(unit: UnitName, signal: AbortSignal): Promise<readonly LogLine[]>;
}

/** A machine where nothing listens and nobody writes. */
export const noPortFacts: PortFacts = {
  listening: () => Promise.resolve({ listening: [], ephemeral: null }), lastLines: () => Promise.resolve([]),
};

export interface PortWatchNeeds {
  readonly facts: PortFacts;
  readonly clock: Clock;
  readonly log: Log;
  /** Called with every look; the same record may come again. */
  readonly tell: (ports: MachinePorts) => void;
  /** Called when a doubt has ended. */
  readonly changed: () => void;
}

export interface PortWatch {
  /** What is observed, and what is wanted, now. */
  update(statuses: ReadonlyMap<UnitName, UnitStatus>, assignments: ReadonlyMap<UnitName, Assignment>): void;
  /** Whether it is being found out if this unit failed because of a port, or it waits to be given another. */
  inDoubt(unit: UnitName): boolean;
  /** Looks until the signal is aborted. */
  run(signal: AbortSignal): Promise<void>;
}

/** A unit with ports, as the watch follows it. */
interface Watched {
  readonly ports: readonly number[];
  /** Since when it has these ports, by this machine's clock: what it wrote before was about others. 0 when that is not known. */
  readonly sinceMs: number;
  /** The last failure that was looked at, or is about to be. */
  failure: string;
  /** It failed and nobody has looked why. */
  suspect: boolean;
}

interface Watching {
  readonly needs: PortWatchNeeds;
  readonly units: Map<UnitName, Watched>;
  readonly conflicts: Map<string, PortConflict & { readonly atMs: number }>;
  /** Ports of fleet's own, whether their units are wanted here or still run. */
  own: ReadonlySet<number>;
  hasBegun: boolean;
}

export function createPortWatch(needs: PortWatchNeeds): PortWatch {
  const watching: Watching = { needs, units: new Map(), conflicts: new Map(), own: new Set(), hasBegun: false };
  const bell = createBell();
  return {
    update(statuses, assignments): void {
      if (follow(watching, statuses, assignments)) bell.wake();
    },
    inDoubt: (unit) => isInDoubt(watching, unit),
    async run(signal): Promise<void> {
      const inDoubt = (): readonly UnitName[] => [...watching.units.keys()].filter((unit) => isInDoubt(watching, unit));
      let doubted = inDoubt();
      for (;;) {
        doubted = [...doubted, ...inDoubt()];
        await look(watching, signal);
        if (doubted.some((unit) => !isInDoubt(watching, unit))) needs.changed();
        doubted = inDoubt();
        await waitAtMost(bell, { clock: needs.clock, limitMs: lookMs }, signal);
      }
    },
  };
}

/** Ends, whatever the engine does: then the failure stands. */
function isInDoubt({ needs, units, conflicts }: Watching, name: UnitName): boolean {
  const unit = units.get(name);
  if (unit === undefined || unit.failure === '') return false;
  return unit.suspect || unit.ports.some((port) => {
    const conflict = conflicts.get(conflictKey(name, port));
    return conflict !== undefined && needs.clock.nowMs() - conflict.atMs < doubtMs;
  });
}

/** Takes over what is known; answers whether there is reason to look at once. */
function follow(watching: Watching, statuses: ReadonlyMap<UnitName, UnitStatus>, assignments: ReadonlyMap<UnitName, Assignment>): boolean {
  const { units, conflicts, needs } = watching;
  const own = new Set([...assignments.values(), ...statuses.values()].flatMap(({ ports }) => Object.values(ports)));
  let isNews = own.size !== watching.own.size || [...own].some((port) => !watching.own.has(port));
  watching.own = own;
  for (const name of units.keys()) if (!assignments.has(name)) units.delete(name);
  for (const [name, assignment] of assignments) {
    const ports = Object.values(assignment.ports);
    if (ports.length === 0) {
      units.delete(name);
      continue;
    }
    let unit = units.get(name);
    const status = statuses.get(name);
    const failure = status === undefined || assignment.desired !== 'launched' ? '' : failureId(status);
    if (unit?.ports.join() !== ports.join()) {
      // A failure with other ports says nothing about these.
      const known = unit === undefined ? '' : failure;
      units.set(name, unit = { ports, sinceMs: watching.hasBegun ? needs.clock.nowMs() : 0, failure: known, suspect: false });
    }
    unit.suspect = failure !== '' && (unit.suspect || failure !== unit.failure);
    unit.failure = failure;
    isNews ||= unit.suspect;
    if (status !== undefined && phaseOf(status) === 'running') {
      for (const port of ports) conflicts.delete(conflictKey(name, port));
    }
  }
  watching.hasBegun = true;
  for (const [key, { unit }] of conflicts) if (!assignments.has(unit)) conflicts.delete(key);
  return isNews;
}

/** Tells one failure of a unit from the next; empty while it has not failed. */
function failureId(status: UnitStatus): string {
  const phase = phaseOf(status);
  return phase === 'failed' || phase === 'restarting' ? [status.restart, status.restarts, status.sinceMs, status.result].join(' ') : '';
}

const conflictKey = (unit: UnitName, port: number): string => `${unit} ${String(port)}`;

async function look(watching: Watching, signal: AbortSignal): Promise<void> {
  const { needs: { facts, clock, tell }, units, conflicts } = watching;
  const suspects = [...units].filter(([, { suspect }]) => suspect).map(([name, unit]) => ({ name, unit, failure: unit.failure }));
  if (suspects.length > 0) await clock.sleep(logDelayMs, signal);
  // What is fleet's own may change while it is looked: whatever it was at first, or is now, is nobody else's.
  const ownBefore = watching.own;
  const { listening, ephemeral } = await facts.listening();
  if (suspects.length > 0) await clock.sleep(settleMs, signal);
  for (const suspect of suspects) await judge(watching, { ...suspect, listening }, signal);
  for (const [key, { atMs }] of conflicts) if (clock.nowMs() - atMs > conflictMs) conflicts.delete(key);
  const foreign = listening.filter((port) => !ownBefore.has(port) && !watching.own.has(port)).slice(0, limits.listeningPortsMax);
  tell({ ephemeral, listening: foreign, conflicts: [...conflicts.values()].map(({ unit, port, why }) => ({ unit, port, why })) });
}

interface Suspect {
  readonly name: UnitName;
  readonly unit: Watched;
  /** The failure that is looked at. */
  readonly failure: string;
  readonly listening: readonly number[];
}

/** Notes which ports a failed unit found in use. */
async function judge(watching: Watching, { name, unit, failure, listening }: Suspect, signal: AbortSignal): Promise<void> {
  const { needs: { clock, log }, units, conflicts } = watching;
  const sinceMs = Math.max(unit.sinceMs, clock.nowMs() - logAgeMs);
  const lines = await linesSince(watching, name, { sinceMs, signal });
  // It has other ports by now, or is gone.
  if (units.get(name) !== unit) return;
  const isStillDown = unit.failure === failure;
  if (isStillDown) unit.suspect = false;
  for (const { port, why } of conflictsOf({ ports: unit.ports, listening: new Set(isStillDown ? listening : []), lines })) {
    log.warning(`${name} could not start, port ${String(port)} is in use: ${why}`);
    conflicts.set(conflictKey(name, port), { unit: name, port, why, atMs: clock.nowMs() });
  }
}

/** What a unit wrote since it has its ports; nothing when that cannot be found out. */
async function linesSince(
  { needs: { facts, clock, log } }: Watching, name: UnitName, { sinceMs, signal }: { readonly sinceMs: number; readonly signal: AbortSignal },
): Promise<readonly string[]> {
  try {
    const lines = await withDeadline({ clock, limitMs: logMsMax, signal }, (late) => facts.lastLines(name, late));
    return lines.filter(({ atMs }) => atMs >= sinceMs).map(({ text }) => text);
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof RunnerUnavailable || error instanceof DeadlineExceeded)) throw error;
    log.warning(`cannot read the log of ${name} to see why it failed: ${error.message}`);
    return [];
  }
}
