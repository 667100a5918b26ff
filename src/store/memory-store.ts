/**
 * The store in memory: for tests, the simulator and anything that may forget.
 * Promises: the whole contract of store.ts, lease expiry included, on the clock that is handed in and nothing else; the same calls
 * give the same answers. Each client can be cut off and made to fail by itself, never in a way the contract does not allow.
 */
import type { Clock } from '../lib/clock.ts';
import type { HistoryLimits } from './history.ts';
import { createLeaseTimers } from './lease-timers.ts';
import type { LeaseTimers } from './lease-timers.ts';
import { createLedger, emptyLedger, lifetimesOf } from './ledger.ts';
import type { Ledger, LedgerContents, LeaseRow, Staging } from './ledger.ts';
import { StoreUnavailable } from './store.ts';
import type { Commit, CommitOutcome, Lease, LeaseRequest, Listing, Revision, Store, WatchBatch } from './store.ts';

const defaultHistory: HistoryLimits = { revisionsMax: 10_000, charactersMax: 64_000_000 };

export interface MemoryStoreNeeds {
  readonly clock: Clock;
  readonly history?: HistoryLimits;
}

/** One call of a client about to be made; `batch` is the delivery of one batch to a watch. */
export interface StoreCall {
  readonly verb: 'list' | 'watch' | 'batch' | 'commit' | 'lease' | 'lifetimes' | 'renew' | 'revoke';
  /** Counts the calls of this client from 1, whatever their verb. */
  readonly number: number;
}

/** What goes wrong with a call; {} is nothing. */
export interface StoreFault {
  /** Waits first: a slow store. */
  readonly delayMs?: number;
  /** Throws StoreUnavailable before the call takes effect, or after (a commit whose answer was lost). */
  readonly fails?: 'before' | 'after';
}

/** A connection to the memory store with troubles of its own. */
export interface MemoryClient extends Store {
  /** Ends running waits and watches with StoreUnavailable; calls fail until heal(). */
  cut(): void;
  heal(): void;
}

/** The data itself; as a Store it is a client that nothing can cut. */
export interface MemoryStore extends Store {
  /** A client of its own; `faultOf` decides what goes wrong with each of its calls. */
  client(faultOf?: (call: StoreCall) => StoreFault): MemoryClient;
  /** Throws the history before `revision` away. */
  compact(revision: Revision): void;
  /** Ends a lease now, as if nobody had renewed it. */
  expireLease(id: string): void;
  /** A copy of everything it holds, as a person makes one of a store's files. */
  copy(): LedgerContents;
  /**
   * Goes on with a copy, as when a person puts files of a store back: every connection breaks, the history begins anew, and leases of the
   * copy have their whole time before them. Without one the store is empty.
   */
  putBack(copy?: LedgerContents): void;
  /** Stops counting leases; the store stays readable. */
  close(): void;
}

export function createMemoryStore(needs: MemoryStoreNeeds): MemoryStore {
  const bounds = needs.history ?? defaultHistory;
  const timers = createLeaseTimers(needs.clock, (id) => end(id));
  const data = createData(createLedger(emptyLedger, bounds), timers);
  const end = (id: string): void => {
    timers.forget(id);
    data.change((staging) => staging.endLease(id));
  };
  const client = (faultOf: (call: StoreCall) => StoreFault = () => ({})): MemoryClient =>
    createClient({ data, end, clock: needs.clock, faultOf });
  return {
    ...client(),
    client,
    compact: (revision) => data.ledger.history.compact(revision),
    copy: () => data.ledger.contents(),
    putBack(copy = emptyLedger): void {
      for (const { id } of data.ledger.leases()) timers.forget(id);
      // As with etcd, whose ids are drawn at random, a lease never has the id of one that another holder still believes in.
      const lastLease = Math.max(copy.lastLease, data.ledger.contents().lastLease);
      data.ledger = createLedger({ ...copy, lastLease }, bounds);
      for (const lease of copy.leases) timers.renew(lease);
      data.connection.abort(new StoreUnavailable('the memory store was put back from a copy'));
      data.connection = new AbortController();
    },
    expireLease: end,
    close: timers.close,
  };
}

/** The verbs without anything that can go wrong: each takes effect at once. */
interface Data {
  ledger: Ledger;
  /** Aborted when all connections break. */
  connection: AbortController;
  change<T>(make: (staging: Staging) => T): T;
  grant(request: LeaseRequest): LeaseRow;
  lifetimes(prefix: string): ReadonlyMap<string, number>;
  renew(id: string): boolean;
}

function createData(ledger: Ledger, timers: LeaseTimers): Data {
  const change = <T>(make: (staging: Staging) => T): T => {
    const staging = data.ledger.stage();
    const made = make(staging);
    data.ledger.apply(staging);
    return made;
  };
  const data: Data = {
    ledger,
    connection: new AbortController(),
    change,
    grant({ ttlMs, resumeId }: LeaseRequest): LeaseRow {
      const living = resumeId === undefined ? null : data.ledger.lease(resumeId);
      const lease = living ?? change((staging) => staging.grantLease(ttlMs));
      timers.renew(lease);
      return lease;
    },
    lifetimes: (prefix) => lifetimesOf(data.ledger.list(prefix), timers.leftMs),
    renew(id: string): boolean {
      const lease = data.ledger.lease(id);
      if (lease !== null) timers.renew(lease);
      return lease !== null;
    },
  };
  return data;
}

interface ClientNeeds {
  readonly data: Data;
  readonly end: (leaseId: string) => void;
  readonly clock: Clock;
  readonly faultOf: (call: StoreCall) => StoreFault;
}

function createClient({ data, end, clock, faultOf }: ClientNeeds): MemoryClient {
  let link = new AbortController();
  let calls = 0;

  /** Does `work` as this client's connection lets it. */
  const call = async <T>(verb: StoreCall['verb'], signal: AbortSignal, work: () => T): Promise<T> => {
    signal.throwIfAborted();
    calls += 1;
    const fault = faultOf({ verb, number: calls });
    const line = link.signal;
    if (fault.delayMs !== undefined) await clock.sleep(fault.delayMs, AbortSignal.any([signal, line]));
    line.throwIfAborted();
    if (fault.fails === 'before') throw new StoreUnavailable(`the memory store was told to fail call ${calls} (${verb}) before its effect`);
    const made = work();
    if (fault.fails === 'after') throw new StoreUnavailable(`the memory store was told to fail call ${calls} (${verb}) after its effect`);
    return made;
  };
  const leaseOf = ({ id, ttlMs }: LeaseRow): Lease => ({
    id,
    ttlMs,
    renew: (signal) => call('renew', signal, () => data.renew(id)),
    revoke: (signal) => call('revoke', signal, () => end(id)),
  });
  return {
    list: (prefix: string, signal: AbortSignal): Promise<Listing> => call('list', signal, () => data.ledger.list(prefix)),
    commit: (commit: Commit, signal: AbortSignal): Promise<CommitOutcome> =>
      call('commit', signal, () => data.change((staging) => staging.commit(commit))),
    lease: (request: LeaseRequest, signal: AbortSignal): Promise<Lease> =>
      call('lease', signal, () => leaseOf(data.grant(request))),
    lifetimes: (prefix: string, signal: AbortSignal): Promise<ReadonlyMap<string, number>> =>
      call('lifetimes', signal, () => data.lifetimes(prefix)),
    async* watch(prefix: string, after: Revision, signal: AbortSignal): AsyncGenerator<WatchBatch, void> {
      const connected = await call('watch', signal, () => AbortSignal.any([signal, link.signal, data.connection.signal]));
      for await (const batch of data.ledger.history.watch(prefix, after, connected)) {
        await call('batch', connected, () => undefined);
        yield batch;
      }
    },
    cut(): void {
      link.abort(new StoreUnavailable('this client of the memory store was cut off'));
    },
    heal(): void {
      if (link.signal.aborted) link = new AbortController();
    },
  };
}
