/**
 * Entry point of the embedded store's worker thread: opens the file named in its worker data and does one request after the other.
 * In the single executable it is bundled by itself (see worker-source.ts), so it imports nothing that needs the main thread.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { DatabaseTrouble, openDatabase } from './database.ts';
import type { Database, DatabaseOptions, DatabaseWrite } from './database.ts';
import type { LedgerContents } from '../ledger.ts';

export type WorkerRequest = { readonly kind: 'write'; readonly write: DatabaseWrite } | { readonly kind: 'close' };

/** One answer for each request, and one after opening. After `failed` with `usable` false the worker has ended. */
export type WorkerAnswer =
  | { readonly kind: 'opened'; readonly contents: LedgerContents }
  | { readonly kind: 'written' }
  | { readonly kind: 'closed' }
  | { readonly kind: 'failed'; readonly why: string; readonly usable: boolean };

function serve(port: NonNullable<typeof parentPort>, options: DatabaseOptions): void {
  const answer = (message: WorkerAnswer): void => port.postMessage(message);
  const fail = (error: unknown, usable: boolean): void => {
    if (!(error instanceof DatabaseTrouble)) throw error;
    answer({ kind: 'failed', why: error.message, usable });
  };
  const database = open(options, answer, fail);
  if (database === null) return port.close();
  port.on('message', (request: WorkerRequest) => {
    if (request.kind === 'close') {
      database.close();
      answer({ kind: 'closed' });
      return port.close();
    }
    try {
      database.write(request.write);
      answer({ kind: 'written' });
    } catch (error) {
      const usable = error instanceof DatabaseTrouble && error.usable;
      if (!usable) database.close();
      fail(error, usable);
      if (!usable) port.close();
    }
  });
}

/** Opens the file and answers with what it holds; null when that failed. */
function open(
  options: DatabaseOptions, answer: (message: WorkerAnswer) => void, fail: (error: unknown, usable: boolean) => void,
): Database | null {
  let database: Database | null = null;
  try {
    database = openDatabase(options);
    answer({ kind: 'opened', contents: database.load() });
    return database;
  } catch (error) {
    database?.close();
    fail(error, false);
    return null;
  }
}

if (parentPort !== null) serve(parentPort, workerData as DatabaseOptions);
