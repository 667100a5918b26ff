/**
 * GET /fleet/v2/backup, and POST /fleet/v2/restore, /restore/entries, /restore/finish.
 * Promises: a backup is of one revision, and is sealed at its end; one is made at a time; its reader decides the pace.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { createBackupWriter } from '../../core/backup.ts';
import type { Result } from '../../core/failure.ts';
import { withDeadline } from '../../lib/deadline.ts';
import type { RestoreEntriesRequest, RestoreFinishRequest, RestoreStep, RestoreRequest } from '../../protocol/v2.ts';
import { isStoreTrouble } from '../../store/lease-keeper.ts';
import type { Listing, Revision } from '../../store/store.ts';
import { sendFailure, sendJson } from '../http.ts';
import { isKept } from '../restore/restored.ts';
import { beginRestore, finishRestore, restoreEntries } from '../restore/restore.ts';
import { streamsExhausted } from '../stream-counter.ts';
import { whileOpen, writeText } from '../text-stream.ts';
import { storeLostBy, whyRestoring } from '../write/decision.ts';
import type { Scene } from './scene.ts';

const listLimitMs = 60_000;
/** Lines are written in pieces of about this many characters. */
const pieceCharacters = 65_536;

export async function getBackup(scene: Scene, _: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { needs, streams, signal } = scene;
  const restoring = whyRestoring(needs.mirror.snapshot());
  if (restoring !== null) return sendFailure(reply, restoring.failure);
  const release = streams.take();
  if (release === null) return sendFailure(reply, streamsExhausted);
  try {
    const listing = await withDeadline({ clock: needs.clock, limitMs: listLimitMs, signal }, (late) => needs.store.list('', late));
    await writeBackup(scene, listing, reply);
    return reply;
  } catch (error) {
    if (isStoreTrouble(error)) return sendFailure(reply, storeLostBy(needs, error).failure);
    throw error;
  } finally {
    release();
  }
}

async function writeBackup(scene: Scene, listing: Listing, reply: FastifyReply): Promise<void> {
  const { needs } = scene;
  const out = reply.raw;
  reply.hijack();
  out.writeHead(200, {
    'content-type': 'application/x-ndjson', 'cache-control': 'no-store', server: `fleetd/${needs.version}`,
  });
  const pace = { clock: needs.clock, signal: whileOpen(out, scene.signal) };
  try {
    let piece = '';
    for (const line of linesOf(scene, listing)) {
      piece += line;
      if (piece.length < pieceCharacters) continue;
      await writeText(out, piece, pace);
      piece = '';
    }
    await writeText(out, piece, pace);
    out.end();
  } catch (error) {
    // Without its last line nobody takes it for a backup.
    needs.log.warning(`a backup broke off: ${error instanceof Error ? error.message : String(error)}`);
    out.destroy();
  }
}

function* linesOf({ needs }: Scene, { revision, entries }: Listing): Generator<string> {
  const writer = createBackupWriter();
  const tokenBase = needs.mirror.snapshot().storeAcceptance?.atMs ?? 0;
  yield writer.header({ version: needs.version, createdAtMs: needs.clock.nowMs(), revision, tokenBase, store: needs.storeKind });
  for (const entry of entries) if (isKept(entry)) yield writer.entry(entry);
  yield writer.seal();
}

export async function postRestore({ needs, signal }: Scene, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { revision, tokenBase, force, by } = request.body as RestoreRequest; // Its schema has been checked.
  return answer(reply, await beginRestore(needs, { backup: { revision, tokenBase }, force: force === true, by: by ?? '' }, signal));
}

export async function postRestoreEntries({ needs, signal }: Scene, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { restore, entries } = request.body as RestoreEntriesRequest; // Its schema has been checked.
  return answer(reply, await restoreEntries(needs, { restore: restore as Revision, entries }, signal));
}

export async function postRestoreFinish({ needs, signal }: Scene, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { restore } = request.body as RestoreFinishRequest; // Its schema has been checked.
  return answer(reply, await finishRestore(needs, restore as Revision, signal));
}

function answer(reply: FastifyReply, outcome: Result<Revision>): FastifyReply {
  if (!outcome.ok) return sendFailure(reply, outcome.failure);
  return sendJson(reply, 200, { revision: outcome.value } satisfies RestoreStep);
}
