/**
 * The last revisions of a store that keeps its data in this process, and the watches that read them.
 * Promises: bounded in revisions and in characters of values; a watch holds no queue of its own, it reads here at its own pace,
 * so a slow reader costs nothing and is told StoreCompacted when what it wants is gone.
 */
import { createBell } from '../lib/wakeups.ts';
import { StoreCompacted, StoreReplaced } from './store.ts';
import type { Revision, StoreChange, WatchBatch } from './store.ts';

/** What a history may hold before it forgets the oldest revisions. */
export interface HistoryLimits {
  readonly revisionsMax: number;
  readonly charactersMax: number;
}

/** A watch of a quiet prefix is told how far it has come once so many revisions went by without anything for it. */
const progressEveryRevisions = 100;

export interface History {
  /** Adds the changes of a new revision and wakes the watches. */
  add(batch: WatchBatch): void;
  /** Forgets how things became what they are at `revision`; the newest revision can always be watched from. */
  compact(revision: Revision): void;
  /** As Store.watch; ends by throwing the signal's reason. */
  watch(prefix: string, after: Revision, signal: AbortSignal): AsyncGenerator<WatchBatch, void>;
}

/** A history that begins after revision `start`. */
export function createHistory(start: Revision, bounds: HistoryLimits): History {
  let batches: WatchBatch[] = [];
  let floor = start;
  let newest = start;
  let characters = 0;
  const bells = new Set<ReturnType<typeof createBell>>();

  const forget = (count: number): void => {
    if (count === 0) return;
    const gone = batches.slice(0, count);
    batches = batches.slice(count);
    for (const batch of gone) characters -= sizeOf(batch);
    floor = gone.at(-1)?.revision ?? floor;
  };
  const mustReach = (after: Revision): void => {
    if (after < floor) throw new StoreCompacted(`the history up to revision ${floor} is gone, ${after} was asked for`);
    if (after > newest) {
      throw new StoreReplaced(`revision ${after} was asked for, the store is only at ${newest}: its history was replaced`);
    }
  };
  /** The next batch with something under the prefix, or how far one can go without meeting any. */
  const nextAfter = (prefix: string, after: Revision): WatchBatch => {
    mustReach(after);
    for (let index = placeAfter(batches, after); index < batches.length; index += 1) {
      const batch = batches[index];
      const changes = batch?.changes.filter((change) => keyOf(change).startsWith(prefix)) ?? [];
      if (batch !== undefined && changes.length > 0) return { revision: batch.revision, changes };
    }
    return { revision: newest, changes: [] };
  };
  return {
    add(batch: WatchBatch): void {
      batches.push(batch);
      newest = batch.revision;
      characters += sizeOf(batch);
      // A tenth at a time: forgetting one by one would copy the list for every commit.
      if (batches.length > bounds.revisionsMax) forget(Math.ceil(bounds.revisionsMax / 10));
      while (characters > bounds.charactersMax && batches.length > 1) forget(Math.ceil(batches.length / 10));
      for (const bell of bells) bell.wake();
    },
    compact(revision: Revision): void {
      forget(placeAfter(batches, revision));
      for (const bell of bells) bell.wake();
    },
    async* watch(prefix: string, after: Revision, signal: AbortSignal): AsyncGenerator<WatchBatch, void> {
      signal.throwIfAborted();
      mustReach(after);
      const bell = createBell();
      bells.add(bell);
      try {
        let reached = after;
        let told = after;
        yield { revision: after, changes: [] };
        while (true) {
          signal.throwIfAborted();
          const batch = nextAfter(prefix, reached);
          reached = batch.revision;
          if (batch.changes.length > 0 || reached - told >= progressEveryRevisions) {
            told = reached;
            yield batch;
          } else await bell.wait(signal);
        }
      } finally {
        bells.delete(bell);
      }
    },
  };
}

function keyOf(change: StoreChange): string {
  return change.kind === 'put' ? change.entry.key : change.key;
}

function sizeOf(batch: WatchBatch): number {
  return batch.changes.reduce((sum, change) => sum + keyOf(change).length + (change.kind === 'put' ? change.entry.value.length : 0), 0);
}

/** Index of the first batch of a later revision. */
function placeAfter(batches: readonly WatchBatch[], after: Revision): number {
  let low = 0;
  let high = batches.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((batches[middle]?.revision ?? 0) <= after) low = middle + 1;
    else high = middle;
  }
  return low;
}
