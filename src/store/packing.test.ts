import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limits } from '../core/limits.ts';
import { bytesOfChange, packChanges } from './packing.ts';
import type { CommitChange } from './store.ts';

const put = (key: string, value: string): CommitChange => ({ kind: 'put', key, value });

test('changes keep their order, and a portion holds as many as one commit takes', () => {
  const changes = Array.from({ length: 2 * limits.storeOpsPerCommitMax + 1 }, (_, index) => put(String(index), ''));
  const portions = packChanges(changes);
  assert.deepEqual(portions.map(({ length }) => length), [limits.storeOpsPerCommitMax, limits.storeOpsPerCommitMax, 1]);
  assert.deepEqual(portions.flat(), changes);
  assert.deepEqual(packChanges([]), []);
});

test('bytes count as they are stored, and a portion holds no more of them than one commit takes', () => {
  assert.equal(bytesOfChange(put('key', 'ä')), 5);
  assert.equal(bytesOfChange({ kind: 'delete', key: 'key' }), 3);
  const half = put('a', 'x'.repeat(limits.storeBytesPerCommitMax / 2 - 1));
  const exactly = packChanges([half, half]);
  assert.deepEqual(exactly.map(({ length }) => length), [2]);
  const more = packChanges([half, half, put('b', '')]);
  assert.deepEqual(more.map(({ length }) => length), [2, 1]);
});
