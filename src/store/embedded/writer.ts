/**
 * The main thread's end of the worker that holds the SQLite file.
 * Promises: every request is answered or fails with StoreUnavailable, whatever becomes of the worker, the disk included;
 * once the worker is lost it stays lost, and `lost` says why.
 */
import { Worker } from 'node:worker_threads';
import type { Clock } from '../../lib/clock.ts';
import { startTimer } from '../../lib/deadline.ts';
import type { LedgerContents } from '../ledger.ts';
import { StoreUnavailable } from '../store.ts';
import type { DatabaseOptions, DatabaseWrite } from './database.ts';
import type { WorkerAnswer, WorkerRequest } from './database-worker.ts';
import { workerSource } from './worker-source.ts';

/** A disk that takes longer is given up: everybody who waits is told, and the file is opened again. */
const answerTimeoutMs = 30_000;

export interface Writer {
  /** What the file held when it was opened. */
  readonly contents: LedgerContents;
  /** Resolves once the write is on disk. One at a time. */
  write(write: DatabaseWrite): Promise<void>;
  close(): Promise<void>;
  /** Aborted with the StoreUnavailable that says why when the worker can do no more. */
  readonly lost: AbortSignal;
}

/** Starts the worker and opens the file; rejects with StoreUnavailable. */
export async function openWriter(options: DatabaseOptions, clock: Clock): Promise<Writer> {
  const { program, eval: isProgram } = workerSource();
  const execArgv = ['--disable-warning=ExperimentalWarning']; // node:sqlite says that it is experimental.
  const worker = new Worker(program, { eval: isProgram, workerData: options, execArgv, name: 'store' });
  const lost = new AbortController();
  const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
  let waiting: { resolve(answer: WorkerAnswer): void; reject(error: Error): void } | null = null;

  const lose = (why: string): void => {
    if (lost.signal.aborted) return;
    lost.abort(new StoreUnavailable(why));
    waiting?.reject(lost.signal.reason as Error);
    waiting = null;
  };
  worker.on('message', (answer: WorkerAnswer) => {
    if (answer.kind === 'failed' && !answer.usable) lose(answer.why);
    waiting?.resolve(answer);
    waiting = null;
  });
  worker.on('error', (error) => lose(`the worker of the store ${options.file} failed: ${error instanceof Error ? error.message : String(error)}`));
  worker.on('exit', () => lose(`the worker of the store ${options.file} has ended`));

  const answered = async (request: WorkerRequest | null): Promise<WorkerAnswer> => {
    lost.signal.throwIfAborted();
    const answer = new Promise<WorkerAnswer>((resolve, reject) => {
      waiting = { resolve, reject };
    });
    if (request !== null) worker.postMessage(request);
    const stopTimer = startTimer({ clock, limitMs: answerTimeoutMs },
      () => lose(`the disk of the store ${options.file} gave no answer in ${answerTimeoutMs / 1_000} s`));
    try {
      const message = await answer;
      if (message.kind === 'failed') throw new StoreUnavailable(message.why);
      return message;
    } finally {
      stopTimer();
    }
  };
  const stop = async (): Promise<void> => {
    await Promise.race([worker.terminate(), ended]);
  };
  lost.signal.addEventListener('abort', () => void stop(), { once: true });

  const opened = await answered(null);
  if (opened.kind !== 'opened') throw new StoreUnavailable(`the worker of the store ${options.file} answered "${opened.kind}" instead of opening it`);
  return {
    contents: opened.contents,
    lost: lost.signal,
    async write(write: DatabaseWrite): Promise<void> {
      await answered({ kind: 'write', write });
    },
    async close(): Promise<void> {
      if (lost.signal.aborted) return stop();
      await answered({ kind: 'close' }).catch((error: unknown) => {
        if (!(error instanceof StoreUnavailable)) throw error; // It ended before it could answer: closed all the same.
      });
      await ended;
    },
  };
}
