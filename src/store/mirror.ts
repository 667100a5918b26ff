/**
 * The store in memory: a snapshot of the cluster that follows every change.
 * Promises: snapshot() is immutable and is the store at exactly one revision; a lost connection keeps the last snapshot and
 * resumes at the next revision; a compacted history is listed again and delivered as the difference; nothing polls.
 */
import type { ClusterSnapshot } from '../core/cluster.ts';
import type { FollowBatch, Follower, FollowNeeds } from './follower.ts';
import type { Revision } from './store.ts';

export { createFollower } from './follower.ts';
export type { FollowBatch, Follower, FollowNeeds, Freshness } from './follower.ts';

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
