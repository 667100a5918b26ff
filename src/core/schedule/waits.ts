/**
 * The backoff of placing: a unit that had to move again and again waits before it is placed anew.
 * Promises: pure; every wait is bounded and ends by itself; a wish of a person ends it at once.
 */
import type { UnitHistory, Unrest } from '../history.ts';
import type { UnitRecord } from '../unit.ts';

/** Moves further apart than this are not "again and again". */
const settledAfterMs = 600_000;
/** Moves in a row that happen at once: a machine that dies is no fault of the unit. */
const freeMoves = 3;
const firstWaitMs = 30_000;
const longestWaitMs = 600_000;

/** The count after one more move that nobody asked for. */
export function unrestAfter(unrest: Unrest | null, nowMs: number): Unrest {
  const isInRow = unrest !== null && nowMs - unrest.lastAtMs <= settledAfterMs;
  return { moves: isInRow ? unrest.moves + 1 : 1, lastAtMs: nowMs };
}

/** How long the next move waits after the last one; 0 while moves are free. */
export function waitAfterMs({ moves }: Unrest): number {
  return moves < freeMoves ? 0 : Math.min(longestWaitMs, firstWaitMs * 2 ** (moves - freeMoves));
}

/** A unit that is not placed anew for a while. */
export interface Wait {
  readonly untilMs: number;
  /** A sentence for people. */
  readonly why: string;
}

/** Whether a unit waits now; null when it may be placed. */
export function waitOf(record: UnitRecord | undefined, history: UnitHistory | undefined, nowMs: number): Wait | null {
  const unrest = history?.unrest ?? null;
  if (unrest === null || (record !== undefined && record.changedAtMs > unrest.lastAtMs)) return null;
  const untilMs = unrest.lastAtMs + waitAfterMs(unrest);
  // A move in the future is told by a clock that was wrong: nothing waits for it.
  if (untilMs <= nowMs || unrest.lastAtMs > nowMs) return null;
  return { untilMs, why: sayWait(unrest) };
}

/** "it had to move 4 times in a row, so it is not placed anew before 2026-03-01T12:00:00.000Z" */
export function sayWait(unrest: Unrest): string {
  const until = new Date(unrest.lastAtMs + waitAfterMs(unrest)).toISOString();
  const moves = `it had to move ${String(unrest.moves)} times in a row`;
  return `${moves}, so it is not placed anew before ${until}; a restart ends the wait`;
}
