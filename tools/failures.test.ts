import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeFailures, failuresIn, filesOf } from './failures.ts';

const tap = `TAP version 13
# Subtest: a group
    # Subtest: not ok within
    not ok 1 - not ok within
      ---
      duration_ms: 0.6
      type: 'test'
      location: 'a.test.ts:2:38'
      failureType: 'testCodeFailure'
      error: |-
        one

        three
      code: 'ERR_TEST_FAILURE'
      ...
    1..1
not ok 1 - a group
  ---
  failureType: 'subtestsFailed'
  error: '1 subtest failed'
  ...
not ok 2 - short
  ---
  location: 'a.test.ts:3:1'
  error: "it's short"
  ...
ok 3 - fine
  ---
  duration_ms: 1
  ...
not ok 4 - cut off`;

test('failures are the tests that failed by themselves, with what they said', () => {
  assert.deepEqual(failuresIn(tap), [
    { name: 'not ok within', location: 'a.test.ts:2:38', error: ['one', '', 'three'] },
    { name: 'short', location: 'a.test.ts:3:1', error: ["it's short"] },
    { name: 'cut off', location: '', error: [] },
  ]);
});

test('the first failures are told with their first lines, the others counted', () => {
  assert.equal(describeFailures(failuresIn(tap), { failuresMax: 2, linesMax: 1 }),
    "- not ok within (a.test.ts:2:38)\n    one\n    (2 more lines above)\n- short (a.test.ts:3:1)\n    it's short\nand 1 more\n");
  assert.equal(describeFailures([], { failuresMax: 2, linesMax: 1 }), '');
});

test('the test files in which something failed are known, also beside failures that are in none', () => {
  assert.deepEqual(filesOf([...failuresIn(tap), { name: 'b', location: '/x/b.test.ts:1:1', error: [] }]), ['a.test.ts', '/x/b.test.ts']);
  assert.deepEqual(filesOf([{ name: 'the cluster', location: '/x/cluster.ts:4:1', error: [] }, { name: 'cut off', location: '', error: [] }]), []);
});
