/**
 * Where fleetctl prints.
 * Promises: everything is written, in order. The first few kilobytes are written without the streams Node would load for them, which
 * takes longer than all that most commands do; what is more, or what the other side does not take at once, goes through the stream.
 */
import { writeSync } from 'node:fs';
import type { Output } from '../cli/environment.ts';

/**
 * Bytes that are written without the stream: every pipe and socket takes that many although nobody reads. A command that prints more
 * is one that signals must be able to end while it waits for its reader.
 */
const directBytesMax = 4_096;

/** Standard output or standard error. */
export interface StandardOutput extends Output {
  /** The stream, for those who need one; what was printed before stands before what goes there. */
  stream(): NodeJS.WriteStream;
  /** Whether all that was printed has left the process; false once the stream is in use, which knows it only later. */
  isWritten(): boolean;
}

/** Makes an output of a file descriptor; `open` gives Node's stream for it, `onError` hears what keeps text from being written. */
export function createOutput(
  descriptor: number, open: () => NodeJS.WriteStream, onError: (error: NodeJS.ErrnoException) => void,
): StandardOutput {
  let opened: NodeJS.WriteStream | null = null;
  let leftBytes = directBytesMax;
  const stream = (): NodeJS.WriteStream => (opened ??= open().on('error', onError));
  /** What of the bytes the other side has not taken. */
  const writeNow = (bytes: Buffer): Buffer => {
    let rest = bytes;
    try {
      while (rest.length > 0) rest = rest.subarray(writeSync(descriptor, rest));
    } catch (error) {
      const failed = error as NodeJS.ErrnoException;
      if (failed.code === 'EAGAIN') return rest;
      onError(failed);
    }
    return Buffer.alloc(0);
  };
  return {
    stream,
    isWritten: () => opened === null,
    write(text) {
      const bytes = Buffer.from(text);
      leftBytes -= bytes.length;
      if (opened !== null || leftBytes < 0) return void stream().write(bytes);
      const rest = writeNow(bytes);
      if (rest.length > 0) stream().write(rest);
    },
  };
}

/** Whoever reads the output may stop reading (`| head`): that is no fault of the command. */
export const standardOutput: StandardOutput =
  createOutput(1, () => process.stdout, ({ code }) => process.exit(code === 'EPIPE' ? 0 : 1));
export const standardError: StandardOutput = createOutput(2, () => process.stderr, () => process.exit(1));
