/**
 * The store for a fleet without etcd: an SQLite file, kept by this process alone.
 * Promises: the whole contract of store.ts. What the file holds is also held in memory, so that lists and watches never wait for
 * the disk; a change is seen only after it is on disk. When the disk fails, every call throws StoreUnavailable saying why, and the
 * file is opened again until it works. A disk that is full is said for as long as it is. Leases survive a restart of the process, with their
 * whole ttl ahead of them again. History does not: after a restart only the newest revision can be watched from.
 */
import { createBackoff } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Log } from '../../lib/log.ts';
import type { Random } from '../../lib/random.ts';
import { whenAborted } from '../../lib/tasks.ts';
import type { HistoryLimits } from '../history.ts';
import { createLeaseTimers } from '../lease-timers.ts';
import type { LeaseTimers } from '../lease-timers.ts';
import { createLedger, lifetimesOf } from '../ledger.ts';
import type { Ledger, LeaseRow } from '../ledger.ts';
import { StoreUnavailable } from '../store.ts';
import type { Commit, CommitOutcome, Lease, LeaseRequest, Listing, Revision, Store, WatchBatch } from '../store.ts';
import { createDiskWatch } from './disk-watch.ts';
import type { DiskWatch } from './disk-watch.ts';
import { createGroupCommit } from './group-commit.ts';
import type { GroupCommit } from './group-commit.ts';
import { openWriter } from './writer.ts';
import type { Writer } from './writer.ts';

const defaultHistory: HistoryLimits = { revisionsMax: 10_000, charactersMax: 32_000_000 };
const defaultBytesMax = 2_147_483_648;
const firstReopenMs = 200;
const longestReopenMs = 10_000;

export interface EmbeddedStoreNeeds {
  /** The SQLite file; `FILE-wal`, `FILE-shm` and `FILE-lock` lie beside it. */
  readonly file: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** How large the file may grow before commits are refused; 2 GiB when not given. */
  readonly bytesMax?: number;
  readonly history?: HistoryLimits;
}

export interface EmbeddedStore extends Store {
  /** Ends every call and watch with StoreUnavailable, finishes what is being written and closes the file. */
  close(): Promise<void>;
  /** Why the disk takes no changes, as a sentence; null when it does. */
  trouble(): string | null;
  /** Throws the history before `revision` away. */
  compact(revision: Revision): void;
}

/** The store between two failures of its file. */
interface Session {
  readonly ledger: Ledger;
  readonly commits: GroupCommit;
  readonly timers: LeaseTimers;
  readonly writer: Writer;
}

/** Opens the store; rejects with StoreUnavailable when the file cannot be used or another process has it open. */
export async function openEmbeddedStore(needs: EmbeddedStoreNeeds): Promise<EmbeddedStore> {
  const closing = new AbortController();
  const disk = createDiskWatch(needs, (signal) => session.commits.prove(signal), closing.signal);
  let session = await openSession(needs, disk);
  /** Aborted, with the reason, while there is no session to work with. */
  let line = new AbortController();

  const reopen = async (): Promise<void> => {
    const backoff = createBackoff({ firstMs: firstReopenMs, maxMs: longestReopenMs }, needs.random);
    while (!closing.signal.aborted) {
      await needs.clock.sleep(backoff.nextMs(), closing.signal);
      try {
        session = await openSession(needs, disk);
        line = new AbortController();
        needs.log.info('the store is open again', { file: needs.file });
        return;
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error;
        line = abortedWith(error);
      }
    }
  };
  /** Keeps a session open until close(). */
  const keepOpen = async (): Promise<void> => {
    while (!closing.signal.aborted) {
      await whenAborted(AbortSignal.any([session.writer.lost, closing.signal]));
      if (closing.signal.aborted) return;
      const reason = session.writer.lost.reason as StoreUnavailable;
      session.timers.close();
      line.abort(reason);
      needs.log.error(`${reason.message}; opening it again until that works`, { file: needs.file });
      await reopen();
    }
  };
  const kept = keepOpen().catch((error: unknown) => {
    if (!closing.signal.aborted) throw error;
  });
  return {
    ...verbs(() => {
      closing.signal.throwIfAborted();
      line.signal.throwIfAborted();
      return { ...session, line: line.signal };
    }),
    trouble: disk.trouble,
    compact: (revision) => session.ledger.history.compact(revision),
    async close(): Promise<void> {
      const reason = new StoreUnavailable(`the store ${needs.file} was closed`);
      closing.abort(reason);
      line.abort(reason);
      await kept;
      await disk.idle();
      session.timers.close();
      await session.commits.idle();
      await session.writer.close();
    },
  };
}

async function openSession(needs: EmbeddedStoreNeeds, disk: DiskWatch): Promise<Session> {
  const { file, clock, bytesMax = defaultBytesMax, history = defaultHistory } = needs;
  const writer = await openWriter({ file, bytesMax }, clock);
  const ledger = createLedger(writer.contents, history);
  const timers = createLeaseTimers(clock, (id) => {
    commits.add((staging) => staging.endLease(id), new AbortController().signal).catch((error: unknown) => {
      if (!(error instanceof StoreUnavailable)) throw error;
      const lease = ledger.lease(id); // Could not be written: it lives on, and its end is tried again.
      if (lease !== null && !writer.lost.aborted) timers.renew(lease);
    });
  });
  const commits = createGroupCommit({
    ledger, writer,
    onWrite(failure) {
      // A file that cannot be used at all is opened again, and that says why.
      if (failure === null || !writer.lost.aborted) disk.note(failure);
    },
    onApplied(delta) {
      for (const [id, lease] of delta.leases) {
        if (lease === null) timers.forget(id);
        else timers.renew(lease); // Whether or not somebody still waits for it: else it would never end.
      }
    },
  });
  for (const lease of ledger.leases()) timers.renew(lease);
  return { ledger, commits, timers, writer };
}

/** The verbs of the store over whatever session there is; `current` throws StoreUnavailable when there is none. */
function verbs(current: () => Session & { readonly line: AbortSignal }): Store {
  const takeLease = async (request: LeaseRequest, signal: AbortSignal): Promise<LeaseRow> => {
    const { ledger, commits, timers } = current();
    const living = request.resumeId !== undefined && timers.counts(request.resumeId) ? ledger.lease(request.resumeId) : null;
    if (living === null) return commits.add((staging) => staging.grantLease(request.ttlMs), signal);
    timers.renew(living);
    return living;
  };
  const leaseOf = (row: LeaseRow): Lease => ({
    ...row,
    async renew(signal: AbortSignal): Promise<boolean> {
      signal.throwIfAborted();
      const { timers } = current();
      const lives = timers.counts(row.id);
      if (lives) timers.renew(row);
      return lives;
    },
    async revoke(signal: AbortSignal): Promise<void> {
      signal.throwIfAborted();
      await current().commits.add((staging) => staging.endLease(row.id), signal);
    },
  });
  return {
    async list(prefix: string, signal: AbortSignal): Promise<Listing> {
      signal.throwIfAborted();
      return current().ledger.list(prefix);
    },
    async commit(commit: Commit, signal: AbortSignal): Promise<CommitOutcome> {
      signal.throwIfAborted();
      return current().commits.add((staging) => staging.commit(commit), signal);
    },
    async lease(request: LeaseRequest, signal: AbortSignal): Promise<Lease> {
      signal.throwIfAborted();
      return leaseOf(await takeLease(request, signal));
    },
    async lifetimes(prefix: string, signal: AbortSignal): Promise<ReadonlyMap<string, number>> {
      signal.throwIfAborted();
      const { ledger, timers } = current();
      return lifetimesOf(ledger.list(prefix), timers.leftMs);
    },
    async* watch(prefix: string, after: Revision, signal: AbortSignal): AsyncGenerator<WatchBatch, void> {
      signal.throwIfAborted();
      const { ledger, line } = current();
      yield* ledger.history.watch(prefix, after, AbortSignal.any([signal, line]));
    },
  };
}

function abortedWith(reason: Error): AbortController {
  const controller = new AbortController();
  controller.abort(reason);
  return controller;
}
