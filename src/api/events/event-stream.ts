/**
 * One stream of server-sent events.
 * Promises: the present state comes whole before the first change, nothing between them is lost; a reader holds no
 * memory of ours beyond the shared history, and is cut off when it falls out of that or takes nothing for a minute; a
 * comment every 15 s shows that the stream lives; it ends cleanly when the API stops.
 */
import type { Writable } from 'node:stream';
import type { SectionReader } from '../../core/schedule/sections.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Log } from '../../lib/log.ts';
import { createBell } from '../../lib/wakeups.ts';
import type { Mirror } from '../../store/mirror.ts';
import { DeadlineExceeded, inTime, withDeadline } from '../../lib/deadline.ts';
import { writeText } from '../text-stream.ts';
import type { Pace } from '../text-stream.ts';
import { describePresent } from './describe-changes.ts';
import type { EventHistory, Recent } from './event-history.ts';
import { frameOf, passes, type EventFilter } from './filter.ts';

const heartbeatMs = 15_000;
/** Events are written in pieces of about this many characters: what a stream holds for a slow reader. */
const pieceCharacters = 65_536;

export interface EventStreamNeeds {
  readonly history: EventHistory;
  readonly mirror: Mirror;
  readonly sections: SectionReader;
  readonly clock: Clock;
  readonly log: Log;
}

/** What a stream tells: `from` null begins with the present state. */
export interface EventQuery {
  readonly filter: EventFilter;
  readonly from: number | null;
}

/** Writes events until the signal is aborted, or the reader is too slow. */
export async function streamEvents(
  needs: EventStreamNeeds,
  { query, out }: { readonly query: EventQuery; readonly out: Writable },
  signal: AbortSignal,
): Promise<void> {
  const { history, clock, log } = needs;
  const bell = createBell();
  const unsubscribe = history.subscribe(() => bell.wake());
  try {
    let position = query.from ?? (await writePresent(needs, { filter: query.filter, out }, signal));
    for (;;) {
      const recent = history.after(position);
      if (recent === null) {
        return log.warning(
          'an event stream is closed: its reader fell too far behind, or the store was put back; it begins again',
        );
      }
      await writePieces(out, textsOf(recent, query.filter), { clock, signal });
      position = recent.position;
      const hasRung = await inTime(
        withDeadline({ clock, limitMs: heartbeatMs, signal }, (limited) => bell.wait(limited)),
      );
      if (!hasRung) await writeText(out, ': alive\n\n', { clock, signal });
    }
  } catch (error) {
    if (error instanceof DeadlineExceeded) log.warning('an event stream is closed: its reader takes nothing');
    else if (!signal.aborted) throw error;
  } finally {
    unsubscribe();
  }
}

/** Writes everything there is, then `current`; returns the position it was at. */
async function writePresent(
  { history, mirror, sections, clock }: EventStreamNeeds,
  { filter, out }: { readonly filter: EventFilter; readonly out: Writable },
  signal: AbortSignal,
): Promise<number> {
  const snapshot = mirror.snapshot();
  const { revision } = snapshot;
  const position = history.position();
  function* texts(): Generator<string> {
    for (const event of describePresent({ snapshot, sections }, (head) => passes(filter, head))) {
      yield frameOf(event, revision);
    }
    yield frameOf({ kind: 'current' }, revision);
  }
  await writePieces(out, texts(), { clock, signal });
  return position;
}

function* textsOf({ frames }: Recent, filter: EventFilter): Generator<string> {
  for (const frame of frames) if (passes(filter, frame)) yield frame.text;
}

/** Writes texts, several at a time, at the pace of the reader. */
async function writePieces(out: Writable, texts: Iterable<string>, pace: Pace): Promise<void> {
  let piece = '';
  for (const text of texts) {
    piece += text;
    if (piece.length < pieceCharacters) continue;
    await writeText(out, piece, pace);
    piece = '';
  }
  if (piece !== '') await writeText(out, piece, pace);
}
