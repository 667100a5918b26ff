/**
 * Whether the disk of the store takes changes: people are to see a full disk also when nobody writes.
 * Promises: a trouble is logged once when it begins and once when it ends; while there is one the disk is tried now and then.
 */
import type { Clock } from '../../lib/clock.ts';
import type { Log } from '../../lib/log.ts';
import { StoreUnavailable } from '../store.ts';

/** Between two tries of a disk that took no change. */
const tryAgainMs = 5_000;

export interface DiskWatch {
  /** What became of a write: null when it is on disk, else why not. */
  note(failure: StoreUnavailable | null): void;
  /** Why the disk takes no changes; null when it does. */
  trouble(): string | null;
  /** Resolves when nothing is tried any more. */
  idle(): Promise<void>;
}

/** `prove` writes something and throws StoreUnavailable when that fails; nothing is tried after the signal was aborted. */
export function createDiskWatch(
  { clock, log }: { readonly clock: Clock; readonly log: Log }, prove: (signal: AbortSignal) => Promise<void>, signal: AbortSignal,
): DiskWatch {
  let trouble: string | null = null;
  let trying: Promise<void> | null = null;
  const tryUntilItWorks = async (): Promise<void> => {
    while (trouble !== null) {
      await clock.sleep(tryAgainMs, signal).catch(() => undefined);
      if (signal.aborted) break;
      await prove(signal).catch((error: unknown) => {
        if (!(error instanceof StoreUnavailable)) throw error; // What it says has been noted.
      });
    }
    trying = null;
  };
  return {
    note(failure): void {
      if (failure === null && trouble !== null) log.info('the store takes changes again');
      if (failure !== null && trouble === null) log.warning(`the store takes no changes, trying again: ${failure.message}`);
      trouble = failure?.message ?? null;
      if (trouble !== null) trying ??= tryUntilItWorks();
    },
    trouble: () => trouble,
    idle: () => trying ?? Promise.resolve(),
  };
}
