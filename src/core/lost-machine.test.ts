import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readLostAfter, readOnMachineLost } from './lost-machine.ts';

test('OnMachineLost is keep or stop, LostAfter a time from a second to a day', () => {
  assert.deepEqual(readOnMachineLost('stop'), { ok: true, value: 'stop' });
  assert.deepEqual(readLostAfter('1min 30s'), { ok: true, value: 90_000 });
  assert.deepEqual(readLostAfter('1d'), { ok: true, value: 86_400_000 });
});

test('other words are refused with what would be right', () => {
  for (const value of ['', 'Stop', 'restart']) {
    const read = readOnMachineLost(value);
    assert.equal(read.ok ? '' : read.failure.message, 'write keep or stop');
  }
  for (const value of ['', 'soon', '999ms', '2d', 'infinity']) {
    const read = readLostAfter(value);
    assert.equal(read.ok ? '' : read.failure.message, 'write a time from 1s to 1d, such as 30s or 2min');
  }
});
