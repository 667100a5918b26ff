/**
 * The cluster's memory: five verbs, the same for memory, SQLite and etcd.
 *
 * The contract (store.contract.ts checks it on every implementation):
 * - Keys are relative to the key prefix of the cluster, plain ASCII, `/` between parts. Values are text.
 * - Revisions grow with every commit that changes something; everything one commit changes has one revision.
 * - A commit is atomic and durable once it is answered. Its guards are compared before anything is changed.
 * - A commit that leaves everything as it was (deletes of absent keys only) has no revision of its own and no watch sees it.
 * - A watch delivers every change after a given revision, in order, each exactly once, all changes of one revision in one batch.
 *   Its first batch comes as soon as it is established, empty if need be: until then it is not known to work.
 * - An entry bound to a lease disappears (as a delete other watchers see) when the lease expires or is revoked.
 * - How long entries under leases live is told at least, never at most.
 * - Any call may throw StoreUnavailable. A commit that throws it may or may not have happened: read again, then decide.
 * - Every call ends soon after its signal is aborted, by throwing the signal's reason.
 */

declare const revisionBrand: unique symbol;
/** A point in the store's history. */
export type Revision = number & { readonly [revisionBrand]: 'Revision' };

/** One key and what it holds. */
export interface StoreEntry {
  readonly key: string;
  readonly value: string;
  /** Revision that last wrote it: what a guard compares. */
  readonly modRevision: Revision;
  /** The lease it dies with; null when it is durable. */
  readonly leaseId: string | null;
}

/** All entries under a key prefix, at one revision, sorted by key. */
export interface Listing {
  readonly revision: Revision;
  readonly entries: readonly StoreEntry[];
}

/** One change seen by a watch. */
export type StoreChange =
  | { readonly kind: 'put'; readonly entry: StoreEntry }
  | { readonly kind: 'delete'; readonly key: string; readonly modRevision: Revision };

/** All changes of one revision under the watched prefix; without changes it says only how far the watch has come. */
export interface WatchBatch {
  readonly revision: Revision;
  readonly changes: readonly StoreChange[];
}

/** Lets a commit happen only if `key` was last written at `modRevision`; 0 means it must not exist. */
export interface Guard {
  readonly key: string;
  readonly modRevision: Revision | 0;
}

/** One change a commit makes. A key may stand in one change of a commit only. */
export type CommitChange =
  | { readonly kind: 'put'; readonly key: string; readonly value: string; readonly leaseId?: string }
  | { readonly kind: 'delete'; readonly key: string };

/** Changes that happen together, or not at all when a guard does not hold. */
export interface Commit {
  readonly guards: readonly Guard[];
  readonly changes: readonly CommitChange[];
}

/** Whether the guards held. `revision` is the store's revision after the commit (or at the refusal). */
export interface CommitOutcome {
  readonly committed: boolean;
  readonly revision: Revision;
}

/** A lease: entries bound to it live while somebody renews it. */
export interface Lease {
  readonly id: string;
  readonly ttlMs: number;
  /** True while the lease lives; false when it has expired: its entries are gone, ask for a new one. */
  renew(signal: AbortSignal): Promise<boolean>;
  /** Ends the lease and deletes its entries at once; ending an expired lease is no error. */
  revoke(signal: AbortSignal): Promise<void>;
}

/** Asks for a lease. With `resumeId` the lease of that id is taken up again if it still lives, else a new one is granted. */
export interface LeaseRequest {
  readonly ttlMs: number;
  readonly resumeId?: string;
}

/** The five verbs. */
export interface Store {
  /** Everything under `prefix` ('' for all), at one revision. */
  list(prefix: string, signal: AbortSignal): Promise<Listing>;
  /**
   * Changes under `prefix` after revision `after`. Ends by throwing: StoreUnavailable when the connection is lost
   * (call again with the last revision delivered), StoreCompacted when `after` is too old, StoreReplaced when it is newer
   * than the store itself because that was put back from a backup (list again).
   */
  watch(prefix: string, after: Revision, signal: AbortSignal): AsyncIterable<WatchBatch>;
  /** Throws LeaseExpired, having changed nothing, when the guards hold but a put names a lease that is gone. */
  commit(commit: Commit, signal: AbortSignal): Promise<CommitOutcome>;
  lease(request: LeaseRequest, signal: AbortSignal): Promise<Lease>;
  /**
   * How long the entries under `prefix` are sure to live if nobody renews their leases from now on, in milliseconds by key. Never more than
   * the truth; up to a second less, and 0 when the lease is about to end. Durable entries are left out. Costs a request for each lease.
   */
  lifetimes(prefix: string, signal: AbortSignal): Promise<ReadonlyMap<string, number>>;
}

/** The store cannot be reached, has no quorum, has no space, or gave no answer in time. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable';
  /** It has answered and will answer the same a moment later; otherwise the answer is lost, and what was asked may have happened. */
  readonly refuses: boolean;

  constructor(message: string, { refuses = false, ...options }: ErrorOptions & { readonly refuses?: boolean } = {}) {
    super(message, options);
    this.refuses = refuses;
  }
}

/** The history before some revision is gone: list again, watch from there. */
export class StoreCompacted extends Error {
  override readonly name = 'StoreCompacted';
}

/** The history is another one: the store was wiped, or put back from a copy. The same revision may stand for something else by now. */
export class StoreReplaced extends StoreCompacted {
}

/** A put named a lease that has expired or was revoked: ask for a new lease. */
export class LeaseExpired extends Error {
  override readonly name = 'LeaseExpired';
}
