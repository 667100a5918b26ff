/**
 * Several loops that live and end together, and the wait for their end.
 * Promises: none of them goes on after the call has ended, and no failure of one is lost.
 */

/** One loop: works until its signal is aborted or it has nothing more to do. */
export type Task = (signal: AbortSignal) => Promise<void>;

/**
 * Runs tasks until the first of them ends or `signal` is aborted; then ends the others and waits for all.
 * Throws the failure of the first that failed by itself; ending because of the abort is no failure.
 */
export async function untilFirstEnds(tasks: readonly Task[], signal: AbortSignal): Promise<void> {
  const ending = new AbortController();
  const both = AbortSignal.any([signal, ending.signal]);
  let failure: { readonly error: unknown } | null = null;
  const run = async (task: Task): Promise<void> => {
    try {
      await task(both);
    } catch (error) {
      if (!both.aborted) failure ??= { error };
    } finally {
      ending.abort();
    }
  };
  await Promise.all(tasks.map(run));
  rethrow(failure);
}

/** Resolves when the signal is aborted; at once when it is. */
export function whenAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

function rethrow(failure: { readonly error: unknown } | null): void {
  if (failure !== null) throw failure.error;
}
