/**
 * The event stream of API v2, followed over broken connections.
 * Promises: after a break the stream goes on where it stopped, or, when the API cannot do that, begins anew with the
 * present state and says so (`restarted`); an event may come twice, none is left out; silence longer than the
 * heartbeats is a break, and another endpoint is asked first after it, if there is one; it gives up when no endpoint
 * has answered for a while.
 */
import { createBackoff } from '../lib/backoff.ts';
import type { Clock } from '../lib/clock.ts';
import type { Random } from '../lib/random.ts';
import type { EventView } from '../protocol/v2.ts';
import { readChunks, readError } from './call.ts';
import type { Call, Caller } from './call.ts';
import type { Endpoint } from './endpoint.ts';
import { ApiError, Unreachable } from './errors.ts';
import { createSseReader } from './sse.ts';
import type { SseFrame } from './sse.ts';

/** Silence after which a stream counts as broken: the API sends a comment every 10 s. */
const idleMsMax = 35_000;

/**
 * How long no endpoint may answer before the reader gives up: longer than a restart of fleetd or a change of the etcd
 * leader.
 */
const outageMsMax = 30_000;

/** Unit names put into the path of a request, which stays below 8 KiB with them; more of them go into a body. */
const pathUnitsMax = 24;
/** Unit names a body may hold (the API's limit); with more the API sends all units, and the reader's owner picks. */
const bodyUnitsMax = 1_000;

/** What to hear. */
export interface EventsQuery {
  /** Only these units; absent: all. A hint: more may come. */
  readonly units?: readonly string[];
  readonly kinds?: readonly EventView['kind'][];
  /** Wait until the API has seen this revision before the present state is told. */
  readonly atLeast?: number;
}

/** An event with its revision; `restarted` means: forget everything, the present state follows. */
export type StreamItem =
  { readonly kind: 'restarted' } | { readonly kind: 'event'; readonly revision: number; readonly event: EventView };

export interface EventsNeeds {
  readonly caller: Caller;
  readonly clock: Clock;
  readonly random: Random;
}

/** How far a reader has come. */
interface Progress {
  /** Revision of the newest event. More events of the same revision may still come. */
  newest: number;
  /** Every event up to this revision has come; 0 while the present state is not complete. */
  complete: number;
  /** Whether the present state was told to its end. */
  isCurrent: boolean;
  /** Clock.uptimeMs() when something came last. */
  answeredMs: number;
  /** Where the stream came from last; null before the first. */
  endpoint: Endpoint | null;
}

/**
 * Events until the signal is aborted (then its reason is thrown). Throws ApiError when the request itself is refused.
 */
export async function* readEvents(
  needs: EventsNeeds,
  query: EventsQuery,
  signal: AbortSignal,
): AsyncGenerator<StreamItem> {
  const backoff = createBackoff({ firstMs: 50, maxMs: 2_000 }, needs.random);
  const progress: Progress = { newest: 0, complete: 0, isCurrent: false, answeredMs: needs.clock.uptimeMs(), endpoint: null };
  for (;;) {
    try {
      for await (const item of readOnce(needs, { query, progress }, signal)) {
        backoff.reset();
        yield item;
      }
    } catch (error) {
      signal.throwIfAborted();
      const isCompacted = error instanceof ApiError && error.reason === 'REVISION_COMPACTED';
      const isRefused = error instanceof ApiError && error.status < 500 && !isCompacted;
      if (isRefused || needs.clock.uptimeMs() - progress.answeredMs > outageMsMax) throw error;
      if (isCompacted) progress.isCurrent = false;
    }
    await needs.clock.sleep(backoff.nextMs(), signal);
    if (!progress.isCurrent) yield { kind: 'restarted' };
  }
}

/** One connection: its events until it ends. */
async function* readOnce(
  needs: EventsNeeds,
  from: { readonly query: EventsQuery; readonly progress: Progress },
  signal: AbortSignal,
): AsyncGenerator<StreamItem> {
  const { query, progress } = from;
  const { endpoint } = progress;
  const call: Call = { ...eventsCall(query, progress), ...(endpoint === null ? {} : { brokenOff: endpoint }) };
  const answer = await needs.caller.open(call, signal);
  progress.endpoint = answer.endpoint;
  if (answer.message.statusCode !== 200) throw await readError(answer, call, signal);
  const read = createSseReader();
  for await (const chunk of readChunks(answer, idleMsMax, signal)) {
    progress.answeredMs = needs.clock.uptimeMs();
    for (const frame of read(chunk)) {
      const item = toItem(frame);
      if (item.revision > progress.newest) {
        if (progress.isCurrent) progress.complete = progress.newest;
        progress.newest = item.revision;
      }
      if (item.event.kind === 'current') {
        progress.isCurrent = true;
        progress.complete = progress.newest;
      }
      yield item;
    }
  }
}

/**
 * The request. A broken stream goes on after the last revision that is known to be complete: the events of one revision
 * share an id, so the newest one may have been cut in the middle.
 */
function eventsCall(query: EventsQuery, progress: Progress): Call {
  const { kinds = [], units = [], atLeast } = query;
  const begin: { readonly from?: number; readonly atLeast?: number } = progress.isCurrent
    ? { from: progress.complete }
    : atLeast === undefined
      ? {}
      : { atLeast };
  if (units.length > pathUnitsMax && units.length <= bodyUnitsMax) {
    const body = JSON.stringify({ units, ...(kinds.length === 0 ? {} : { kinds }), ...begin });
    return { method: 'POST', path: '/fleet/v2/events', body, changes: false };
  }
  const parameters = new URLSearchParams();
  for (const kind of kinds) parameters.append('kind', kind);
  if (units.length <= pathUnitsMax) for (const unit of units) parameters.append('unit', unit);
  if (begin.from !== undefined) parameters.set('from', String(begin.from));
  if (begin.atLeast !== undefined) parameters.set('at-least', String(begin.atLeast));
  return { method: 'GET', path: `/fleet/v2/events?${parameters.toString()}`, changes: false };
}

function toItem(frame: SseFrame): { readonly kind: 'event'; readonly revision: number; readonly event: EventView } {
  try {
    const data = JSON.parse(frame.data === '' ? '{}' : frame.data) as object;
    return {
      kind: 'event',
      revision: Number(frame.id === '' ? 0 : frame.id),
      event: { ...data, kind: frame.event } as EventView,
    };
  } catch {
    throw new Unreachable(`the event stream holds something that is not JSON: ${frame.data.slice(0, 80)}`);
  }
}
