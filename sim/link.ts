/**
 * The network between one machine and the store.
 * Promises: what travels over a cut link fails soon; over a silent one it waits until the link speaks again, or until
 * somebody notices the silence; within `noticeMs` somebody always does, as a keepalive would.
 */
import type { Clock } from '../src/lib/clock.ts';
import type { Random } from '../src/lib/random.ts';
import { whenAborted } from '../src/lib/tasks.ts';
import { StoreUnavailable } from '../src/store/store.ts';

/** How long a connection may be silent before its end notices, in milliseconds. */
const noticeMs = { min: 2_000, max: 15_000 } as const;

export interface Link {
  state(): 'up' | 'cut' | 'silent';
  /** Breaks all connections; new ones are refused. */
  cut(): void;
  /** Nothing gets through in either direction, and nobody is told. */
  silence(): void;
  heal(): void;
  /** Aborted when the connections of this moment break. */
  connection(): AbortSignal;
  /**
   * Resolves when something sent now has arrived, `afterMs` from now at the earliest; rejects when it is known to be
   * lost.
   */
  travel(afterMs: number): Promise<void>;
}

export interface LinkNeeds {
  /** True time. */
  readonly clock: Clock;
  readonly random: Random;
}

export function createLink({ clock, random }: LinkNeeds): Link {
  let state: 'up' | 'cut' | 'silent' = 'up';
  let connection = new AbortController();
  let healed = Promise.withResolvers<void>();

  const broken = (): StoreUnavailable => new StoreUnavailable('the connection to the store broke');
  const breakConnections = (): void => {
    connection.abort(broken());
    connection = new AbortController();
  };
  /** Waits for the end of a silence; rejects once it is noticed. */
  const outlast = async (): Promise<void> => {
    const { signal } = connection;
    await Promise.race([healed.promise, whenAborted(signal)]);
    signal.throwIfAborted();
  };
  return {
    state: () => state,
    cut(): void {
      state = 'cut';
      breakConnections();
    },
    silence(): void {
      state = 'silent';
      healed = Promise.withResolvers();
      const { signal } = connection;
      const notice = noticeMs.min + random.next() * (noticeMs.max - noticeMs.min);
      clock.sleep(Math.round(notice), signal).then(
        () => {
          if (state !== 'up') breakConnections();
          if (state === 'silent') state = 'cut';
        },
        () => undefined,
      ); // Broken before anybody noticed.
    },
    heal(): void {
      state = 'up';
      healed.resolve();
    },
    connection: () => connection.signal,
    async travel(afterMs): Promise<void> {
      const { signal } = connection;
      if (state === 'cut') throw broken();
      await clock.sleep(afterMs, signal);
      if (state === 'silent') await outlast();
      signal.throwIfAborted();
    },
  };
}
