/**
 * Turns what arrives on an etcd watch into batches of whole revisions.
 * Promises: a revision is handed on once, in order and only when all of its changes are there, however etcd cut its
 * answers into fragments; what was delivered before (etcd may repeat old events on a member that lags) is dropped.
 */
import type { Revision, StoreChange, WatchBatch } from '../store.ts';

/** One answer on the watch. */
export interface WatchPart {
  /** Changes in the order of their revisions. */
  readonly changes: readonly StoreChange[];
  /** True when the last revision of this part goes on in the next part. */
  readonly continued: boolean;
  /** Everything up to this revision has been sent; null when the answer does not say. */
  readonly reached: Revision | null;
}

export interface RevisionBatches {
  /** Takes one answer; returns the batches that are complete now. */
  add(part: WatchPart): readonly WatchBatch[];
}

/** Begins after revision `after`. */
export function createRevisionBatches(after: Revision): RevisionBatches {
  let last: Revision = after;
  let open: { readonly revision: Revision; readonly changes: StoreChange[] } | null = null;

  const close = (into: WatchBatch[]): void => {
    if (open === null) return;
    into.push(open);
    last = open.revision;
    open = null;
  };
  return {
    add(part: WatchPart): readonly WatchBatch[] {
      const complete: WatchBatch[] = [];
      for (const change of part.changes) {
        const revision = change.kind === 'put' ? change.entry.modRevision : change.modRevision;
        if (open !== null && revision > open.revision) close(complete);
        if (revision <= last) continue;
        open ??= { revision, changes: [] };
        if (revision === open.revision) open.changes.push(change);
      }
      if (part.continued) return complete;
      close(complete);
      if (part.reached !== null && part.reached > last) {
        last = part.reached;
        complete.push({ revision: last, changes: [] });
      }
      return complete;
    },
  };
}
