/**
 * Many commits, one sync: everything that came while the disk was busy goes into its next transaction.
 * Promises: each change is decided by itself, in the order they came, and answered only once it is on disk; what was not written
 * is not seen by anybody; the queue is bounded.
 */
import type { Ledger, LedgerDelta, Staging } from '../ledger.ts';
import { StoreUnavailable } from '../store.ts';
import type { Writer } from './writer.ts';

const waitingMax = 10_000;
/** Bounds the memory of one transaction; what is left over goes into the next. */
const groupMax = 1_000;

export interface GroupCommit {
  /** Stages a change and resolves with what `stage` returned once it is on disk; rejects with what it threw. */
  add<T>(stage: (staging: Staging) => T, signal: AbortSignal): Promise<T>;
  /** Writes although nothing has changed: resolves when the disk takes writes, rejects with what it says against it. */
  prove(signal: AbortSignal): Promise<void>;
  /** Resolves when nothing waits any more. */
  idle(): Promise<void>;
}

/** A change that waits for its turn. */
interface Waiting {
  readonly isProof: boolean;
  /** Stages it and returns what answers its caller once that is on disk. */
  stage(staging: Staging): () => void;
  fail(error: unknown): void;
}

export interface GroupCommitNeeds {
  readonly ledger: Ledger;
  readonly writer: Writer;
  /** Called with what each group changed, before its callers are answered. */
  readonly onApplied: (delta: LedgerDelta) => void;
  /** Called with what became of each write: null when it is on disk, else why not. */
  readonly onWrite: (failure: StoreUnavailable | null) => void;
}

export function createGroupCommit({ ledger, writer, onApplied, onWrite }: GroupCommitNeeds): GroupCommit {
  const waiting = new Set<Waiting>();
  let working: Promise<void> | null = null;

  const writeGroup = async (): Promise<void> => {
    const group = [...waiting].slice(0, groupMax);
    for (const item of group) waiting.delete(item);
    try {
      const staging = ledger.stage();
      const answers = group.map((item) => item.stage(staging));
      if (changesAnything(staging.delta) || group.some(({ isProof }) => isProof)) {
        await writer.write(rowsOf(staging.delta));
        onWrite(null);
      }
      ledger.apply(staging);
      onApplied(staging.delta);
      for (const answer of answers) answer();
    } catch (error) {
      if (error instanceof StoreUnavailable) onWrite(error);
      for (const item of group) item.fail(error);
    }
  };
  const work = async (): Promise<void> => {
    await Promise.resolve(); // Lets everything that is asked for in this turn join the first group.
    while (waiting.size > 0) await writeGroup();
    working = null;
  };
  const enqueue = <T>(stage: (staging: Staging) => T, isProof: boolean, signal: AbortSignal): Promise<T> => new Promise((resolve, reject) => {
    signal.throwIfAborted();
    writer.lost.throwIfAborted();
    if (waiting.size >= waitingMax) throw new StoreUnavailable(`more than ${waitingMax} changes wait for the disk of the store`);
    const settle = (finish: () => void): void => {
      waiting.delete(item);
      signal.removeEventListener('abort', stop);
      finish();
    };
    const stop = (): void => settle(() => reject(signal.reason as Error));
    const fail = (error: unknown): void => settle(() => reject(error as Error));
    const item: Waiting = {
      isProof, fail,
      stage(staging: Staging): () => void {
        const staged = tryTo(() => stage(staging));
        return () => (staged.ok ? settle(() => resolve(staged.value)) : fail(staged.error));
      },
    };
    waiting.add(item);
    signal.addEventListener('abort', stop, { once: true });
    working ??= work();
  });
  return {
    add: (stage, signal) => enqueue(stage, false, signal),
    prove: (signal) => enqueue(() => undefined, true, signal),
    idle: () => working ?? Promise.resolve(),
  };
}

type Tried<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown };

/** A change that cannot be staged fails alone; its group goes on. */
function tryTo<T>(work: () => T): Tried<T> {
  try {
    return { ok: true, value: work() };
  } catch (error) {
    return { ok: false, error };
  }
}

function changesAnything(delta: LedgerDelta): boolean {
  return delta.entries.size > 0 || delta.leases.size > 0;
}

/** The batches are for watches only: they need not be copied into the worker. */
function rowsOf({ revision, lastLease, entries, leases }: LedgerDelta): Omit<LedgerDelta, 'batches'> {
  return { revision, lastLease, entries, leases };
}
