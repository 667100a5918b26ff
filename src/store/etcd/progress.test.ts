import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createManualClock } from '../../lib/manual-clock.ts';
import { catchUpMsMax, createProgress } from './progress.ts';

test('an answer from before what was known is not believed, until etcd has caught up', async () => {
  const clock = createManualClock();
  const progress = createProgress(clock);
  progress.note(1_152);
  assert.equal(progress.doubt(1_149), 'etcd answers from revision 1149, and had come to 1152: waiting for it to catch up');
  await clock.advance(catchUpMsMax - 1);
  assert.notEqual(progress.doubt(1_151), null);
  assert.equal(progress.doubt(1_152), null);
  await clock.advance(1);
  assert.notEqual(progress.doubt(1_149), null, 'the time is counted anew');
});

test('an etcd that stays behind was put back, and is believed', async () => {
  const clock = createManualClock();
  const progress = createProgress(clock);
  progress.note(1_152);
  assert.notEqual(progress.doubt(900), null);
  await clock.advance(catchUpMsMax);
  assert.equal(progress.doubt(901), null);
  assert.equal(progress.doubt(901), null, 'from there it goes on');
});
