/**
 * Follows everything under a key prefix of the store: list once, then watch, for ever.
 * Promises: every change is heard once and in order, across lost connections; after a compaction the difference between what
 * was known and what the store now holds is heard instead, and all that it holds once its history is another one; so it is after every lost
 * connection of who follows only a part of the store. An outage is logged once when it begins and once when it ends.
 */
import { assert } from '../core/failure.ts';
import { createBackoff } from '../lib/backoff.ts';
import type { Backoff } from '../lib/backoff.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { Random } from '../lib/random.ts';
import { untilHolds } from '../lib/wakeups.ts';
import { StoreCompacted, StoreReplaced, StoreUnavailable } from './store.ts';
import type { Listing, Revision, Store, StoreChange } from './store.ts';

const firstRetryMs = 100;
const longestRetryMs = 2_000;

export interface FollowNeeds {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** What a follower hears: changes up to a revision. The first batch after (re)listing brings the difference to what it knew. */
export interface FollowBatch {
  readonly revision: Revision;
  readonly changes: readonly StoreChange[];
}

/** Whether what a follower knows is what the store says now. */
export interface Freshness {
  readonly current: boolean;
  /** Clock.uptimeMs() since when. */
  readonly sinceMs: number;
  /** Why it is not current, one line; empty when it is. */
  readonly why: string;
}

/** Follows everything under a key prefix for ever: list, watch, reconnect with backoff, list again after a compaction. */
export interface Follower {
  /** Works until the signal is aborted, then resolves. Rejects only on a bug. */
  run(signal: AbortSignal): Promise<void>;
  freshness(): Freshness;
  /** Resolves once what is known is what the store says now; rejects with the signal's reason when aborted. */
  untilCurrent(signal: AbortSignal): Promise<void>;
  /** The revision that last wrote a key under the prefix, as far as has been heard; 0 when it does not exist: for guards. */
  modRevision(key: string): Revision | 0;
}

/** What one follower remembers between connections: the last revision heard and, of every key, the revision that wrote it. */
interface Position {
  /** null: to be listed. */
  revision: Revision | null;
  /** The same, also while it is to be listed; null before anything was heard. */
  reached: Revision | null;
  /** What is known is of another history. */
  isReplaced: boolean;
  readonly known: Map<string, Revision>;
}

/** Makes a follower of `prefix`; `onBatch` is called synchronously, and is not called for batches that say nothing new. */
export function createFollower(needs: FollowNeeds, prefix: string, onBatch: (batch: FollowBatch) => void): Follower {
  const position: Position = { revision: null, reached: null, isReplaced: false, known: new Map() };
  const backoff = createBackoff({ firstMs: firstRetryMs, maxMs: longestRetryMs }, needs.random);
  const outage = trackOutage(needs, prefix, backoff);

  const hear = (batch: FollowBatch): void => {
    if (position.revision !== null && batch.revision <= position.revision) {
      assert(batch.changes.length === 0, `the store delivered revision ${batch.revision} under "${prefix}" twice`);
      return;
    }
    position.revision = position.reached = batch.revision;
    remember(position.known, batch.changes);
    onBatch(batch);
  };
  const followOnce = async (signal: AbortSignal): Promise<void> => {
    if (position.revision === null) {
      const listing = await needs.store.list(prefix, signal);
      const isOther = position.isReplaced || listing.revision < (position.reached ?? 0);
      position.isReplaced = false;
      const changes = difference(position.known, listing, isOther);
      const isKnown = !isOther && changes.length === 0 && listing.revision === position.reached;
      if (isKnown) position.revision = listing.revision;
      else hear({ revision: listing.revision, changes });
      outage.over();
    }
    for await (const batch of needs.store.watch(prefix, position.revision ?? 0 as Revision, signal)) {
      hear(batch);
      outage.over();
    }
  };
  return {
    freshness: outage.freshness,
    untilCurrent: outage.untilOver,
    modRevision: (key) => position.known.get(key) ?? 0,
    async run(signal: AbortSignal): Promise<void> {
      while (!signal.aborted) {
        try {
          await followOnce(signal);
        } catch (error) {
          if (signal.aborted) return;
          position.isReplaced ||= error instanceof StoreReplaced;
          if (error instanceof StoreCompacted) position.revision = null;
          else if (!(error instanceof StoreUnavailable)) throw error;
          outage.begin(error.message);
        }
        // A watch that goes on where the last one ended has the store read all that was written since; a part of it is listed for less.
        if (prefix !== '') position.revision = null;
        await needs.clock.sleep(backoff.nextMs(), signal).catch((error: unknown) => {
          if (!signal.aborted) throw error;
        });
      }
    },
  };
}

/** Notes when the follower falls behind and catches up; begin() logs the first failure of an outage, over() its end. */
function trackOutage(
  needs: FollowNeeds, prefix: string, backoff: Backoff,
): { begin(why: string): void; over(): void; freshness(): Freshness; untilOver(signal: AbortSignal): Promise<void> } {
  const fields = { prefix: prefix === '' ? '(all)' : prefix };
  let state: Freshness = { current: false, sinceMs: needs.clock.uptimeMs(), why: 'the store has not answered yet' };
  let begun = false;
  const waiting = new Set<() => void>();
  const onOver = (look: () => void): (() => void) => {
    waiting.add(look);
    return () => void waiting.delete(look);
  };
  return {
    freshness: () => state,
    untilOver: (signal) => untilHolds(onOver, () => state.current, signal),
    begin(why: string): void {
      if (!begun) needs.log.warning(`lost the store, keeping what is known and trying again: ${why}`, fields);
      begun = true;
      const sinceMs = state.current ? needs.clock.uptimeMs() : state.sinceMs;
      state = { current: false, sinceMs, why };
    },
    over(): void {
      backoff.reset();
      if (state.current) return;
      if (begun) needs.log.info('following the store again', { ...fields, afterMs: Math.round(needs.clock.uptimeMs() - state.sinceMs) });
      begun = false;
      state = { current: true, sinceMs: needs.clock.uptimeMs(), why: '' };
      for (const look of [...waiting]) look();
    },
  };
}

function remember(known: Map<string, Revision>, changes: readonly StoreChange[]): void {
  for (const change of changes) {
    if (change.kind === 'put') known.set(change.entry.key, change.entry.modRevision);
    else known.delete(change.key);
  }
}

/**
 * What turns the known keys into those of a listing: deletes first, then puts of every key written since. In another history a revision
 * says nothing about what was written at it before.
 */
function difference(known: ReadonlyMap<string, Revision>, listing: Listing, isOther: boolean): readonly StoreChange[] {
  const listed = new Set(listing.entries.map((entry) => entry.key));
  const gone = [...known.keys()].filter((key) => !listed.has(key));
  const written = listing.entries.filter((entry) => isOther || known.get(entry.key) !== entry.modRevision);
  return [
    ...gone.map((key) => ({ kind: 'delete', key, modRevision: listing.revision }) as const),
    ...written.map((entry) => ({ kind: 'put', entry }) as const),
  ];
}
