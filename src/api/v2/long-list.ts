/**
 * Lists that may be long, sent as they are made.
 * Promises: a list is of one moment of the cluster; it is made at the pace of its reader, and the event loop turns after each piece; a reader that
 * takes nothing for a minute is cut off.
 */
import type { FastifyReply } from 'fastify';
import { DeadlineExceeded } from '../../lib/deadline.ts';
import { sendFailure } from '../http.ts';
import { nextTurn } from '../portions.ts';
import { whileOpen, writeText } from '../text-stream.ts';
import type { Rows, Viewed } from '../views.ts';
import { storeDoubts } from '../write/decision.ts';
import { markStale, neverSynced, type Scene } from './scene.ts';

/** Rows are written in pieces of about this many characters. */
const pieceCharacters = 65_536;

/** The rows of a list and the field of the answer that holds them. */
export interface LongList {
  readonly field: string;
  readonly rows: Rows<object>;
}

/** Answers with a list of the newest snapshot, beside its revision; refuses while nothing is known. */
export async function sendList(scene: Scene, reply: FastifyReply, list: (viewed: Viewed) => LongList): Promise<FastifyReply> {
  const { clock, log, mirror } = scene.needs;
  const viewed = scene.viewed();
  if (viewed.snapshot.revision === 0) return sendFailure(reply, neverSynced(scene.needs));
  markStale({ clock, mirror }, reply);
  const out = reply.raw;
  const signal = whileOpen(out, scene.signal);
  reply.hijack();
  for (const [name, value] of Object.entries(reply.getHeaders())) if (value !== undefined) out.setHeader(name, value);
  out.writeHead(200, { 'content-type': 'application/json' });
  try {
    for (const piece of piecesOf(viewed.snapshot.revision, list(viewed), storeDoubts(scene.needs))) {
      if (piece !== '') await writeText(out, piece, { clock, signal });
      await nextTurn();
    }
    out.end();
  } catch (error) {
    if (error instanceof DeadlineExceeded) log.warning('a list broke off: its reader takes nothing');
    else if (!signal.aborted) log.error(`a list broke off; its reader sees the end of the connection: ${String(error)}`);
    out.destroy();
  }
  return reply;
}

/** The text of the answer; an empty piece is a pause. `troubles`: why what is listed may not be what machines do. */
function* piecesOf(revision: number, { field, rows }: LongList, troubles: readonly string[]): Generator<string> {
  let piece = `{"revision":${revision},${JSON.stringify(field)}:[`;
  let separator = '';
  for (const row of rows) {
    if (row === null) {
      yield '';
      continue;
    }
    piece += separator + JSON.stringify(row);
    separator = ',';
    if (piece.length < pieceCharacters) continue;
    yield piece;
    piece = '';
  }
  yield `${piece}]${troubles.length === 0 ? '' : `,"troubles":${JSON.stringify(troubles)}`}}`;
}
