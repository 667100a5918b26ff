/**
 * The peer port: what this machine tells the other machines of its cluster, and nobody else.
 * Promises: a connection whose certificate's fingerprint does not stand in the store's machines gets no byte of an
 * answer, and neither does one whose machine has left the store since; only status and journal of units of this
 * process's machines are served; every request is bounded in time.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { TLSSocket } from 'node:tls';
import type { ClusterSnapshot } from '../../core/cluster.ts';
import type { MachineId } from '../../core/machine.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Log } from '../../lib/log.ts';
import { withDeadline } from '../../lib/deadline.ts';
import type { MirrorRest } from '../../store/resting-mirror.ts';
import type { LocalMachine } from '../needs.ts';
import { pagedMs, whileOpen, writeText } from '../text-stream.ts';
import { fingerprintOf, type PeerIdentity } from './identity.ts';
import { readPeerPath, type PeerRequest } from './peer-protocol.ts';

export interface PeerServerNeeds {
  readonly identity: PeerIdentity;
  /** The newest snapshot: whose machines are trusted, and which units are theirs. */
  readonly snapshot: () => ClusterSnapshot;
  /** How a mirror that rests is kept while a request lasts; null when it is always there. */
  readonly rest: MirrorRest | null;
  readonly local: ReadonlyMap<MachineId, LocalMachine>;
  readonly clock: Clock;
  readonly log: Log;
}

const handshakeLimitMs = 10_000;
const requestLimitMs = 10_000;
const statusLimitMs = 10_000;
const connectionsMax = 500;
/** Strangers are logged at most this often, so that nobody fills the log from outside. */
const strangerLogMs = 60_000;

/** An HTTPS server that is not listening yet; the caller chooses address and port. `signal` ends its streams. */
export function createPeerServer(needs: PeerServerNeeds, signal: AbortSignal): Server {
  const refuse = refuser(needs);
  const { keyPem, certificatePem } = needs.identity;
  const server = createServer({
    key: keyPem,
    cert: certificatePem,
    minVersion: 'TLSv1.3',
    requestCert: true,
    // No authority signs these certificates: the fingerprint decides, here and at each request.
    rejectUnauthorized: false,
    handshakeTimeout: handshakeLimitMs,
    headersTimeout: requestLimitMs,
    requestTimeout: requestLimitMs,
    keepAliveTimeout: requestLimitMs,
  });
  server.maxConnections = connectionsMax;
  server.on('secureConnection', (socket) => {
    // While nothing is known of the cluster, nobody can be told from a stranger before they ask.
    const knowsNobody = needs.rest !== null && needs.snapshot().revision === 0;
    if (!knowsNobody && !isMachineOfCluster(socket, needs.snapshot())) refuse(socket);
  });
  server.on('request', (request, response) => {
    response.on('error', () => undefined); // The caller has gone; its answer has nowhere to go.
    serve(needs, { exchange: { request, response }, refuse }, signal).catch((error: unknown) => {
      needs.log.warning('a peer request failed; the other machine tells its user', {
        path: request.url ?? '',
        error: String(error),
      });
      fail(response, 500, String(error));
    });
  });
  return server;
}

interface Serving {
  readonly exchange: Exchange;
  readonly refuse: (socket: TLSSocket) => void;
}

/** Answers who is of the cluster, and keeps the mirror until that has ended. */
async function serve(needs: PeerServerNeeds, { exchange, refuse }: Serving, signal: AbortSignal): Promise<void> {
  const release = await needs.rest?.hold();
  try {
    const socket = exchange.request.socket as TLSSocket;
    if (isMachineOfCluster(socket, needs.snapshot())) await answer(needs, exchange, signal);
    else refuse(socket);
  } finally {
    release?.();
  }
}

function isMachineOfCluster(socket: TLSSocket, snapshot: ClusterSnapshot): boolean {
  // Empty when the caller has no certificate, null when its connection is gone (tls.TLSSocket); the types say neither.
  const certificate = socket.getPeerCertificate() as { readonly raw?: Buffer } | null;
  if (certificate?.raw === undefined) return false;
  const fingerprint = fingerprintOf(certificate.raw);
  return [...snapshot.machines.values()].some((machine) => machine.peer?.fingerprint === fingerprint);
}

/** Cuts strangers off and says so, once a minute at most. */
function refuser(needs: PeerServerNeeds): (socket: TLSSocket) => void {
  let lastLogMs = -Infinity;
  let unsaid = 0;
  return (socket) => {
    const address = socket.remoteAddress ?? 'an address that has gone';
    socket.destroy();
    unsaid += 1;
    if (needs.clock.uptimeMs() - lastLogMs < strangerLogMs) return;
    needs.log.warning('refused a caller of the peer port: its certificate is of no machine in the store', {
      address,
      refused: unsaid,
    });
    lastLogMs = needs.clock.uptimeMs();
    unsaid = 0;
  };
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

async function answer(needs: PeerServerNeeds, { request, response }: Exchange, signal: AbortSignal): Promise<void> {
  const wanted = request.method === 'GET' ? readPeerPath(request.url ?? '') : null;
  if (wanted === null) return fail(response, 404, 'no such resource');
  const name = wanted.kind === 'status' ? wanted.name : wanted.journal.name;
  const machine = needs.local.get(wanted.machine);
  if (machine === undefined) return fail(response, 404, `machine ${wanted.machine} is not here`);
  const snapshot = needs.snapshot();
  const isHere =
    snapshot.assignments.get(wanted.machine)?.has(name) === true ||
    snapshot.statuses.get(wanted.machine)?.has(name) === true;
  if (!isHere) return fail(response, 404, `unit ${name} is not on this machine`);
  await tell({ machine, wanted, response, clock: needs.clock }, whileOpen(response, signal));
}

interface Telling {
  readonly machine: LocalMachine;
  readonly wanted: PeerRequest;
  readonly response: ServerResponse;
  readonly clock: Clock;
}

async function tell({ machine, wanted, response, clock }: Telling, signal: AbortSignal): Promise<void> {
  if (wanted.kind === 'status') {
    const status = await withDeadline({ clock, limitMs: statusLimitMs, signal }, (limited) =>
      machine.status(wanted.name, limited),
    );
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(status));
    return;
  }
  response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' });
  response.flushHeaders(); // A follower of a silent unit must see at once that it is connected.
  try {
    for await (const chunk of machine.journal(wanted.journal, signal))
      await writeText(response, chunk, { clock, signal, limitMs: pagedMs });
    response.end();
  } catch (error) {
    response.destroy();
    if (!signal.aborted) throw error; // Aborted: the reader has gone, or this fleetd is stopping.
  }
}

function fail(response: ServerResponse, code: number, message: string): void {
  if (response.headersSent) return void response.destroy();
  response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify({ error: { code, message } }));
}
