/**
 * Chunks of text into a slow connection.
 * Promises: holds one chunk at a time; ends the source when the connection goes; a reader that takes nothing for too
 * long is cut off.
 */
import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { withDeadline } from '../lib/deadline.ts';
import type { Clock } from '../lib/clock.ts';

/** How long a connection may take nothing before it is given up. */
const stalledMs = 60_000;
/** The same for text that people read in a pager, from which they may be called away. */
export const pagedMs = 1_800_000;

/** How writing goes on. */
export interface Pace {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** How long the connection may take nothing; a minute when absent. */
  readonly limitMs?: number;
}

/**
 * Writes `text` and waits until the connection takes more. Throws DeadlineExceeded when it takes nothing for too long, the reason of the
 * signal when that is aborted, and an error when the connection has gone.
 */
export async function writeText(out: Writable, text: string, { clock, signal, limitMs = stalledMs }: Pace): Promise<void> {
  signal.throwIfAborted();
  if (out.destroyed) throw new Error('the connection has gone');
  if (out.write(text)) return;
  await withDeadline({ clock, limitMs, signal }, (limited) => once(out, 'drain', { signal: limited }));
}

/** A signal that is aborted when the connection closes or `signal` is. */
export function whileOpen(out: Writable, signal: AbortSignal): AbortSignal {
  const closed = new AbortController();
  if (out.destroyed) closed.abort(new Error('the connection has gone'));
  out.once('close', () => closed.abort(new Error('the connection has gone')));
  return AbortSignal.any([closed.signal, signal]);
}
