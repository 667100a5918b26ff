/** Which etcd can be asked how far a watch has come. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answersProgressRequests, progressIsInOrder } from './version.ts';

const versions: readonly (readonly [version: string, answers: boolean, inOrder: boolean])[] = [
  ['', false, false],
  ['3.3.27', false, false],
  ['3.4.0', true, false],
  ['3.4.23', true, false],
  ['3.4.31', true, true],
  ['3.5.0', true, false],
  ['3.5.12', true, false],
  ['3.5.13', true, true],
  ['3.6.0-rc.1', true, true],
  ['4.0.0', true, true],
];
for (const [version, answers, inOrder] of versions) {
  const says = `${answers ? 'answers' : 'does not answer'} progress requests, ${inOrder ? 'in order' : 'not in order'}`;
  test(`etcd "${version}" ${says}`, () => {
    assert.equal(answersProgressRequests(version), answers);
    assert.equal(progressIsInOrder(version), inOrder);
  });
}
