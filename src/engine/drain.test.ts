/** Whole clusters in which people cordon, drain and forget machines. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { createCluster, sleeper } from '../../sim/cluster.ts';
import type { SimCluster, SimFleetd } from '../../sim/cluster.ts';
import { limits } from '../core/limits.ts';
import { noOverride } from '../core/machine.ts';
import type { MachineId, MachineOverride } from '../core/machine.ts';
import { keys } from '../store/keys.ts';
import { encodeRecord } from '../store/records.ts';

const never = new AbortController().signal;
const names = Array.from({ length: 24 }, (_, index) => `app@${String(index).padStart(2, '0')}.service`);
const drain = { reason: 'upgrade', by: 'ann', sinceMs: 0, fenced: true, global: false };

describe('a cluster of three machines', () => {
  let cluster: SimCluster;
  let fleetds: SimFleetd[];
  const on = (machine: string): readonly string[] => names.filter((name) => cluster.machinesOf(name).includes(machine));
  const isUp = (name: string): boolean =>
    cluster.machinesOf(name).some((machine) => cluster.status(machine, name)?.active === 'active');
  const override = async (id: string, changes: Partial<MachineOverride>): Promise<void> => {
    const value = encodeRecord({ ...noOverride, ...changes });
    await cluster.store.commit({ guards: [], changes: [{ kind: 'put', key: keys.machineOverride(id as MachineId), value }] }, never);
  };

  beforeEach(async () => {
    cluster = await createCluster();
    fleetds = ['aaa', 'bbb', 'ccc'].map((id) => cluster.machine(id).start());
    await cluster.until(() => cluster.snapshot().machines.size === 3);
    for (const name of names) await cluster.want(name, 'launched', sleeper);
    await cluster.until(() => names.every(isUp));
  });
  afterEach(() => cluster.close());

  test('empties a machine that is drained, few units at a time, and fills it again only after the drain', async () => {
    let most = 0;
    cluster.onChange(() => {
      most = Math.max(most, names.filter((name) => !isUp(name)).length);
    });
    await override('aaa', { drain: { ...drain, sinceMs: cluster.clock.nowMs() } });
    await cluster.until(() => on('aaa').length === 0 && names.every(isUp));
    assert.ok(most >= 1 && most <= limits.drainMovesMax, `${String(most)} units were on their way at once`);
    await cluster.want('new.service', 'launched', sleeper);
    await cluster.until(() => cluster.machinesOf('new.service').length === 1);
    assert.notEqual(cluster.machinesOf('new.service')[0], 'aaa');
    await override('aaa', {});
    await cluster.want('newer.service', 'launched', sleeper);
    await cluster.until(() => cluster.machinesOf('newer.service').length === 1);
    assert.deepEqual(cluster.machinesOf('newer.service'), ['aaa']);
  });

  test('goes on with a drain when the leader changes in the middle', async () => {
    await override('aaa', { drain: { ...drain, sinceMs: cluster.clock.nowMs() } });
    await cluster.until(() => on('aaa').length < 8);
    const leader = cluster.snapshot().leader?.machine ?? '';
    await fleetds[['aaa', 'bbb', 'ccc'].indexOf(leader)]?.stop('keep');
    await cluster.until(() => on('aaa').length === 0);
  });

  test('leaves everything where it is when no other machine takes it', async () => {
    await override('bbb', { cordon: { reason: '', by: '', sinceMs: 0 } });
    await override('ccc', { cordon: { reason: '', by: '', sinceMs: 0 } });
    await override('aaa', { drain: { ...drain, sinceMs: cluster.clock.nowMs() } });
    await cluster.clock.advance(60_000);
    assert.equal(on('aaa').length, 8);
    assert.ok(names.every(isUp));
  });

  test('forgets a lost machine with everything it was to have, and not one that came back', async () => {
    await cluster.want('global.service', 'launched', `${sleeper}[X-Fleet]\nGlobal=true\n`);
    await cluster.until(() => cluster.machinesOf('global.service').length === 3);
    fleetds[2]?.kill();
    await cluster.until(() => on('ccc').length === 0 && cluster.snapshot().roster.get('ccc' as MachineId)?.goneSinceMs !== null);
    assert.equal(cluster.machinesOf('global.service').length, 3, 'it may come back with the unit running');
    await override('ccc', { forget: 1 });
    await cluster.clock.advance(5_000);
    assert.equal(cluster.snapshot().roster.size, 3, 'it was not gone since then');
    await override('ccc', { forget: cluster.snapshot().roster.get('ccc' as MachineId)?.goneSinceMs ?? null });
    await cluster.until(() => cluster.snapshot().roster.size === 2);
    assert.equal(cluster.machinesOf('global.service').length, 2);
    assert.equal(cluster.snapshot().overrides.size, 0);
  });
});
