/**
 * A connection to systemd that comes back: run() keeps one open, trying its addresses in order, and tells when it is new.
 * Promises: at most one connection at a time; a call made while there is none waits a bounded time for one; onDoubt() is called
 * when a connection is lost and when there is a new one: nothing heard before is sure any more. A peer that hangs while nobody
 * asks anything of it is found out, too: its connection ends.
 */
import { createBackoff } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Log } from '../../lib/log.ts';
import type { Random } from '../../lib/random.ts';
import { RunnerUnavailable } from '../runner.ts';
import { BusError, connectBus } from './bus-connection.ts';
import type { BusAddress, BusCall, BusConnection } from './bus-connection.ts';
import type { BusFrame } from './bus-frames.ts';

/** Delays between attempts to connect. systemd is away for some 50 ms when it re-executes itself. */
const RECONNECT_MS = { firstMs: 50, maxMs: 5_000 } as const;
/** How often a peer is asked whether it is there, when nothing else is asked of it: a systemd that hangs sends no signal that says so. */
const PING_EVERY_MS = 5_000;
/** How long it may take to say so. A systemd that reads all its unit files again answers nobody meanwhile. */
const PING_MS_MAX = 10_000;
/** How long a call waits for a connection before it gives up. */
const CONNECTION_WAIT_MS_MAX = 5_000;

export interface BusLinkNeeds {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly onDoubt: () => void;
  readonly onSignal: (frame: BusFrame) => void;
}

export interface BusLink {
  /** Throws BusError when refused, RunnerUnavailable when there is no connection or no answer. */
  call(call: BusCall, signal: AbortSignal): Promise<readonly unknown[]>;
  /** Keeps the link connected until the signal is aborted. */
  run(signal: AbortSignal): Promise<void>;
}

export function createBusLink(addresses: readonly BusAddress[], needs: BusLinkNeeds): BusLink {
  let current: BusConnection | null = null;
  let lastFailure = 'not connected yet';
  const underWay = { calls: 0 };
  const waiters = new Set<(connection: BusConnection) => void>();

  /** Opens the first address that answers. Throws RunnerUnavailable naming all of them. */
  const connectAny = async (signal: AbortSignal): Promise<BusConnection> => {
    const failures: string[] = [];
    for (const address of addresses) {
      try {
        return await connectGreeted(address, needs, signal);
      } catch (error) {
        signal.throwIfAborted();
        failures.push((error as Error).message);
      }
    }
    throw new RunnerUnavailable(`systemd cannot be reached: ${failures.join('; ')}`);
  };

  const serve = async (connection: BusConnection, signal: AbortSignal): Promise<void> => {
    const close = (): void => connection.close();
    signal.addEventListener('abort', close, { once: true });
    current = connection;
    needs.onDoubt();
    for (const waiter of waiters) waiter(connection);
    const over = new AbortController();
    const pinging = keepPinging(connection, { clock: needs.clock, underWay }, over.signal);
    try {
      if (signal.aborted) close();
      lastFailure = (await connection.ended).message;
    } finally {
      over.abort();
      await pinging;
      signal.removeEventListener('abort', close);
      current = null;
      needs.onDoubt();
    }
  };

  return {
    async call(call, signal) {
      const connection = current ?? await nextConnection(waiters, needs.clock, signal);
      if (connection === null) throw new RunnerUnavailable(`systemd: ${lastFailure}`);
      return counted(underWay, () => connection.call(call, signal));
    },
    async run(signal) {
      const backoff = createBackoff(RECONNECT_MS, needs.random);
      let told = '';
      while (!signal.aborted) {
        try {
          const connection = await connectAny(signal);
          backoff.reset();
          told = '';
          await serve(connection, signal);
        } catch (error) {
          lastFailure = (error as Error).message;
        }
        if (signal.aborted) return;
        // Once for each reason: a machine may be without systemd's bus for hours.
        if (lastFailure !== told) needs.log.warning(`${lastFailure}; connecting again until it works`);
        told = lastFailure;
        await needs.clock.sleep(backoff.nextMs(), signal).catch(() => undefined);
      }
    },
  };
}

/** The next connection there is, or null when none comes in time. */
async function nextConnection(
  waiters: Set<(connection: BusConnection) => void>, clock: Clock, signal: AbortSignal,
): Promise<BusConnection | null> {
  const arrived = new AbortController();
  let connection: BusConnection | null = null;
  const waiter = (next: BusConnection): void => {
    connection = next;
    arrived.abort();
  };
  waiters.add(waiter);
  try {
    await clock.sleep(CONNECTION_WAIT_MS_MAX, AbortSignal.any([signal, arrived.signal])).catch(() => undefined);
  } finally {
    waiters.delete(waiter);
  }
  signal.throwIfAborted();
  return connection;
}

/** How many calls wait for their answers. */
interface UnderWay {
  calls: number;
}

async function counted<T>(underWay: UnderWay, work: () => Promise<T>): Promise<T> {
  underWay.calls += 1;
  try {
    return await work();
  } finally {
    underWay.calls -= 1;
  }
}

/**
 * Asks the peer now and then whether it is there; a missed answer ends the connection. Resolves when the signal is aborted. While a call is
 * under way nothing is asked: it has a deadline of its own, and a systemd that is at work on it answers only afterwards.
 */
async function keepPinging(
  connection: BusConnection, { clock, underWay }: { readonly clock: Clock; readonly underWay: UnderWay }, signal: AbortSignal,
): Promise<void> {
  const ping = { ...systemd, interface: 'org.freedesktop.DBus.Peer', member: 'Ping', waitMsMax: PING_MS_MAX };
  while (!signal.aborted) {
    await clock.sleep(PING_EVERY_MS, signal).catch(() => undefined);
    if (signal.aborted || underWay.calls > 0) continue;
    try {
      await connection.call(ping, signal);
    } catch (error) {
      // Whoever refuses to answer is there; everything else means that the connection is over.
      if (!(error instanceof BusError)) return;
    }
  }
}

const bus = {
  destination: 'org.freedesktop.DBus', path: '/org/freedesktop/DBus', interface: 'org.freedesktop.DBus',
} as const;
const systemd = {
  destination: 'org.freedesktop.systemd1',
  path: '/org/freedesktop/systemd1',
  interface: 'org.freedesktop.systemd1.Manager',
} as const;

/** On a message bus: says hello and asks for systemd's signals, with one match because a connection may have few. */
async function connectGreeted(address: BusAddress, needs: BusLinkNeeds, signal: AbortSignal): Promise<BusConnection> {
  const connection = await connectBus(address, needs, signal);
  if (address.direct) return connection;
  try {
    const match = "type='signal',sender='org.freedesktop.systemd1',path_namespace='/org/freedesktop/systemd1'";
    await connection.call({ ...bus, member: 'Hello' }, signal);
    await connection.call({ ...bus, member: 'AddMatch', signature: 's', body: [match] }, signal);
    await connection.call({ ...systemd, member: 'Subscribe' }, signal);
    return connection;
  } catch (error) {
    connection.close();
    throw error;
  }
}
