import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import { DeadlineExceeded } from '../lib/deadline.ts';
import { createManualClock } from '../lib/manual-clock.ts';
import { pagedMs, writeText } from './text-stream.ts';

const never = new AbortController().signal;

/** A connection that takes one text and no more until it is told to. */
function slowConnection(): { readonly out: Writable; readonly take: () => void } {
  let take = (): void => undefined;
  const out = new Writable({ highWaterMark: 1, write: (_, __, done) => { take = () => done(); } });
  return { out, take: () => take() };
}

test('a connection that takes nothing is given up after a minute', async () => {
  const clock = createManualClock();
  let ended = false;
  const writing = assert.rejects(writeText(slowConnection().out, 'text', { clock, signal: never }), DeadlineExceeded)
    .finally(() => { ended = true; });
  await clock.advance(59_999);
  assert.equal(ended, false);
  await clock.advance(1);
  await writing;
});

test('one behind which somebody pages is waited for, and goes on where it was', async () => {
  const clock = createManualClock();
  const { out, take } = slowConnection();
  const writing = writeText(out, 'text', { clock, signal: never, limitMs: pagedMs });
  await clock.advance(pagedMs - 1);
  take();
  await writing;
  assert.equal(clock.sleepers(), 0);
});
