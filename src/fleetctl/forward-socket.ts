/**
 * Standard input and output to and from a unix socket.
 * Promises: ends when the socket's side has ended and all of it is written.
 */
import { connect } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/** Rejects when the socket cannot be reached or breaks, or with the signal's reason. */
export async function forwardToSocket(
  path: string,
  streams: { readonly stdin: Readable; readonly stdout: Writable },
  signal: AbortSignal,
): Promise<void> {
  const socket = connect({ path, allowHalfOpen: true });
  const sending = pipeline(streams.stdin, socket, { signal });
  const receiving = pipeline(socket, streams.stdout, { signal, end: false });
  // What is still to be sent when the other side has ended is of no use to anybody.
  await Promise.race([receiving, sending.then(() => receiving)]);
  sending.catch(() => undefined);
  socket.destroy();
  streams.stdin.destroy();
}
