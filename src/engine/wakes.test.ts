import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emptySnapshot } from '../core/cluster.ts';
import type { ClusterSnapshot } from '../core/cluster.ts';
import type { Machine, MachineId } from '../core/machine.ts';
import type { FollowBatch } from '../store/mirror.ts';
import type { Revision } from '../store/store.ts';
import { createDecisionEar } from './wakes.ts';

const machine = 'a'.repeat(32) as MachineId;
const status = `statuses/${machine}/a.service`;
const put = (key: string, value = '{}'): FollowBatch['changes'][number] =>
  ({ kind: 'put', entry: { key, value, modRevision: 1 as Revision, leaseId: null } });
const batch = (...changes: FollowBatch['changes']): FollowBatch => ({ revision: 1 as Revision, changes });

test('an engine wakes for what may change a decision, and looks at no snapshot for statuses while no units move', () => {
  let looks = 0;
  let drain: Machine['drain'] = null;
  const snapshot = (): ClusterSnapshot => {
    looks += 1;
    return { ...emptySnapshot, machines: new Map([[machine, { drain } as Machine]]) };
  };
  const matters = createDecisionEar(snapshot);
  assert.equal(matters(batch(put('units/a.service'))), true);
  assert.equal(matters(batch(put('unit-history/a.service'))), false);
  assert.equal(matters(batch({ kind: 'delete', key: status, modRevision: 1 as Revision })), true);
  assert.equal(matters(batch(put(status, '{"released":3}'))), true);
  assert.equal(looks, 0);
  for (let index = 0; index < 3; index += 1) assert.equal(matters(batch(put(status))), false);
  assert.equal(looks, 1);
  drain = { sinceMs: 1 } as unknown as Machine['drain'];
  assert.equal(matters(batch(put(`machine-overrides/${machine}`), put(status))), true);
  assert.equal(matters(batch(put(status))), true);
  assert.equal(looks, 2);
  drain = null;
  assert.equal(matters(batch({ kind: 'delete', key: `machine-overrides/${machine}`, modRevision: 1 as Revision })), true);
  assert.equal(matters(batch(put(status))), false);
});
