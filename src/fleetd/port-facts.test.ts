/** Logs are read as both runners write them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readLine } from './port-facts.ts';

test('a line of the short-unix output has a moment and a text', () => {
  assert.deepEqual(readLine('1700000000.123456 host app[12]: bind: Address already in use'), [{ atMs: 1_700_000_000_123, text: 'bind: Address already in use' }]);
  assert.deepEqual(readLine('-- No entries --'), []);
});
