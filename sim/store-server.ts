/**
 * The store as one service that can be away, hang, and come back with other data: the memory store behind a door.
 * Promises: while it is down every call fails and every watch breaks; while it hangs calls wait, and take effect when
 * it goes on, whether or not anybody still waits for the answer. Nothing it has answered is ever lost, except to those
 * who put a wrong store in its place, and then it comes back as it was.
 */
import type { Clock } from '../src/lib/clock.ts';
import { createMemoryStore } from '../src/store/memory-store.ts';
import type { MemoryStore } from '../src/store/memory-store.ts';
import type { LedgerContents } from '../src/store/ledger.ts';
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
  /** Puts other data in the place of those there are, an older copy or none; every connection breaks. */
  mislead(copy: LedgerContents | undefined): void;
  /** Puts the right data back, as they were when they went; every connection breaks. */
  setRight(): void;
  isRight(): boolean;
  /** Resolves when the data are the right ones. */
  righted(): Promise<void>;
  /** How often data took the place of others: a call that was on its way meanwhile has met nobody. */
  era(): number;
}

export function createStoreServer(clock: Clock): StoreServer {
  const data = createMemoryStore({ clock });
  let state: 'up' | 'down' | 'hung' = 'up';
  let connection = new AbortController();
  let recovered = Promise.withResolvers<void>();
  let right: LedgerContents | null = null;
  let righted = Promise.withResolvers<void>();
  righted.resolve();
  let era = 0;
  const replace = (copy: LedgerContents | undefined): void => {
    era += 1;
    data.putBack(copy);
    connection.abort(new StoreUnavailable('the store was replaced'));
    connection = new AbortController();
  };
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
    mislead(copy): void {
      right = data.copy();
      righted = Promise.withResolvers();
      replace(copy);
    },
    setRight(): void {
      if (right === null) return;
      replace(right);
      right = null;
      righted.resolve();
    },
    isRight: () => right === null,
    righted: () => righted.promise,
    era: () => era,
  };
}
