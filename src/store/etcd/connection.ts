/**
 * The way to an etcd cluster: one session at a time, on one of its members.
 * Promises: a member that fails is left for the next one; a request is sent once (again only after a refused token,
 * which did nothing); whoever calls waits for at most one attempt at each member and one request.
 */
import type { ChannelCredentials } from '@grpc/grpc-js';
import type { DescMessage, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import { assert } from '../../core/failure.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Log } from '../../lib/log.ts';
import type { Random } from '../../lib/random.ts';
import { StoreUnavailable } from '../store.ts';
import type { Leave, StoreError } from './errors.ts';
import { isStaleToken, storeErrorOf } from './errors.ts';
import { parseEndpoint, patienceOf } from './options.ts';
import type { Endpoint, EtcdOptions } from './options.ts';
import { openSession, secureCredentials } from './session.ts';
import type { Method, Session } from './session.ts';

export interface ConnectionNeeds {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** Whether the store can be reached, as far as is known. */
export interface ConnectionHealth {
  readonly connected: boolean;
  /** The member in use, or the one that failed last; empty before the first attempt. */
  readonly endpoint: string;
  /** Clock.uptimeMs() since when. */
  readonly sinceMs: number;
  /** Why not, one line; empty when connected. */
  readonly why: string;
}

export interface Connection {
  /** The session in use, made if there is none. Rejects with StoreUnavailable or the signal's reason. */
  session(signal: AbortSignal): Promise<Session>;
  /** One request, one answer, within the request timeout. Rejects with a StoreError or the signal's reason. */
  request<I extends DescMessage, O extends DescMessage>(
    method: Method<I, O>, request: MessageInitShape<I>, signal: AbortSignal): Promise<MessageShape<O>>;
  /** Turns what went wrong on a session into a StoreError, and leaves the member when it is to blame. */
  failed(session: Session, error: unknown): Error;
  /** Leaves a member: its session ends with `why`, the next one is tried when somebody asks. */
  leave(session: Session, why: StoreError): void;
  health(): ConnectionHealth;
  close(): Promise<void>;
}

/**
 * Makes a connection to one of `options.endpoints`; the first is chosen at random, so that machines spread over
 * members.
 */
export function createConnection(options: EtcdOptions, needs: ConnectionNeeds): Connection {
  const closing = new AbortController();
  const health = trackHealth(needs.clock);
  const openNext = createRotation(options, needs, health);
  let current: Session | null = null;
  let connecting: Promise<Session> | null = null;

  const hasOthers = options.endpoints.length > 1;
  // Whoever waits longer for an answer than from one ping to the next hears from the pings that the connection is dead.
  const pingsTell = options.requestTimeoutMs >= patienceOf(options).pingEveryMs;
  const leavesFor: Readonly<Record<Leave, boolean>> = { no: false, 'for another member': hasOthers, 'if it may be dead': hasOthers || !pingsTell, yes: true };

  const leave = (session: Session, why: StoreError): void => {
    session.end(why);
    if (session !== current) return;
    current = null;
    health.note(false, session.endpoint, why.message);
  };
  const connect = async (): Promise<Session> => {
    try {
      current = await openNext(closing.signal);
      return current;
    } finally {
      connecting = null;
    }
  };
  const session = (signal: AbortSignal): Promise<Session> => {
    if (signal.aborted) return Promise.reject(signal.reason as Error);
    if (closing.signal.aborted) return Promise.reject(closing.signal.reason as Error);
    if (current?.isConnected() === true) return Promise.resolve(current);
    if (current !== null) leave(current, new StoreUnavailable(`etcd at ${current.endpoint}: the connection was lost`));
    connecting ??= connect();
    return unlessAborted(connecting, signal);
  };
  const failed = (used: Session, error: unknown): Error => {
    const { error: meaning, leave: leaving } = storeErrorOf(error, used.endpoint);
    if (leavesFor[leaving]) leave(used, meaning as StoreError);
    return meaning;
  };
  return {
    session,
    failed,
    leave,
    async request(method, request, signal) {
      const limits = { timeoutMs: options.requestTimeoutMs, signal };
      const used = await session(signal);
      try {
        return await used.ask(method, request, limits).catch(async (error: unknown) => {
          if (!isStaleToken(error)) throw error;
          await used.authenticate();
          return used.ask(method, request, limits);
        });
      } catch (error) {
        signal.throwIfAborted();
        throw failed(used, error);
      }
    },
    health: health.read,
    async close(): Promise<void> {
      const why = new StoreUnavailable('the store was closed');
      closing.abort(why);
      await connecting?.catch(() => undefined);
      if (current !== null) leave(current, why);
    },
  };
}

/**
 * Opens a session on the next member that can be used, trying each once; throws StoreUnavailable with every member's
 * reason.
 */
function createRotation(
  options: EtcdOptions, needs: ConnectionNeeds, health: HealthRecord,
): (signal: AbortSignal) => Promise<Session> {
  const endpoints = options.endpoints.map(endpointOf);
  assert(endpoints.length > 0, 'an etcd store has an endpoint');
  let secure: ChannelCredentials | null = null;
  const sessionNeeds = { options, credentials: () => secure ??= secureCredentials(options.tls) };
  let next = Math.floor(needs.random.next() * endpoints.length);
  return async (signal) => {
    const reasons: string[] = [];
    while (reasons.length < endpoints.length) {
      const endpoint = endpoints[next] as Endpoint;
      next = (next + 1) % endpoints.length;
      try {
        const session = await openSession(endpoint, sessionNeeds, signal);
        health.note(true, session.endpoint, '');
        needs.log.info('connected to etcd', { endpoint: session.endpoint, version: session.version });
        return session;
      } catch (error) {
        if (signal.aborted || !(error instanceof StoreUnavailable)) throw error;
        reasons.push(error.message);
        health.note(false, endpoint.url, error.message);
      }
    }
    throw new StoreUnavailable(reasons.join('; '));
  };
}

interface HealthRecord {
  read(): ConnectionHealth;
  note(connected: boolean, endpoint: string, why: string): void;
}

function trackHealth(clock: Clock): HealthRecord {
  const why = 'no attempt was made yet';
  let health: ConnectionHealth = { connected: false, endpoint: '', sinceMs: clock.uptimeMs(), why };
  return {
    read: () => health,
    note(connected, endpoint, reason): void {
      const sinceMs = connected === health.connected ? health.sinceMs : clock.uptimeMs();
      health = { connected, endpoint, sinceMs, why: reason };
    },
  };
}

function endpointOf(text: string): Endpoint {
  const endpoint = parseEndpoint(text);
  assert(endpoint.ok, `checkEtcdOptions has accepted endpoint "${text}"`);
  return endpoint.value;
}

/** The shared promise, or the signal's reason if that comes first; the promise itself goes on for the others. */
function unlessAborted<T>(shared: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', stop, { once: true });
    void shared.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}
