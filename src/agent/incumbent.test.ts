/** Whose record stands under a machine's id: its own from before, or another machine's. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { MachineId, MachineRecord } from '../core/machine.ts';
import { whyTaken } from './incumbent.ts';

const record = (bootId: string, startedAtMs: number): MachineRecord => ({
  id: 'aaa' as MachineId, publicIp: '10.0.0.1', hostname: 'host', metadata: {}, version: '2', bootId,
  capacity: { cpus: 1, memoryBytes: 1 }, peer: null, runner: 'systemd', store: 'etcd', startedAtMs, ttlMs: 0, left: false, trouble: '', doubt: null,
});
const own = record('this boot', 10);

describe('the record under this machine\'s id', () => {
  test('is its own when the disk remembers the lease, whatever the boot', () => {
    assert.equal(whyTaken(own, { record: record('earlier boot', 5), leaseId: 'x' }, { leaseId: 'x', bootId: 'earlier boot' }), null);
  });
  test('is its own when it is of this boot and of an earlier process', () => {
    assert.equal(whyTaken(own, { record: record('this boot', 9), leaseId: 'x' }, null), null);
  });
  test('is left to a later process of this boot', () => {
    assert.match(whyTaken(own, { record: record('this boot', 11), leaseId: 'x' }, null) ?? '', /another fleetd of this machine/);
  });
  test('is another machine\'s when boot and lease are unknown, and that names it and says what to do', () => {
    const why = whyTaken(own, { record: record('other boot', 5), leaseId: 'x' }, { leaseId: 'y', bootId: 'this boot' });
    assert.equal(why, 'another machine has the id aaa (host, 10.0.0.1); give one of them another machine id');
  });
  test('is not taken over when it cannot be read', () => {
    assert.match(whyTaken(own, { record: null, leaseId: 'x' }, null) ?? '', /cannot be read/);
  });
});
