/**
 * The store in etcd v3 (3.4 and newer).
 * Promises: the contract in store.ts. A commit is one etcd transaction, sent once; a listing is one revision however
 * large it is; a failing member is left for the next one; every request has a deadline.
 */
import { status as grpcStatus } from '@grpc/grpc-js';
import { assert } from '../../core/failure.ts';
import { limits } from '../../core/limits.ts';
import type {
  Commit, CommitChange, CommitOutcome, Lease, LeaseRequest, Listing, Revision, Store, StoreEntry, WatchBatch,
} from '../store.ts';
import { bytesOfChange } from '../packing.ts';
import { StoreCompacted, StoreUnavailable } from '../store.ts';
import { createConnection } from './connection.ts';
import type { Connection, ConnectionHealth, ConnectionNeeds } from './connection.ts';
import { parseLeaseText, rangeOf, toEntry, toRevision } from './entries.ts';
import { isServiceError } from './errors.ts';
import { Compare_CompareResult, Compare_CompareTarget, KV } from './generated/etcd_pb.js';
import type { RangeResponse } from './generated/etcd_pb.js';
import { openLease, secondsLeft } from './lease.ts';
import { compactHistory, readStatus } from './maintenance.ts';
import type { EtcdStatus } from './maintenance.ts';
import { normalisePrefix } from './options.ts';
import type { EtcdOptions } from './options.ts';
import { watchRange } from './watch.ts';

/** Entries asked for on the first page, when their size is unknown: 100 of the largest unit files are 6.5 MB. */
const firstPageEntries = 100;
const pageEntriesMax = 2_000;
/** What a page should weigh. */
const pageBytes = 1024 * 1024;
/** A listing whose revision is compacted away while it is read begins again, this often at most. */
const listingAttemptsMax = 3;
const leaseQuestionsInFlight = 32;

/** The store, and what only etcd has. */
export interface EtcdStore extends Store {
  /** Whether etcd can be reached, from what the last calls met; asks nobody. */
  health(): ConnectionHealth;
  /** What the member in use says about itself and about alarms of the cluster. */
  status(signal: AbortSignal): Promise<EtcdStatus>;
  /** Throws the history before `revision` away; done already is no error. Watches that lag behind get StoreCompacted. */
  compact(revision: Revision, signal: AbortSignal): Promise<void>;
  /** Ends the connection: watches and later calls throw StoreUnavailable, a request already sent ends by itself. */
  close(): Promise<void>;
}

interface Parts {
  readonly connection: Connection;
  /** The cluster's prefix as it stands in etcd. */
  readonly root: string;
  /** Watched prefix (as in etcd) → the etcd cluster that its last watch or listing came from. */
  readonly clusters: Map<string, bigint>;
}

/** Opens the store; connects with the first call. `options` have passed checkEtcdOptions, anything else is a bug. */
export function openEtcdStore(options: EtcdOptions, needs: ConnectionNeeds): EtcdStore {
  const connection = createConnection(options, needs);
  const root = normalisePrefix(options.prefix);
  const parts: Parts = { connection, root, clusters: new Map() };
  const { requestTimeoutMs } = options;
  const watchNeeds = { ...parts, clock: needs.clock, requestTimeoutMs, prefixLength: root.length };
  return {
    list: (prefix: string, signal: AbortSignal): Promise<Listing> => list(parts, root + prefix, signal),
    watch: (prefix: string, after: Revision, signal: AbortSignal): AsyncIterable<WatchBatch> =>
      watchRange(watchNeeds, { prefix: root + prefix, after }, signal),
    commit: (wanted: Commit, signal: AbortSignal): Promise<CommitOutcome> => commit(parts, wanted, signal),
    lease: (request: LeaseRequest, signal: AbortSignal): Promise<Lease> => openLease(connection, request, signal),
    lifetimes: (prefix: string, signal: AbortSignal): Promise<ReadonlyMap<string, number>> => lifetimes(parts, root + prefix, signal),
    health: connection.health,
    status: (signal: AbortSignal): Promise<EtcdStatus> => readStatus(connection, signal),
    compact: (revision: Revision, signal: AbortSignal): Promise<void> => compactHistory(connection, revision, signal),
    close: connection.close,
  };
}

async function list(parts: Parts, prefix: string, signal: AbortSignal): Promise<Listing> {
  for (let attempt = 1; attempt <= listingAttemptsMax; attempt += 1) {
    try {
      return await listAtOneRevision(parts, prefix, signal);
    } catch (error) {
      if (!(error instanceof StoreCompacted)) throw error;
    }
  }
  throw new StoreUnavailable(`etcd: history was compacted ${listingAttemptsMax} times while "${prefix}" was listed`);
}

/**
 * Reads page after page; the first page decides the revision. Throws StoreCompacted when that is gone before the last
 * page.
 */
async function listAtOneRevision(parts: Parts, prefix: string, signal: AbortSignal): Promise<Listing> {
  const { key: first, rangeEnd } = rangeOf(prefix);
  const entries: StoreEntry[] = [];
  let key = first;
  let limit = firstPageEntries;
  let revision = 0n;
  while (true) {
    const request = { key, rangeEnd, limit: BigInt(limit), revision };
    const page = await parts.connection.request(KV.method.range, request, signal).catch((error: unknown) => {
      if (limit > 1 && isMessageTooLarge(error)) return null;
      throw error;
    });
    if (page === null) {
      limit = Math.ceil(limit / 4);
      continue;
    }
    assert(page.header !== undefined, 'an answer of etcd has a header');
    revision = revision === 0n ? page.header.revision : revision;
    for (const pair of page.kvs) entries.push(toEntry(pair, parts.root.length));
    const last = page.kvs.at(-1);
    if (!page.more || last === undefined) {
      if (parts.clusters.has(prefix)) parts.clusters.set(prefix, page.header.clusterId);
      return { revision: toRevision(revision), entries };
    }
    key = `${last.key}\0`; // The next key in etcd's order.
    limit = nextPageEntries(page);
  }
}

function nextPageEntries(page: RangeResponse): number {
  const characters = page.kvs.reduce((sum, pair) => sum + pair.key.length + pair.value.length, 0);
  const each = characters / page.kvs.length;
  return Math.min(pageEntriesMax, Math.max(1, Math.floor(pageBytes / each)));
}

function isMessageTooLarge(error: unknown): boolean {
  const cause = error instanceof StoreUnavailable ? error.cause : undefined;
  if (!isServiceError(cause)) return false;
  return cause.code === grpcStatus.RESOURCE_EXHAUSTED && cause.details.includes('larger than max');
}

/** Asks about each lease once, a few at a time. */
async function lifetimes(parts: Parts, prefix: string, signal: AbortSignal): Promise<ReadonlyMap<string, number>> {
  const { entries } = await list(parts, prefix, signal);
  const leases = new Set(entries.map(({ leaseId }) => leaseId).filter((id) => id !== null));
  const left = new Map<string, number>();
  const waiting = leases.values();
  const ask = async (): Promise<void> => {
    for (const id of waiting) left.set(id, 1_000 * await secondsLeft(parts.connection, id, signal));
  };
  await Promise.all(Array.from({ length: Math.min(leases.size, leaseQuestionsInFlight) }, ask));
  return new Map(entries.flatMap(({ key, leaseId }) => (leaseId === null ? [] : [[key, left.get(leaseId) ?? 0] as const])));
}

async function commit({ connection, root }: Parts, wanted: Commit, signal: AbortSignal): Promise<CommitOutcome> {
  assertWithinLimits(wanted);
  const compare = wanted.guards.map((guard) => ({
    result: Compare_CompareResult.EQUAL,
    target: Compare_CompareTarget.MOD,
    key: root + guard.key,
    targetUnion: { case: 'modRevision' as const, value: BigInt(guard.modRevision) },
  }));
  const success = wanted.changes.map((change) => ({ request: operationOf(change, root) }));
  const answer = await connection.request(KV.method.txn, { compare, success }, signal);
  return { committed: answer.succeeded, revision: toRevision(answer.header?.revision) };
}

type Operation =
  | { case: 'requestPut'; value: { key: string; value: string; lease: bigint } }
  | { case: 'requestDeleteRange'; value: { key: string } };

function operationOf(change: CommitChange, root: string): Operation {
  if (change.kind === 'delete') return { case: 'requestDeleteRange', value: { key: root + change.key } };
  const lease = change.leaseId === undefined ? 0n : parseLeaseText(change.leaseId);
  assert(lease !== null, `"${change.leaseId}" is the id of a lease of this store`);
  return { case: 'requestPut', value: { key: root + change.key, value: change.value, lease } };
}

function assertWithinLimits({ guards, changes }: Commit): void {
  const { storeOpsPerCommitMax, storeBytesPerCommitMax } = limits;
  assert(guards.length <= storeOpsPerCommitMax, `a commit has at most ${storeOpsPerCommitMax} guards`);
  assert(changes.length <= storeOpsPerCommitMax, `a commit has at most ${storeOpsPerCommitMax} changes`);
  const keys = new Set(changes.map((change) => change.key));
  assert(keys.size === changes.length, 'a key stands in one change of a commit only');
  const bytes = changes.reduce((sum, change) => sum + bytesOfChange(change), 0);
  assert(bytes <= storeBytesPerCommitMax, `a commit has at most ${storeBytesPerCommitMax} bytes`);
}
