/**
 * GET and POST /fleet/v2/events.
 * Promises: a stream is refused with a reason or lives until its reader or the API ends it; one that cannot be resumed
 * is told so before anything is sent.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { failure, success, type Result } from '../../core/failure.ts';
import { limits } from '../../core/limits.ts';
import type { EventsRequest } from '../../protocol/v2.ts';
import type { Revision } from '../../store/store.ts';
import { inTime, withDeadline } from '../../lib/deadline.ts';
import { eventKinds, type EventFilter } from '../events/filter.ts';
import { streamEvents, type EventQuery } from '../events/event-stream.ts';
import { queryValues, sendFailure } from '../http.ts';
import { shown } from '../json.ts';
import { whileOpen } from '../text-stream.ts';
import { streamsExhausted } from '../stream-counter.ts';
import { neverSynced, type Scene } from './scene.ts';

/** How long a stream waits for a revision that another fleetd has announced. */
const waitLimitMs = 10_000;

export function getEvents(
  scene: Scene,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> | FastifyReply {
  const asked = readQuery(request);
  return asked.ok ? openStream(scene, asked.value, reply) : sendFailure(reply, asked.failure);
}

/** The same with a body, for more names than fit into a path. */
export function postEvents(
  scene: Scene,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> | FastifyReply {
  return openStream(scene, request.body as EventsRequest, reply); // Its schema has been checked.
}

function readQuery(request: FastifyRequest): Result<EventsRequest> {
  const units = queryValues(request, 'unit');
  const services = queryValues(request, 'service');
  const words = queryValues(request, 'kind');
  const kinds = eventKinds.filter((kind) => words.includes(kind));
  const named = Math.max(units.length, services.length);
  if (named > limits.unitsPerRequestMax) {
    return failure('REQUEST_TOO_LARGE', `${named} units or services are named, the limit is ${limits.unitsPerRequestMax}`);
  }
  const wrong = words.find((word) => !kinds.some((kind) => kind === word));
  if (wrong !== undefined) {
    return failure('REQUEST_INVALID', `"kind" is ${shown(wrong)}, should be one of ${eventKinds.join(', ')}`);
  }
  const [from, atLeast] = [readRevision(request, 'from'), readRevision(request, 'at-least')];
  if (!from.ok) return from;
  if (!atLeast.ok) return atLeast;
  return success({
    ...(units.length === 0 ? {} : { units }),
    ...(services.length === 0 ? {} : { services }),
    ...(kinds.length === 0 ? {} : { kinds }),
    ...(from.value === null ? {} : { from: from.value }),
    ...(atLeast.value === null ? {} : { atLeast: atLeast.value }),
  });
}

function readRevision(request: FastifyRequest, name: string): Result<number | null> {
  const [text] = queryValues(request, name);
  if (text === undefined) return success(null);
  const value = Number(text);
  return /^\d{1,16}$/.test(text) && Number.isSafeInteger(value)
    ? success(value)
    : failure('REQUEST_INVALID', `"${name}" is ${shown(text)}, should be a revision`);
}

async function openStream(scene: Scene, asked: EventsRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { needs, history, streams } = scene;
  if (needs.mirror.snapshot().revision === 0) return sendFailure(reply, neverSynced(needs));
  const release = streams.take();
  if (release === null) return sendFailure(reply, streamsExhausted);
  try {
    const isReached = await waitFor(scene, asked.from ?? asked.atLeast ?? 0);
    const from = asked.from ?? null;
    if (from !== null && history.after(from) === null) {
      return sendFailure(
        reply,
        failure('REVISION_COMPACTED', `the events after revision ${from} are not known here; begin without "from"`)
          .failure,
      );
    }
    if (!isReached) {
      return sendFailure(
        reply,
        failure(
          'STORE_UNAVAILABLE',
          `this fleetd has not seen revision ${asked.atLeast ?? 0} of the store yet; try again or ask another one`,
        ).failure,
      );
    }
    await serve(scene, { filter: filterOf(asked), from }, reply);
    return reply;
  } finally {
    release();
  }
}

/** Waits until the mirror is at a revision; false when it is not in time. */
function waitFor({ needs, signal }: Scene, revision: number): Promise<boolean> {
  return inTime(
    withDeadline({ clock: needs.clock, limitMs: waitLimitMs, signal }, (limited) =>
      needs.mirror.reached(revision as Revision, limited),
    ),
  );
}

function filterOf({ units, services, kinds }: EventsRequest): EventFilter {
  const setOf = (names: readonly string[] | undefined): ReadonlySet<string> | null => (names === undefined ? null : new Set(names));
  return { units: setOf(units), services: setOf(services), kinds: setOf(kinds) };
}

async function serve(scene: Scene, query: EventQuery, reply: FastifyReply): Promise<void> {
  const { needs, history, viewed } = scene;
  const out = reply.raw;
  reply.hijack();
  out.writeHead(200, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
    server: `fleetd/${needs.version}`,
  });
  out.flushHeaders();
  const signal = whileOpen(out, scene.signal);
  try {
    await streamEvents(
      { history, mirror: needs.mirror, sections: viewed().sections, clock: needs.clock, log: needs.log },
      { query, out },
      signal,
    );
    out.end();
  } catch (error) {
    needs.log.error(`an event stream broke off; its reader connects again: ${String(error)}`);
    out.destroy();
  }
}
