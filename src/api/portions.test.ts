import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compareText } from '../core/order.ts';
import { atOnce, inTurns, sortInPortions } from './portions.ts';

test('texts are sorted as compareText has it, however many there are', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ maxLength: 3, unit: 'binary' }), { size: 'max', maxLength: 4_000 }), (texts) => {
      assert.deepEqual(atOnce(sortInPortions(texts)), texts.toSorted(compareText));
    }),
    { numRuns: 30 },
  );
});

test('the event loop turns between portions', async () => {
  let turns = 0;
  let isDone = false;
  const count = (): void => {
    turns += 1;
    if (!isDone) setImmediate(count);
  };
  setImmediate(count);
  const sorted = await inTurns(sortInPortions(Array.from({ length: 10_000 }, (_, index) => String(10_000 - index))));
  isDone = true;
  assert.equal(sorted.length, 10_000);
  assert.ok(turns > 10);
});
