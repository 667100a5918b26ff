/**
 * Level-triggered loops: an event only wakes the loop, which then reads everything again.
 * Promises: any number of wake() calls while the loop works make it run once more, none is lost, memory stays constant.
 */

/** A bell: wake() rings it, wait() returns as soon as it has rung since the last wait(). */
export interface Bell {
  wake(): void;
  /** Resolves when rung (at once when it already was); rejects with the signal's reason when aborted. */
  wait(signal: AbortSignal): Promise<void>;
}

export function createBell(): Bell {
  let rung = false;
  let waiter: (() => void) | null = null;
  return {
    wake(): void {
      rung = true;
      waiter?.();
    },
    wait(signal: AbortSignal): Promise<void> {
      return new Promise((resolve, reject) => {
        signal.throwIfAborted();
        const finish = (): void => {
          signal.removeEventListener('abort', stop);
          waiter = null;
          rung = false;
          resolve();
        };
        const stop = (): void => {
          waiter = null;
          reject(signal.reason as Error);
        };
        if (rung) return finish();
        waiter = finish;
        signal.addEventListener('abort', stop, { once: true });
      });
    },
  };
}
