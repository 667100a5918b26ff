/**
 * The store in memory: a snapshot of the cluster that follows every change.
 * Promises: snapshot() is immutable and is the store at exactly one revision; a lost connection keeps the last snapshot and
 * resumes at the next revision; a compacted history is listed again and delivered as the difference; nothing polls.
 */
import type { ClusterSnapshot } from '../core/cluster.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { Random } from '../lib/random.ts';
import type { Revision, Store, StoreChange } from './store.ts';

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
  run(signal: AbortSignal): Promise<void>;
  freshness(): Freshness;
}

export declare function createFollower(needs: FollowNeeds, prefix: string, onBatch: (batch: FollowBatch) => void): Follower;

/** A follower of the whole cluster that decodes what it hears. */
export interface Mirror extends Follower {
  /** The newest snapshot; its revision is 0 until the store has answered once. */
  snapshot(): ClusterSnapshot;
  /** The revision that last wrote a key, 0 when it does not exist: for guards. */
  modRevision(key: string): Revision | 0;
  /** Calls `listener` after every batch, with the batch; returns how to stop that. */
  subscribe(listener: (batch: FollowBatch) => void): () => void;
  /** Resolves once the snapshot's revision is at least `revision`; rejects when the signal is aborted. */
  reached(revision: Revision, signal: AbortSignal): Promise<void>;
}

export declare function createMirror(needs: FollowNeeds): Mirror;
