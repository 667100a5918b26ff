/**
 * Asking another machine's fleetd about a unit there.
 * Promises: not a byte of the request leaves before the other side has proved the fingerprint that stands in its
 * machine record; every step is bounded; every failure is a PeerUnreachable whose message a person can read.
 */
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { connect, type TLSSocket } from 'node:tls';
import type { Machine } from '../../core/machine.ts';
import type { Clock } from '../../lib/clock.ts';
import { withDeadline } from '../../lib/deadline.ts';
import { PeerUnreachable, type Peers, type StatusText } from '../needs.ts';
import { fingerprintOf, type PeerIdentity } from './identity.ts';
import { journalPath, statusPath } from './peer-protocol.ts';

const connectLimitMs = 5_000;
const answerLimitMs = 12_000;
const statusBytesMax = 1_048_576;
const errorBytesMax = 4_096;
/** A machine that loses its power never says goodbye: the kernel asks after this long. */
const keepAliveMs = 30_000;

/** Peers over TLS, proving `identity`. */
export function createPeerClient(identity: PeerIdentity, clock: Clock): Peers {
  const ask = (machine: Machine, path: string, signal: AbortSignal): Promise<IncomingMessage> =>
    withDeadline({ clock, limitMs: answerLimitMs, signal }, (limited) =>
      askOnce({ identity, machine, path, clock }, limited),
    );
  return {
    async status(machine, name, signal) {
      try {
        return await withDeadline({ clock, limitMs: answerLimitMs, signal }, async (limited) => {
          const response = await ask(machine, statusPath(machine.id, name), limited);
          return readStatus(await readBody(response, statusBytesMax, limited));
        });
      } catch (error) {
        throw unreachable(machine, error, signal);
      }
    },
    async *journal(machine, journal, signal) {
      try {
        const response = await ask(machine, journalPath(machine.id, journal), signal);
        const close = (): void => void response.destroy();
        signal.addEventListener('abort', close, { once: true });
        try {
          yield* response.setEncoding('utf8') as AsyncIterable<string>;
        } finally {
          signal.removeEventListener('abort', close);
          response.destroy();
        }
      } catch (error) {
        throw unreachable(machine, error, signal);
      }
    },
  };
}

interface Question {
  readonly identity: PeerIdentity;
  readonly machine: Machine;
  readonly path: string;
  readonly clock: Clock;
}

/** Connects, checks who answers, asks; throws when the answer is not a 200. */
async function askOnce(question: Question, signal: AbortSignal): Promise<IncomingMessage> {
  const { path, clock } = question;
  const socket = await withDeadline({ clock, limitMs: connectLimitMs, signal }, (limited) =>
    connectTo(question, limited),
  );
  const request = httpRequest({
    path,
    method: 'GET',
    createConnection: () => socket,
    headers: { host: 'peer', connection: 'close' },
  });
  const close = (): void => void request.destroy();
  signal.addEventListener('abort', close, { once: true });
  try {
    request.end();
    const [response] = (await once(request, 'response', { signal })) as [IncomingMessage];
    // From here on a broken connection is an error of the response, which is read.
    request.on('error', () => undefined);
    if (response.statusCode === 200) return response;
    throw new PeerUnreachable(readError(await readBody(response, errorBytesMax, signal)));
  } catch (error) {
    request.on('error', () => undefined);
    request.destroy();
    throw error;
  } finally {
    signal.removeEventListener('abort', close);
  }
}

/** A connection to the peer port of `machine` that has proved the fingerprint in its record. */
async function connectTo({ identity, machine }: Question, signal: AbortSignal): Promise<TLSSocket> {
  const { peer } = machine;
  if (peer === null || peer.address === '') throw new PeerUnreachable('it has no peer port');
  const socket = connect({
    host: peer.address,
    port: peer.port,
    key: identity.keyPem,
    cert: identity.certificatePem,
    minVersion: 'TLSv1.3',
    rejectUnauthorized: false, // The fingerprint below decides.
  });
  try {
    await once(socket, 'secureConnect', { signal });
    // null when the connection is gone already.
    const certificate = socket.getPeerCertificate() as { readonly raw?: Buffer } | null;
    if (certificate?.raw === undefined || fingerprintOf(certificate.raw) !== peer.fingerprint) {
      throw new PeerUnreachable(
        `whoever answers at ${peer.address}:${peer.port} has another key than the one that stands in the store`,
      );
    }
  } catch (error) {
    socket.on('error', () => undefined);
    socket.destroy();
    throw error;
  }
  socket.setKeepAlive(true, keepAliveMs);
  return socket;
}

async function readBody(response: IncomingMessage, bytesMax: number, signal: AbortSignal): Promise<string> {
  const close = (): void => void response.destroy();
  signal.addEventListener('abort', close, { once: true });
  try {
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > bytesMax) throw new PeerUnreachable(`its answer is larger than ${bytesMax} bytes`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks).toString('utf8');
  } finally {
    signal.removeEventListener('abort', close);
    response.destroy();
  }
}

function readStatus(body: string): StatusText {
  const value = parseObject(body);
  if (typeof value['text'] !== 'string' || typeof value['exitStatus'] !== 'number') {
    throw new PeerUnreachable('its answer is no status');
  }
  return { text: value['text'], exitStatus: value['exitStatus'] };
}

function readError(body: string): string {
  const error = parseObject(body)['error'] as { readonly message?: unknown } | undefined;
  return typeof error?.message === 'string' ? error.message : 'it refused the request without saying why';
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {}; // The caller names what is missing.
  }
}

/** What people read about a machine that could not be asked; the signal's own reason when the caller gave up. */
function unreachable(machine: Machine, error: unknown, signal: AbortSignal): Error {
  if (signal.aborted) return signal.reason as Error;
  const { code, message } = error as NodeJS.ErrnoException;
  const closed = code === 'ECONNRESET' || code === 'EPIPE' || code === 'ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE';
  const why = closed ? 'it closed the connection; perhaps it does not know this machine yet' : message;
  const at = machine.peer === null ? '' : ` at ${machine.peer.address}:${machine.peer.port}`;
  return new PeerUnreachable(`machine ${machine.id}${at} could not be asked: ${why}`);
}
