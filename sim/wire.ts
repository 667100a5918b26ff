/**
 * A part's connection to the store: the five verbs over a link to the store's service, with everything that goes wrong
 * on the way.
 * Promises: stays within the store's contract: a call that fails may or may not have happened, also later than it was
 * given up; a watch that breaks goes on where it was; nothing is delivered twice or out of order on one watch. What
 * happened is told to `hear`.
 */
import { StoreUnavailable } from '../src/store/store.ts';
import type {
  Commit,
  CommitOutcome,
  Lease,
  LeaseRequest,
  Listing,
  Revision,
  Store,
  WatchBatch,
} from '../src/store/store.ts';
import type { Fates } from './fate.ts';
import type { FleetdPart } from './fleetd.ts';
import type { Link } from './link.ts';
import type { SimProcess } from './process.ts';
import type { StoreServer } from './store-server.ts';

/** What those who watch the simulation are told. */
export interface WireHearing {
  /** A commit is about to be decided by the store. */
  committing(author: Author, commit: Commit): void;
  /** It was decided; `revision` is the store's after it. */
  committed(author: Author, commit: Commit, outcome: CommitOutcome): void;
  granted(author: Author, leaseId: string): void;
  revoked(author: Author, leaseId: string): void;
  /** A listing or a batch of a watch of `prefix` has reached the process: it knows everything up to `revision`. */
  heard(author: Pick<Author, 'process' | 'part'>, prefix: string, revision: Revision): void;
  /** The same by a watch alone: whoever follows the prefix has heard it, and not somebody else in the process. */
  followed(author: Pick<Author, 'process' | 'part'>, prefix: string, revision: Revision): void;
  /** It has heard a store that is not the cluster's, or is about to change it; of that nothing else is told. */
  strange(author: Pick<Author, 'process' | 'part'>, met: Strange): void;
}

/** What somebody has heard, or is about to change. */
export type Strange = { readonly prefix: string } | { readonly commit: Commit };

/** Who asked the store for something. */
export interface Author {
  readonly process: SimProcess;
  readonly part: FleetdPart;
  /** True time when it was sent. */
  readonly sentAtMs: number;
  /** The last revision the process's mirror had heard then. */
  readonly basis: number;
}

export interface WireNeeds {
  readonly server: StoreServer;
  readonly link: Link;
  readonly process: SimProcess;
  readonly part: FleetdPart;
  readonly fates: Fates;
  readonly hear: WireHearing;
  /** Who asks now. */
  readonly author: () => Author;
}

/** The store as one part of a fleetd sees it. */
export function createWire(needs: WireNeeds): Store {
  const { server, author } = needs;
  const hear = hearing(needs);
  const leaseOf = (granted: Lease): Lease => ({
    id: granted.id,
    ttlMs: granted.ttlMs,
    renew: (signal) => ask(needs, { verb: 'renew', signal }, () => granted.renew(never)),
    revoke: (signal) => {
      const by = author();
      return ask(needs, { verb: 'revoke', signal }, () => {
        hear().revoked(by, granted.id);
        return granted.revoke(never);
      });
    },
  });
  return {
    async list(prefix: string, signal: AbortSignal): Promise<Listing> {
      const { listing, told } = await ask(needs, { verb: 'list', signal }, async () => ({
        listing: await server.data.list(prefix, never), told: hear(),
      }));
      told.heard(needs, prefix, listing.revision);
      return listing;
    },
    commit(commit: Commit, signal: AbortSignal): Promise<CommitOutcome> {
      const by = author();
      return ask(needs, { verb: 'commit', signal }, async () => {
        const told = hear();
        told.committing(by, commit);
        const outcome = await server.data.commit(commit, never);
        told.committed(by, commit, outcome);
        return outcome;
      });
    },
    lease(request: LeaseRequest, signal: AbortSignal): Promise<Lease> {
      const by = author();
      return ask(needs, { verb: 'lease', signal }, async () => {
        const granted = await server.data.lease(request, never);
        if (granted.id !== request.resumeId) hear().granted(by, granted.id);
        return leaseOf(granted);
      });
    },
    lifetimes: (prefix, signal) => ask(needs, { verb: 'lifetimes', signal }, () => server.data.lifetimes(prefix, never)),
    watch: (prefix, after, signal) => watchFrom(needs, { prefix, after }, signal),
  };
}

const never = new AbortController().signal;

/** What is told of the store that answers now: of a wrong one only that it was met. */
function hearing({ server, hear }: WireNeeds): () => WireHearing {
  const ofWrong: WireHearing = {
    committing: (author, commit) => hear.strange(author, { commit }),
    committed: () => undefined,
    granted: () => undefined,
    revoked: () => undefined,
    heard: (author, prefix) => hear.strange(author, { prefix }),
    followed: () => undefined,
    strange: hear.strange,
  };
  return () => (server.isRight() ? hear : ofWrong);
}

interface Call {
  readonly verb: 'list' | 'watch' | 'commit' | 'lease' | 'lifetimes' | 'renew' | 'revoke';
  readonly signal: AbortSignal;
}

/**
 * One call: there, its effect, and back; heard by the process while it runs, and given up by it when the signal is
 * aborted.
 */
function ask<T>(needs: WireNeeds, { verb, signal }: Call, effect: () => Promise<T>): Promise<T> {
  signal.throwIfAborted();
  return needs.process.receive(unlessAborted(thereAndBack(needs, { verb, signal }, effect), signal));
}

async function thereAndBack<T>(
  { server, link, process, fates, part }: WireNeeds,
  call: Call,
  effect: () => Promise<T>,
): Promise<T> {
  const fate = fates.next(process, `${part} ${call.verb}`);
  const era = server.era();
  if (fate.dies === 'before') process.kill();
  process.death.throwIfAborted(); // Nobody hears it.
  await link.travel(fate.thereMs);
  if (fate.fails === 'before') throw new StoreUnavailable(`${call.verb} was lost on its way to the store`);
  await server.admit();
  if (server.era() !== era) throw new StoreUnavailable(`${call.verb} was lost with its connection`);
  if (call.signal.aborted && fate.endsWithCaller)
    throw new StoreUnavailable(`${call.verb} was given up before it had an effect`);
  const made = await effect();
  if (fate.fails === 'after')
    throw new StoreUnavailable(`the answer to ${call.verb} was lost on its way from the store`);
  await link.travel(fate.backMs);
  if (server.state() === 'down' || server.era() !== era) throw new StoreUnavailable('the store went down');
  if (fate.dies === 'after') process.kill();
  return made;
}

/** Settles as the work does, or rejects with the signal's reason once that is aborted; the work goes on by itself. */
export function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(signal.reason as Error);
    const finish = (end: () => void): void => {
      signal.removeEventListener('abort', stop);
      end();
    };
    work.then(
      (value) => finish(() => resolve(value)),
      (error: unknown) => finish(() => reject(error as Error)),
    );
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
}

interface WatchFrom {
  readonly prefix: string;
  readonly after: Revision;
}

async function* watchFrom(needs: WireNeeds, from: WatchFrom, signal: AbortSignal): AsyncGenerator<WatchBatch, void> {
  const { process } = needs;
  const told = await ask(needs, { verb: 'watch', signal }, () => Promise.resolve(hearing(needs)()));
  const outside = deliveries(needs, from, signal);
  try {
    for (;;) {
      const next = await process.receive(unlessAborted(outside.next(), signal));
      if (next.done === true) return;
      told.heard(needs, from.prefix, next.value.revision);
      yield next.value;
    }
  } finally {
    outside.return().catch(() => undefined); // It ends by its signal; nobody waits for its last word.
  }
}

/**
 * The batches of one connection as they arrive at the machine, each after its journey; ends by throwing when the
 * connection breaks.
 */
async function* deliveries(
  { server, link, process, fates, part }: WireNeeds,
  { prefix, after }: WatchFrom,
  signal: AbortSignal,
): AsyncGenerator<WatchBatch, void> {
  const connected = AbortSignal.any([signal, process.death, link.connection(), server.connection()]);
  for await (const batch of server.data.watch(prefix, after, connected)) {
    const fate = fates.next(process, `${part} batch`);
    if (fate.dies !== null) process.kill();
    await server.admit();
    await link.travel(fate.thereMs);
    connected.throwIfAborted();
    if (fate.fails !== null) throw new StoreUnavailable('the connection of a watch broke');
    yield batch;
    if (fate.repeats) yield { revision: batch.revision, changes: [] };
  }
}
