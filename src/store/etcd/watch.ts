/**
 * A watch on etcd, from the request to the batches.
 * Promises: nothing after the given revision is left out or told twice; a watch that may have gone silent (member
 * without quorum, dead connection, proxy that answers for a dead member) ends with StoreUnavailable within a bounded
 * time; a history that was compacted ends it with StoreCompacted, one that was replaced with StoreReplaced. Going on afterwards is the caller's
 * business.
 */
import type { ClientDuplexStream } from '@grpc/grpc-js';
import { create } from '@bufbuild/protobuf';
import type { Clock } from '../../lib/clock.ts';
import { StoreCompacted, StoreReplaced, StoreUnavailable } from '../store.ts';
import type { Revision, WatchBatch } from '../store.ts';
import type { Connection } from './connection.ts';
import { rangeOf, toChange, toRevision } from './entries.ts';
import type { KeyRange } from './entries.ts';
import { canceledWatchError, isStaleTokenReason } from './errors.ts';
import { KV, Watch, WatchRequestSchema } from './generated/etcd_pb.js';
import type { ResponseHeader, WatchRequest, WatchResponse } from './generated/etcd_pb.js';
import { patienceOf } from './options.ts';
import { createRevisionBatches } from './revision-batches.ts';
import type { RevisionBatches } from './revision-batches.ts';
import type { Session } from './session.ts';
import { answersProgressRequests, progressIsInOrder } from './version.ts';

type WatchStream = ClientDuplexStream<WatchRequest, WatchResponse>;

export interface WatchNeeds {
  readonly connection: Connection;
  readonly clock: Clock;
  readonly requestTimeoutMs: number;
  /** Length of the cluster's key prefix, which changes are told without. */
  readonly prefixLength: number;
  /** Watched prefix → the etcd cluster that its last watch or listing came from; see {@link checkHistory}. */
  readonly clusters: Map<string, bigint>;
}

export interface WatchRange {
  /** The key prefix as it stands in etcd. */
  readonly prefix: string;
  readonly after: Revision;
}

/** What the silence monitor looks at. */
interface Pulse {
  /** Counts messages heard and turns of the reader. */
  beats: number;
  /** True while the caller works on a batch and so nothing can be heard. */
  busy: boolean;
}

/** Watches a prefix after a revision; see the contract in store.ts. */
export async function* watchRange(
  needs: WatchNeeds, range: WatchRange, signal: AbortSignal,
): AsyncGenerator<WatchBatch, void, undefined> {
  const session = await needs.connection.session(signal);
  const stream: WatchStream = session.open(Watch.method.watch);
  stream.on('error', () => undefined); // Iterating throws it; after that an unheard error would stop the process.
  const over = new AbortController();
  const stop = AbortSignal.any([signal, session.ended, over.signal]);
  const cancel = (): void => stream.cancel();
  stop.addEventListener('abort', cancel, { once: true });
  const pulse: Pulse = { beats: 0, busy: false };
  const monitor = endWhenSilent(needs, { session, stream, pulse }, stop);
  try {
    stream.write(createRequest(range));
    const batches = createRevisionBatches(range.after);
    for await (const response of stream as AsyncIterable<WatchResponse>) {
      pulse.beats += 1;
      pulse.busy = true;
      if (response.canceled) throw await canceled(response, session);
      if (response.created) yield await established(needs, { range, header: response.header }, signal);
      else yield* batchesOf(response, { batches, session, prefixLength: needs.prefixLength });
      pulse.busy = false;
    }
    throw new StoreUnavailable(`etcd at ${session.endpoint}: it ended the watch`);
  } catch (error) {
    signal.throwIfAborted();
    throw session.ended.aborted ? session.ended.reason : needs.connection.failed(session, error);
  } finally {
    over.abort();
    stream.cancel();
    await monitor;
  }
}

function createRequest({ prefix, after }: WatchRange): WatchRequest {
  const { key, rangeEnd }: KeyRange = rangeOf(prefix);
  const value = { key, rangeEnd, startRevision: BigInt(after) + 1n, progressNotify: true, fragment: true };
  return create(WatchRequestSchema, { requestUnion: { case: 'createRequest', value } });
}

function batchesOf(
  response: WatchResponse, to: { batches: RevisionBatches; session: Session; prefixLength: number },
): readonly WatchBatch[] {
  const changes = response.events.map((event) => toChange(event, to.prefixLength));
  // An answer without events tells progress; the one asked for (watch id -1) may overtake events on older versions.
  const progress = changes.length === 0 && (response.watchId !== -1n || progressIsInOrder(to.session.version));
  const reached = progress ? toRevision(response.header?.revision) : null;
  return to.batches.add({ changes, continued: response.fragment, reached });
}

/** The batch without changes that says the watch is established. */
async function established(
  needs: WatchNeeds, { range, header }: { range: WatchRange; header: ResponseHeader | undefined }, signal: AbortSignal,
): Promise<WatchBatch> {
  await checkHistory(needs, { range, header }, signal);
  return { revision: range.after, changes: [] };
}

/**
 * Throws StoreReplaced when the revisions of this etcd are not a continuation of those the caller knows: it was wiped
 * or put back from a backup. Then its newest revision is lower, or its cluster id is another one; a wiped cluster with
 * the same id whose revisions have already overtaken the caller's cannot be told from a continued one. A member that
 * only lags behind is allowed: etcd itself keeps such a watch waiting.
 */
async function checkHistory(
  needs: WatchNeeds, { range, header }: { range: WatchRange; header: ResponseHeader | undefined }, signal: AbortSignal,
): Promise<void> {
  const cluster = header?.clusterId ?? 0n;
  const known = needs.clusters.get(range.prefix) ?? cluster;
  if (known !== cluster) throw new StoreReplaced('etcd was replaced by another cluster with a history of its own');
  needs.clusters.set(range.prefix, cluster);
  if (toRevision(header?.revision) >= range.after) return;
  const answer = await needs.connection.request(KV.method.range, { key: range.prefix, countOnly: true }, signal);
  const newest = toRevision(answer.header?.revision);
  if (newest >= range.after) return;
  throw new StoreReplaced(`etcd is at revision ${newest}, before ${range.after}: wiped, or put back from a backup`);
}

async function canceled(response: WatchResponse, session: Session): Promise<Error> {
  if (response.compactRevision > 0n) {
    const { compactRevision } = response;
    return new StoreCompacted(`etcd at ${session.endpoint}: history before ${compactRevision} was compacted away`);
  }
  // With a new token the caller's next watch works; if etcd gives none, that watch says so.
  if (isStaleTokenReason(response.cancelReason)) await session.authenticate().catch(() => undefined);
  return canceledWatchError(response.cancelReason, session.endpoint);
}

/**
 * Gives the session up when nothing was heard for too long: first after the request to watch, then after each question.
 */
async function endWhenSilent(
  needs: WatchNeeds, on: { session: Session; stream: WatchStream; pulse: Pulse }, stop: AbortSignal,
): Promise<void> {
  const { session, stream, pulse } = on;
  const { silentMs, progressAnswerMs } = patienceOf(needs);
  let waitMs = needs.requestTimeoutMs;
  let asked = true;
  while (!stop.aborted) {
    const { beats } = pulse;
    await needs.clock.sleep(waitMs, stop).catch(() => undefined);
    if (stop.aborted) return;
    const heard = pulse.beats !== beats || pulse.busy;
    if (!heard && asked) {
      const why = new StoreUnavailable(`etcd at ${session.endpoint}: no answer on the watch in time`);
      needs.connection.leave(session, why);
      return;
    }
    asked = !heard && answersProgressRequests(session.version);
    if (asked) stream.write(create(WatchRequestSchema, { requestUnion: { case: 'progressRequest', value: {} } }));
    waitMs = asked ? progressAnswerMs : silentMs;
  }
}
