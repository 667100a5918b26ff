/**
 * The calls that make and restore backups.
 * Promises: a backup comes in pieces and is never held whole; steps of a restore have the time that a whole store takes.
 */
import type { RestoreEntriesRequest, RestoreFinishRequest, RestoreRequest, RestoreStep } from '../protocol/v2.ts';
import { readChunks, readError } from './call.ts';
import type { Call, Caller } from './call.ts';

/** Everything the store holds is listed before the answer to these begins. */
const wholeStoreMs = 60_000;

export interface BackupCalls {
  /** A backup, in pieces as they come; only with its last line it is one (core/backup.ts). */
  backup(signal: AbortSignal): AsyncIterable<string>;
  beginRestore(request: RestoreRequest, signal: AbortSignal): Promise<RestoreStep>;
  restoreEntries(request: RestoreEntriesRequest, signal: AbortSignal): Promise<RestoreStep>;
  finishRestore(request: RestoreFinishRequest, signal: AbortSignal): Promise<RestoreStep>;
}

export function backupCalls(caller: Caller): BackupCalls {
  const step = (path: string, body: object, signal: AbortSignal): Promise<RestoreStep> =>
    caller.json<RestoreStep>(
      { method: 'POST', path: `/fleet/v2/restore${path}`, body: JSON.stringify(body), changes: true, timeoutMs: wholeStoreMs },
      signal,
    );
  return {
    async *backup(signal: AbortSignal): AsyncGenerator<string> {
      const call: Call = { method: 'GET', path: '/fleet/v2/backup', changes: false, timeoutMs: wholeStoreMs };
      const answer = await caller.open(call, signal);
      if (answer.message.statusCode !== 200) throw await readError(answer, call, signal);
      const decoder = new TextDecoder();
      for await (const chunk of readChunks(answer, wholeStoreMs, signal)) yield decoder.decode(chunk, { stream: true });
    },
    beginRestore: (request, signal) => step('', request, signal),
    restoreEntries: (request, signal) => step('/entries', request, signal),
    finishRestore: (request, signal) => step('/finish', request, signal),
  };
}
