/**
 * What runs units on one machine: systemd over D-Bus, the supervisor, or the fake of the simulator.
 *
 * The contract (runner.contract.ts checks it on every implementation):
 * - It touches only units whose file lies in its own directory, and survives its own restart: what it needs to know
 *   about loaded units lies on disk.
 * - observe() tells what is, never what was asked for. changes() wakes for every unit whose observation may have changed.
 * - load() writes all files first and starts nothing; a unit already loaded with the same rendering is left alone, one
 *   loaded with another rendering goes on running the old one and counts as outdated until its next start or restart.
 * - Every call ends soon after its signal is aborted; every call is bounded in time; a failure of one unit is reported for it
 *   and does not keep the others from being done.
 */
import type { RenderedUnit } from '../core/reconcile/render.ts';
import type { FileHash } from '../core/unit.ts';
import type { UnitName } from '../core/unit-name.ts';

export type { RenderedUnit } from '../core/reconcile/render.ts';

/** What the runner sees of one unit in its directory. */
export interface Observation {
  readonly name: UnitName;
  readonly hash: FileHash;
  readonly renderedHash: string;
  /**
   * The restart generation that was last carried out by start() or restart(); `notStarted` since it was loaded while it did not
   * run, or stop(); `outdated` since another rendering was loaded while it ran (core/unit.ts). Kept on disk with the unit.
   */
  readonly restart: number;
  /** The reset generation that was last carried out by resetFailed(); 0 before the first. Kept on disk with the unit. */
  readonly reset: number;
  readonly load: string;
  /** systemd's ActiveState; "activating" also while a start is queued behind others, so that "inactive" means it has ended. */
  readonly active: string;
  readonly sub: string;
  readonly sinceMs: number;
  readonly result: string;
  readonly exitStatus: number | null;
  /** It has run to its end with success since it was last started; remembered even after systemd forgot the unit. */
  readonly succeeded: boolean;
  readonly restarts: number;
  readonly mainPid: number;
  /** The manager runs an older rendering than the file on disk: reload() before the next start. */
  readonly needsReload: boolean;
}

/** A unit that the runner could not do something for, and why, as one line for people. */
export interface RunnerProblem {
  readonly name: UnitName;
  readonly why: string;
}

/** Asks for a start: `restart` is the generation recorded once the unit has been started. */
export interface StartRequest {
  readonly name: UnitName;
  readonly restart: number;
}

/** Asks that failures are forgotten: `reset` is the generation recorded once they are. */
export interface ResetRequest {
  readonly name: UnitName;
  readonly reset: number;
}

export interface UnitRunner {
  /** Every unit in the runner's directory as it is now. Throws RunnerUnavailable when the manager does not answer. */
  observe(signal: AbortSignal): Promise<ReadonlyMap<UnitName, Observation>>;
  /** Names of units whose observation may have changed; an empty list asks for a full look (after a reconnect). */
  changes(signal: AbortSignal): AsyncIterable<readonly UnitName[]>;
  load(units: readonly RenderedUnit[], signal: AbortSignal): Promise<readonly RunnerProblem[]>;
  /** Removes stopped units: their files, drop-ins, links and failed state. */
  unload(names: readonly UnitName[], signal: AbortSignal): Promise<readonly RunnerProblem[]>;
  reload(signal: AbortSignal): Promise<void>;
  /** Queues the starts; does not wait until the units are active. */
  start(requests: readonly StartRequest[], signal: AbortSignal): Promise<readonly RunnerProblem[]>;
  /** Restarts units that run, starts those that do not. */
  restart(requests: readonly StartRequest[], signal: AbortSignal): Promise<readonly RunnerProblem[]>;
  /** Queues the stops; observe() tells when they have stopped. Units that do not run count as not started afterwards, too. */
  stop(names: readonly UnitName[], signal: AbortSignal): Promise<readonly RunnerProblem[]>;
  /**
   * Forgets that units failed, how often they were started and restarted: a failed one is inactive then and may be started at once.
   * Starts and stops nothing, and leaves alone what runs.
   */
  resetFailed(requests: readonly ResetRequest[], signal: AbortSignal): Promise<readonly RunnerProblem[]>;
  /** Why no new unit could be taken, as one line: a full or read-only disk; null when nothing stands against it. */
  trouble(signal: AbortSignal): Promise<string | null>;
  readonly fence: UnitFence;
}

/**
 * What stops units when this machine is cut off (docs/design/fencing.md). A fence is named by its lostAfterMs; units are bound to it by
 * the drop-in of their rendering. The contract: from the moment a fence was last told, its units begin to stop, whatever has become
 * of fleetd by then; a fence that has fallen stays down, and its units with it, until it is raised.
 */
export interface UnitFence {
  /** The fences that stand. Throws RunnerUnavailable when the manager does not answer. */
  standing(signal: AbortSignal): Promise<ReadonlySet<number>>;
  /** Raises a fence until `untilMs` (Clock.uptimeMs()); answers why it could not, null once it stands. */
  raise(fence: FenceUntil, signal: AbortSignal): Promise<string | null>;
  /** Lets a fence that stands, stand until `untilMs`; never brings one back. Needs no manager, and never waits for one. */
  extend(fence: FenceUntil): void;
  /** Takes a fence down; what is bound to it stops. Answers why it could not, or what of it is left; else null. */
  lower(lostAfterMs: number, signal: AbortSignal): Promise<string | null>;
}

export interface FenceUntil {
  readonly lostAfterMs: number;
  readonly untilMs: number;
}

/** What a machine tells people about a unit in words: `systemctl status` and `journalctl`, or the supervisor's own. */
export interface UnitInspector {
  /** Text as `systemctl status -l` prints it, and that command's exit status (0 active, 3 not running, 4 unknown). */
  status(name: UnitName, signal: AbortSignal): Promise<{ readonly text: string; readonly exitStatus: number }>;
  /** The last `lines` lines, then, with `follow`, new ones until the signal is aborted. Chunks of text, lines never torn. */
  journal(query: JournalQuery, signal: AbortSignal): AsyncIterable<string>;
}

export interface JournalQuery {
  readonly name: UnitName;
  readonly lines: number;
  readonly follow: boolean;
  /** journalctl's --output: short, cat, json … */
  readonly output: string;
}

/** The manager (systemd, D-Bus, the supervisor's processes) does not answer; try again later, nothing is known. */
export class RunnerUnavailable extends Error {
  override readonly name = 'RunnerUnavailable';
}
