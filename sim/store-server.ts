/**
 * The store as one service that can be away, and hang: the memory store behind a door.
 * Promises: while it is down every call fails and every watch breaks; while it hangs calls wait, and take effect when
 * it goes on, whether or not anybody still waits for the answer. Nothing it has answered is ever lost.
 */
import type { Clock } from '../src/lib/clock.ts';
import { createMemoryStore } from '../src/store/memory-store.ts';
import type { MemoryStore } from '../src/store/memory-store.ts';
import { StoreUnavailable } from '../src/store/store.ts';

export interface StoreServer {
  readonly data: MemoryStore;
  state(): 'up' | 'down' | 'hung';
  /** Ends every connection; calls are refused until it recovers. */
  goDown(): void;
  /** Stops answering, as with a disk that does not. Leases run out meanwhile. */
  hang(): void;
  recover(): void;
  /** Resolves when a call that has arrived may take effect; rejects while the service is down. */
  admit(): Promise<void>;
  /** Aborted when the connections of this moment break. */
  connection(): AbortSignal;
}

export function createStoreServer(clock: Clock): StoreServer {
  const data = createMemoryStore({ clock });
  let state: 'up' | 'down' | 'hung' = 'up';
  let connection = new AbortController();
  let recovered = Promise.withResolvers<void>();
  const refuse = (): StoreUnavailable => new StoreUnavailable('the store is down');
  return {
    data,
    state: () => state,
    goDown(): void {
      state = 'down';
      connection.abort(refuse());
      connection = new AbortController();
    },
    hang(): void {
      state = 'hung';
      recovered = Promise.withResolvers();
    },
    recover(): void {
      state = 'up';
      recovered.resolve();
    },
    async admit(): Promise<void> {
      if (state === 'hung') await recovered.promise;
      if (state === 'down') throw refuse();
    },
    connection: () => connection.signal,
  };
}
