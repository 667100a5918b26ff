/**
 * Answers DNS over UDP and TCP.
 * Promises: listens on both with one port or on neither; connections, what they may send and how long they may idle are
 * bounded; trouble with one of them is nobody else's.
 */
import { createSocket } from 'node:dgram';
import type { Socket as DatagramSocket } from 'node:dgram';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import type { Log } from '../lib/log.ts';
import type { Zone } from './answer.ts';
import { reply } from './message.ts';

const connectionsMax = 100;
/** RFC 7766 section 6.2.3: "of the order of a few seconds". */
const idleMsMax = 10_000;
/** The length of a message stands before it (RFC 1035 section 4.2.2). */
const lengthBytes = 2;
/** Port 0 asks for a port that is free for both; another process may take it in between. */
const triesMax = 5;

export interface DnsNeeds {
  /** What to answer from; null while nothing is known of the cluster. */
  readonly zone: () => Zone | null;
  readonly log: Log;
}

export interface DnsServer {
  /** host:port, with the port that was taken. */
  readonly address: string;
  close(): Promise<void>;
}

/** Listens. Rejects with the system's error when the address is taken or not this machine's. */
export async function openDnsServer(
  { host, port }: { readonly host: string; readonly port: number }, needs: DnsNeeds,
): Promise<DnsServer> {
  for (let tries = 1; ; tries += 1) {
    const sockets = new Set<Socket>();
    const connections = createServer((socket) => {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
      serveConnection(socket, needs);
    });
    connections.maxConnections = connectionsMax;
    await listening(connections, () => connections.listen({ port, ...(host === '' ? {} : { host }) }));
    const bound = connections.address() as AddressInfo;
    const datagrams = createSocket({ type: bound.family === 'IPv6' ? 'udp6' : 'udp4' }, (message, { address, port: from }) => {
      const answer = reply(message, needs.zone(), 'udp');
      // Nobody waits for it, and who asked is told nothing by a datagram that was lost.
      if (answer !== null) datagrams.send(answer, from, address, () => undefined);
    });
    try {
      await listening(datagrams, () => datagrams.bind({ port: bound.port, address: bound.address }));
    } catch (error) {
      connections.close();
      if (port !== 0 || tries === triesMax) throw error;
      continue;
    }
    for (const each of [connections, datagrams]) {
      each.on('error', (error) => needs.log.warning(`the DNS server has trouble, going on: ${error.message}`));
    }
    const shown = bound.family === 'IPv6' ? `[${bound.address}]` : bound.address;
    return { address: `${shown}:${String(bound.port)}`, close: () => close(connections, datagrams, sockets) };
  }
}

function listening(server: Server | DatagramSocket, listen: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.once('listening', () => {
      server.off('error', reject);
      resolve();
    });
    listen();
  });
}

/** Answers the messages of one connection, one after the other. */
function serveConnection(socket: Socket, needs: DnsNeeds): void {
  let pending: Buffer = Buffer.alloc(0);
  socket.setTimeout(idleMsMax, () => socket.destroy());
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    for (let end = endOfFirst(pending); end !== null; end = endOfFirst(pending)) {
      const answer = reply(pending.subarray(lengthBytes, end), needs.zone(), 'tcp');
      pending = pending.subarray(end);
      if (answer === null) {
        socket.destroy();
        return;
      }
      const length = Buffer.alloc(lengthBytes);
      length.writeUInt16BE(answer.length);
      socket.write(Buffer.concat([length, answer]));
    }
    // Who asks and does not read is not listened to until it does; the idle time ends it.
    if (socket.writableNeedDrain) socket.pause();
  });
  socket.on('drain', () => socket.resume());
}

/** Where the first message ends, with its length before it; null while it has not come whole. */
function endOfFirst(bytes: Buffer): number | null {
  if (bytes.length < lengthBytes) return null;
  const end = lengthBytes + bytes.readUInt16BE(0);
  return bytes.length < end ? null : end;
}

async function close(connections: Server, datagrams: DatagramSocket, sockets: ReadonlySet<Socket>): Promise<void> {
  for (const socket of sockets) socket.destroy();
  await Promise.all([
    new Promise<void>((resolve) => { connections.close(() => resolve()); }),
    new Promise<void>((resolve) => { datagrams.close(() => resolve()); }),
  ]);
}
