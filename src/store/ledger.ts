/**
 * Entries, leases and history of a store that keeps its data in this process: what memory and SQLite share.
 * Promises: changes are first staged, which decides every guard and shows nothing; only apply() makes them visible to lists and
 * watches. A store that has to write to disk does so between the two, and forgets the staging when that fails.
 */
import { assert } from '../core/failure.ts';
import { createHistory } from './history.ts';
import type { History, HistoryLimits } from './history.ts';
import { LeaseExpired } from './store.ts';
import type { Commit, CommitOutcome, Listing, Revision, StoreChange, StoreEntry, WatchBatch } from './store.ts';

/** A lease as it is kept: who renews it and when it ends is not decided here. */
export interface LeaseRow {
  readonly id: string;
  readonly ttlMs: number;
}

/** Everything a ledger begins with. */
export interface LedgerContents {
  readonly revision: Revision;
  /** Number of the last lease granted; numbers are never given twice. */
  readonly lastLease: number;
  readonly entries: readonly StoreEntry[];
  readonly leases: readonly LeaseRow[];
}

export const emptyLedger: LedgerContents = { revision: 0 as Revision, lastLease: 0, entries: [], leases: [] };

/** What a staging changes, for whoever makes it durable: of each key only its last state. */
export interface LedgerDelta {
  readonly revision: Revision;
  readonly lastLease: number;
  /** null: the key was deleted. */
  readonly entries: ReadonlyMap<string, StoreEntry | null>;
  /** null: the lease has ended. */
  readonly leases: ReadonlyMap<string, LeaseRow | null>;
  /** One for each revision, in order. */
  readonly batches: readonly WatchBatch[];
}

/** A series of changes, each decided on the state its predecessors leave behind. */
export interface Staging {
  /** Throws LeaseExpired, having staged nothing, for a put under a lease that is gone. */
  commit(commit: Commit): CommitOutcome;
  grantLease(ttlMs: number): LeaseRow;
  /** Ends a lease and deletes its entries; a lease that is gone is no error. */
  endLease(id: string): void;
  hasLease(id: string): boolean;
  readonly delta: LedgerDelta;
}

export interface Ledger {
  list(prefix: string): Listing;
  /** The lease if it lives. */
  lease(id: string): LeaseRow | null;
  leases(): readonly LeaseRow[];
  stage(): Staging;
  /** Makes a staging visible. Stagings are applied in the order they were made, or dropped; never two at once. */
  apply(staging: Staging): void;
  readonly history: History;
  /** Everything it holds now: what another ledger can begin with. */
  contents(): LedgerContents;
}

/** What Store.lifetimes answers, from a listing and the time each lease has left. */
export function lifetimesOf({ entries }: Listing, leftMs: (leaseId: string) => number): ReadonlyMap<string, number> {
  return new Map(entries.flatMap(({ key, leaseId }) => (leaseId === null ? [] : [[key, leftMs(leaseId)] as const])));
}

export function createLedger(contents: LedgerContents, bounds: HistoryLimits): Ledger {
  const entries = new Map(contents.entries.map((entry) => [entry.key, entry]));
  const leases = new Map(contents.leases.map((lease) => [lease.id, lease]));
  const history = createHistory(contents.revision, bounds);
  let revision = contents.revision;
  let lastLease = contents.lastLease;
  return {
    history,
    list(prefix: string): Listing {
      const found = [...entries.values()].filter((entry) => entry.key.startsWith(prefix));
      return { revision, entries: found.sort((left, right) => (left.key < right.key ? -1 : 1)) };
    },
    lease: (id: string) => leases.get(id) ?? null,
    leases: () => [...leases.values()],
    contents: () => ({ revision, lastLease, entries: [...entries.values()], leases: [...leases.values()] }),
    stage: () => createStaging({ entries, leases, revision, lastLease }),
    apply({ delta }: Staging): void {
      assert(delta.revision === revision + delta.batches.length, 'stagings are applied one after the other');
      merge(entries, delta.entries);
      merge(leases, delta.leases);
      ({ revision, lastLease } = delta);
      for (const batch of delta.batches) history.add(batch);
    },
  };
}

function merge<T>(into: Map<string, T>, changes: ReadonlyMap<string, T | null>): void {
  for (const [key, value] of changes) {
    if (value === null) into.delete(key);
    else into.set(key, value);
  }
}

/** What a staging is laid over. */
interface Base {
  readonly entries: ReadonlyMap<string, StoreEntry>;
  readonly leases: ReadonlyMap<string, LeaseRow>;
  readonly revision: Revision;
  readonly lastLease: number;
}

function createStaging(base: Base): Staging {
  const entries = new Map<string, StoreEntry | null>();
  const leases = new Map<string, LeaseRow | null>();
  const batches: WatchBatch[] = [];
  let { revision, lastLease } = base;

  const entryAt = (key: string): StoreEntry | null => over(entries, base.entries, key);
  const hasLease = (id: string): boolean => over(leases, base.leases, id) !== null;
  const change = (make: (next: Revision) => readonly StoreChange[]): void => {
    const next = revision + 1 as Revision;
    const changes = make(next);
    if (changes.length === 0) return;
    revision = next;
    for (const made of changes) {
      if (made.kind === 'put') entries.set(made.entry.key, made.entry);
      else entries.set(made.key, null);
    }
    batches.push({ revision, changes });
  };
  return {
    hasLease,
    commit(commit: Commit): CommitOutcome {
      const touched = new Set(commit.changes.map((made) => made.key));
      assert(touched.size === commit.changes.length, 'a key stands in one change of a commit only');
      const holds = commit.guards.every((guard) => (entryAt(guard.key)?.modRevision ?? 0) === guard.modRevision);
      if (!holds) return { committed: false, revision };
      for (const made of commit.changes) {
        if (made.kind === 'put' && made.leaseId !== undefined && !hasLease(made.leaseId)) {
          throw new LeaseExpired(`lease ${made.leaseId} of ${made.key} has expired`);
        }
      }
      change((next) => commit.changes.flatMap((made): readonly StoreChange[] => {
        if (made.kind === 'delete') return entryAt(made.key) === null ? [] : [{ kind: 'delete', key: made.key, modRevision: next }];
        return [{ kind: 'put', entry: { key: made.key, value: made.value, modRevision: next, leaseId: made.leaseId ?? null } }];
      }));
      return { committed: true, revision };
    },
    grantLease(ttlMs: number): LeaseRow {
      lastLease += 1;
      const lease = { id: String(lastLease), ttlMs };
      leases.set(lease.id, lease);
      return lease;
    },
    endLease(id: string): void {
      if (!hasLease(id)) return;
      leases.set(id, null);
      const keys = new Set([...base.entries.keys(), ...entries.keys()]);
      const bound = [...keys].filter((key) => entryAt(key)?.leaseId === id).sort();
      change((next) => bound.map((key) => ({ kind: 'delete', key, modRevision: next })));
    },
    get delta(): LedgerDelta {
      return { revision, lastLease, entries, leases, batches };
    },
  };
}

/** The value of a key as staged, else as it was. */
function over<T>(staged: ReadonlyMap<string, T | null>, base: ReadonlyMap<string, T>, key: string): T | null {
  const value = staged.get(key);
  return value === undefined ? base.get(key) ?? null : value;
}
