/** Engines and agents together, in one process on a clock moved by hand: what the cluster promises about units. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { createCluster, sleeper, ttlMs } from '../../sim/cluster.ts';
import type { SimCluster, SimFleetd } from '../../sim/cluster.ts';
import type { UnitName } from '../core/unit-name.ts';

describe('a cluster', () => {
  let cluster: SimCluster;
  beforeEach(async () => {
    cluster = await createCluster();
  });
  afterEach(() => cluster.close());

  const active = (machine: string, name: string): boolean => cluster.status(machine, name)?.active === 'active';
  const pidOf = (machine: string, name: string): number => cluster.status(machine, name)?.mainPid ?? 0;

  test('starts a unit, stops it, and forgets it when it is destroyed', async () => {
    const machine = cluster.machine('aaa');
    machine.start();
    await cluster.want('app.service', 'launched', sleeper);
    await cluster.until(() => active('aaa', 'app.service'));
    await cluster.want('app.service', 'loaded');
    await cluster.until(() => cluster.status('aaa', 'app.service')?.active === 'inactive');
    await cluster.want('app.service', 'launched');
    await cluster.until(() => active('aaa', 'app.service'));
    await cluster.destroy('app.service');
    await cluster.until(() => cluster.status('aaa', 'app.service') === undefined && machine.units.units.size === 0);
    assert.deepEqual(cluster.machinesOf('app.service'), []);
    await cluster.until(() => cluster.snapshot().files.size === 0, 200_000);
  });
});
