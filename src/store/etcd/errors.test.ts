/** What people read when etcd refuses or fails, and whether another member is tried. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Metadata, status } from '@grpc/grpc-js';
import { StoreUnavailable } from '../store.ts';
import { canceledWatchError, isStaleToken, isStaleTokenReason, storeErrorOf } from './errors.ts';
import type { Leave } from './errors.ts';

const grpcError = (code: number, details: string): Error =>
  Object.assign(new Error(details), { code, details, metadata: new Metadata() });
const unreachable = 'No connection established. Last error: Error: connect ECONNREFUSED 10.0.0.1:2379 '
  + '(2026-01-01T00:00:00.000Z). Resolution note: ';

const table: readonly (readonly [code: number, details: string, name: string, message: string, leave: Leave, refuses?: true])[] = [
  [status.UNAVAILABLE, unreachable, 'StoreUnavailable', 'unreachable: connect ECONNREFUSED 10.0.0.1:2379', 'yes'],
  [status.UNAVAILABLE, 'Connection dropped', 'StoreUnavailable', 'unreachable: Connection dropped', 'yes'],
  [status.UNAVAILABLE, 'etcdserver: no leader', 'StoreUnavailable',
    'it has no leader (no quorum, or an election)', 'yes'],
  [status.UNAVAILABLE, 'etcdserver: leader changed', 'StoreUnavailable',
    'its leader changed while it worked on the request', 'no'],
  [status.UNAVAILABLE, 'etcdserver: request timed out, possibly due to connection lost', 'StoreUnavailable',
    'it had no quorum in time (request timed out, possibly due to connection lost)', 'for another member'],
  [status.DEADLINE_EXCEEDED, 'Deadline exceeded after 1.0s', 'StoreUnavailable', 'no answer in time', 'if it may be dead'],
  [status.RESOURCE_EXHAUSTED, 'etcdserver: mvcc: database space exceeded', 'StoreUnavailable',
    'its database is full (alarm NOSPACE): compact and defragment it, then run "etcdctl alarm disarm"', 'no', true],
  [status.OUT_OF_RANGE, 'etcdserver: mvcc: required revision has been compacted', 'StoreCompacted',
    'the history after that revision was compacted away', 'no'],
  [status.NOT_FOUND, 'etcdserver: requested lease not found', 'LeaseExpired',
    'the lease has expired or was revoked', 'no'],
  [status.PERMISSION_DENIED, 'etcdserver: permission denied', 'StoreUnavailable',
    'the user may not read and write under the key prefix', 'no', true],
  [status.INTERNAL, 'something\n  new', 'StoreUnavailable', 'something new', 'no'],
];
for (const [code, details, name, message, leave, refuses = false] of table) {
  test(`"${details.replace(/\s+/g, ' ')}" becomes ${name}: ${message}`, () => {
    const made = storeErrorOf(grpcError(code, details), 'http://e:2379');
    const { name: madeName, message: madeMessage } = made.error;
    assert.deepEqual([madeName, madeMessage, made.leave], [name, `etcd at http://e:2379: ${message}`, leave]);
    assert.equal(made.error instanceof StoreUnavailable && made.error.refuses, refuses);
  });
}

test('an error that is not of gRPC is a bug and stays what it is', () => {
  const bug = new TypeError('undefined is not a function');
  assert.deepEqual(storeErrorOf(bug, 'http://e:2379'), { error: bug, leave: 'no' });
});

test('a token that is no longer taken is told apart from a refusal', () => {
  assert.equal(isStaleToken(grpcError(status.UNAUTHENTICATED, 'etcdserver: invalid auth token')), true);
  assert.equal(isStaleToken(grpcError(status.INVALID_ARGUMENT, 'etcdserver: revision of auth store is old')), true);
  assert.equal(isStaleToken(grpcError(status.PERMISSION_DENIED, 'etcdserver: permission denied')), false);
  assert.equal(isStaleTokenReason('rpc error: code = Unauthenticated desc = etcdserver: invalid auth token'), true);
});

test('a canceled watch is explained like a refused request', () => {
  const name = (reason: string): string[] => {
    const error = canceledWatchError(reason, 'http://e:2379');
    return [error.name, error.message];
  };
  assert.deepEqual(name('etcdserver: mvcc: required revision has been compacted'),
    ['StoreCompacted', 'etcd at http://e:2379: the history after that revision was compacted away']);
  assert.deepEqual(name(''), ['StoreUnavailable', 'etcd at http://e:2379: the watch was canceled: no reason given']);
});
