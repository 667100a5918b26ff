/**
 * The store in memory: a snapshot of the cluster that follows every change.
 * Promises: snapshot() is immutable and is the store at exactly one revision; a lost connection keeps the last snapshot and
 * resumes at the next revision; a compacted history is listed again and delivered as the difference; nothing polls.
 */
import type { ClusterSnapshot } from '../core/cluster.ts';
import { untilHolds } from '../lib/wakeups.ts';
import { createFollower } from './follower.ts';
import type { FollowBatch, Follower, FollowNeeds } from './follower.ts';
import { createSnapshotBuilder } from './snapshot-builder.ts';
import type { Revision } from './store.ts';

export { createFollower } from './follower.ts';
export type { FollowBatch, Follower, FollowNeeds, Freshness } from './follower.ts';

/** A follower of the whole cluster that decodes what it hears. */
export interface Mirror extends Follower {
  /** The newest snapshot; its revision is 0 until the store has answered once. */
  snapshot(): ClusterSnapshot;
  /** Calls `listener` after every batch, with the batch; returns how to stop that. */
  subscribe(listener: (batch: FollowBatch) => void): () => void;
  /**
   * Resolves once the snapshot's revision is at least `revision`; rejects when the signal is aborted. Meant for the revision
   * of a commit that was made: that of a refused one may belong to a change outside the cluster's keys.
   */
  reached(revision: Revision, signal: AbortSignal): Promise<void>;
}

export function createMirror(needs: FollowNeeds): Mirror {
  const builder = createSnapshotBuilder();
  const listeners = new Set<(batch: FollowBatch) => void>();
  let revision = 0;
  const follower = createFollower(needs, '', (batch) => {
    builder.apply(batch.revision, batch.changes);
    revision = batch.revision;
    for (const listener of [...listeners]) listener(batch);
  });
  const subscribe = (listener: (batch: FollowBatch) => void): (() => void) => {
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
    };
  };
  return {
    ...follower,
    snapshot: builder.snapshot,
    subscribe,
    reached: (wanted, signal) => untilHolds(subscribe, () => revision >= wanted, signal),
  };
}
