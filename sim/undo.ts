/** Troubles that last a while: each ends when its time is up, or when all of them do. */
import type { Clock } from '../src/lib/clock.ts';

export interface Undo {
  /** Calls `undo` after `forMs`, or earlier by undoAll(). */
  during(forMs: number, undo: () => void): void;
  undoAll(): void;
}

export function createUndo(clock: Clock): Undo {
  const open = new Set<() => void>();
  const over = new AbortController();
  return {
    during(forMs, undo): void {
      const once = (): void => {
        if (open.delete(once)) undo();
      };
      open.add(once);
      clock.sleep(forMs, over.signal).then(once, () => undefined); // All troubles have ended.
    },
    undoAll(): void {
      over.abort();
      for (const undo of [...open]) undo();
    },
  };
}
