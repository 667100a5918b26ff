/**
 * One HTTP call to the first endpoint that answers.
 * Promises: every call is bounded by a time and its answer by a size; a call that changes something goes to the next
 * endpoint only while not a byte of it was sent, so that nothing is done twice; the endpoint that answered last is
 * asked first.
 */
import { request as requestClear } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import type { Clock } from '../lib/clock.ts';
import { startTimer } from '../lib/deadline.ts';
import type { Log } from '../lib/log.ts';
import type { Endpoint } from './endpoint.ts';
import { ApiError, explainNetworkError, Unreachable } from './errors.ts';

/** Bytes of one answer that is read as a whole: 100,000 units of list-unit-files are about 40 MB. */
const answerBytesMax = 268_435_456;

/** PEM texts for https endpoints; absent ones leave Node's defaults. */
export interface TlsTexts {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

export interface CallerNeeds {
  readonly endpoints: readonly Endpoint[];
  /** Milliseconds until an answer must have begun, and between two pieces of it. */
  readonly timeoutMs: number;
  readonly tls: TlsTexts;
  readonly clock: Clock;
  readonly log: Log;
  /** Called when an answer is of a fleetd that has lost its store, with the time since when, as it says it. */
  readonly onStale?: (since: string) => void;
}

/** What to ask. `changes` says that asking twice is not the same as asking once. */
export interface Call {
  readonly method: 'GET' | 'POST' | 'PATCH';
  readonly path: string;
  readonly body?: string;
  readonly changes: boolean;
  /** How long this one may take until its answer begins, when that is longer than for others. */
  readonly timeoutMs?: number;
  /** The endpoint whose answer to the same call has just broken off: it is asked last. */
  readonly brokenOff?: Endpoint;
}

/** An answer whose body is still to be read, the endpoint it came from, and the clock of whoever asked. */
export interface Answer {
  readonly message: IncomingMessage;
  readonly endpoint: Endpoint;
  readonly clock: Clock;
}

/** Sends calls. */
export interface Caller {
  /** The answer's head; any status. Throws Unreachable when no endpoint answers. */
  open(call: Call, signal: AbortSignal): Promise<Answer>;
  /** The body of a successful answer. Throws ApiError for any other status. */
  text(call: Call, signal: AbortSignal): Promise<string>;
  json<T>(call: Call, signal: AbortSignal): Promise<T>;
}

/** An attempt that failed, and whether anything of the request may have reached the other side. */
class AttemptFailed extends Error {
  readonly sent: boolean;

  constructor(message: string, sent: boolean) {
    super(message);
    this.sent = sent;
  }
}

export function createCaller(needs: CallerNeeds): Caller {
  let first = 0;

  async function open(call: Call, signal: AbortSignal): Promise<Answer> {
    const failures: string[] = [];
    if (call.brokenOff !== undefined) first = needs.endpoints.indexOf(call.brokenOff) + 1;
    for (let tried = 0; tried < needs.endpoints.length; tried += 1) {
      const index = (first + tried) % needs.endpoints.length;
      const endpoint = needs.endpoints[index];
      if (endpoint === undefined) break;
      const isLast = tried === needs.endpoints.length - 1;
      try {
        const message = await attempt(needs, { call, endpoint }, signal);
        needs.log.debug(`${call.method} ${endpoint.text} ${call.path} -> ${message.statusCode ?? 0}`);
        // 503 comes from a fleetd that has lost its store; another one may still have it. What changes something stays:
        // the answer does not say whether it was done.
        if (message.statusCode === 503 && !isLast && !call.changes) {
          message.destroy();
          failures.push(`${endpoint.text} answered 503`);
          continue;
        }
        first = index;
        const since = message.headers['fleet-stale-since'];
        if (typeof since === 'string') needs.onStale?.(since);
        return { message, endpoint, clock: needs.clock };
      } catch (error) {
        if (!(error instanceof AttemptFailed)) throw error;
        needs.log.debug(`${call.method} ${call.path}: ${error.message}`);
        if (call.changes && error.sent) {
          throw new Unreachable(
            `${error.message}; the request was sent, so look before you repeat it whether it was carried out`,
          );
        }
        failures.push(error.message);
      }
    }
    throw new Unreachable(failures.join('; '));
  }

  async function text(call: Call, signal: AbortSignal): Promise<string> {
    const answer = await open(call, signal);
    const body = await readBody(answer, needs.timeoutMs, signal);
    const status = answer.message.statusCode ?? 0;
    if (status < 200 || status > 299) throw errorOf(answer, call, body);
    return body;
  }

  async function json<T>(call: Call, signal: AbortSignal): Promise<T> {
    const body = await text(call, signal);
    try {
      return JSON.parse(body) as T;
    } catch {
      throw new Unreachable(`the answer to ${call.method} ${call.path} is not JSON; is the endpoint a fleetd?`);
    }
  }

  return { open, text, json };
}

/**
 * What TLS needs to know. The name a certificate must have is that of the host at the end of a tunnel; an address is none (RFC 6066,
 * section 3). Without TLS it is given as none, because Node would otherwise find one out, at the cost of a tenth of a command.
 */
function tlsOptions(tls: TlsTexts, { secure, socketPath, host }: Endpoint): TlsTexts & { readonly servername?: string } {
  if (!secure) return { servername: '' };
  return socketPath === null ? tls : { ...tls, servername: isIP(host) === 0 ? host : '' };
}

/** Sends a call to one endpoint and waits for the head of its answer. */
async function attempt(
  needs: CallerNeeds,
  to: { readonly call: Call; readonly endpoint: Endpoint },
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const { call, endpoint } = to;
  // TLS is loaded for those who use it: it takes longer to load than a list takes to come over a socket.
  const send = endpoint.secure ? (await import('node:https')).request : requestClear;
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    let sent = false;
    const request = send({
      ...(endpoint.socketPath === null ? { host: endpoint.host, port: endpoint.port } : { socketPath: endpoint.socketPath }),
      ...tlsOptions(needs.tls, endpoint),
      // A connection of its own: a kept one may have been closed by the other side, and then nobody knows what arrived.
      agent: false,
      method: call.method,
      path: `${endpoint.basePath}${call.path}`,
      headers: {
        host: endpoint.port === 0 ? 'localhost' : `${endpoint.host}:${endpoint.port}`,
        ...(call.body === undefined
          ? {}
          : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(call.body) }),
      },
    });
    const timeoutMs = Math.max(needs.timeoutMs, call.timeoutMs ?? 0);
    const stop = (): void => {
      request.destroy();
      if (signal.aborted) reject(signal.reason as Error);
      else
        reject(
          new AttemptFailed(
            `no answer from ${endpoint.text} within ${timeoutMs / 1_000} s (--request-timeout)`,
            sent,
          ),
        );
    };
    const settle = (): void => {
      signal.removeEventListener('abort', stop);
      stopTimer();
    };
    const stopTimer = startTimer({ clock: needs.clock, limitMs: timeoutMs }, stop);
    signal.addEventListener('abort', stop, { once: true });
    request.once('socket', (socket) =>
      socket.once(endpoint.secure ? 'secureConnect' : 'connect', () => {
        sent = true;
      }),
    );
    request.once('response', (message) => {
      settle();
      resolve(message);
    });
    request.on('error', (error) => {
      settle();
      reject(new AttemptFailed(explainNetworkError(endpoint.text, error), sent));
    });
    request.end(call.body);
  });
}

/**
 * The pieces of a body. `idleMs` bounds the wait for each of them, not the time their reader takes over one: a pager may be left open;
 * 0 means that silence is no fault.
 */
export async function* readChunks(answer: Answer, idleMs: number, signal: AbortSignal): AsyncGenerator<Buffer> {
  const { message, endpoint } = answer;
  const stop = (): void => {
    message.destroy(signal.reason as Error);
  };
  signal.addEventListener('abort', stop, { once: true });
  message.socket.setKeepAlive(true);
  const pieces = message[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  try {
    signal.throwIfAborted();
    for (;;) {
      const piece = await nextPiece(pieces, answer, idleMs);
      if (piece.done === true) return;
      yield piece.value;
    }
  } catch (error) {
    signal.throwIfAborted();
    throw new Unreachable(`the connection to ${endpoint.text} broke off: ${(error as Error).message}`);
  } finally {
    signal.removeEventListener('abort', stop);
    message.destroy();
  }
}

/** The next piece of a body, or its end; one that does not come within `idleMs` breaks the answer off. */
async function nextPiece(
  pieces: AsyncIterator<Buffer>,
  { message, clock }: Answer,
  idleMs: number,
): Promise<IteratorResult<Buffer>> {
  if (idleMs === 0) return pieces.next();
  const stopTimer = startTimer({ clock, limitMs: idleMs }, () => message.destroy(new Error(`nothing came for ${idleMs / 1_000} s`)));
  try {
    return await pieces.next();
  } finally {
    stopTimer();
  }
}

async function readBody(answer: Answer, idleMs: number, signal: AbortSignal): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of readChunks(answer, idleMs, signal)) {
    bytes += chunk.length;
    if (bytes > answerBytesMax)
      throw new Unreachable(`the answer of ${answer.endpoint.text} is larger than ${answerBytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Reads the body of an answer that is not a success and makes an error of it. */
export async function readError(answer: Answer, call: Call, signal: AbortSignal): Promise<Error> {
  return errorOf(answer, call, await readBody(answer, 3_000, signal));
}

function errorOf(answer: Answer, call: Call, body: string): ApiError {
  const status = answer.message.statusCode ?? 0;
  const { message = '', reason = '' } = errorFields(body);
  const words = message === '' ? `${answer.endpoint.text} answered ${status} to ${call.method} ${call.path}` : message;
  return new ApiError({ status, reason, message: words });
}

/** The fields of an ErrorAnswer, as far as the body has them. */
function errorFields(body: string): { readonly message?: string; readonly reason?: string } {
  try {
    return (JSON.parse(body) as { readonly error?: object } | null)?.error ?? {};
  } catch {
    return {};
  }
}
