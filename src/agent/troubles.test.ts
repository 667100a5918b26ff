import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { createCluster, sleeper } from '../../sim/cluster.ts';
import type { SimCluster, SimFleetd, SimMachine } from '../../sim/cluster.ts';
import type { UnitName } from '../core/unit-name.ts';

const [app, later] = ['app.service', 'later.service'] as [UnitName, UnitName];

describe('a machine whose disk is full, or whose manager does not answer', () => {
  let cluster: SimCluster;
  let machine: SimMachine;
  let fleetd: SimFleetd;
  beforeEach(async () => {
    cluster = await createCluster();
    machine = cluster.machine('aaa');
    fleetd = machine.start();
    await cluster.want(app, 'launched', sleeper);
    await cluster.until(() => cluster.status('aaa', app)?.active === 'active');
  });
  afterEach(() => cluster.close());

  const troubleOf = (id: string): string | undefined => [...cluster.snapshot().machines.values()].find((each) => each.id === id)?.trouble;

  test('says so in its record, keeps its units, and gets no new ones until it is well again', async () => {
    const { mainPid } = machine.units.units.get(app) ?? {};
    machine.units.faults.trouble = 'cannot write to /run: ENOSPC: no space left on device';
    await cluster.until(() => troubleOf('aaa') === machine.units.faults.trouble, 120_000);
    await cluster.want(later, 'launched', sleeper);
    cluster.machine('bbb').start();
    await cluster.until(() => cluster.status('bbb', later)?.active === 'active');
    machine.units.faults.trouble = null;
    await cluster.until(() => troubleOf('aaa') === '', 120_000);
    assert.equal(machine.units.units.get(app)?.mainPid, mainPid);
    assert.equal(cluster.log.filter((line) => line.includes('can take no new ones')).length, 1);
  });

  test('says so when its manager does not answer, also in its own report', async () => {
    machine.units.faults.unavailable = true;
    await cluster.until(() => troubleOf('aaa')?.includes('does not answer') === true, 120_000);
    assert.match(fleetd.agent.trouble, /the manager of its units does not answer/);
    machine.units.faults.unavailable = false;
    await cluster.until(() => troubleOf('aaa') === '', 120_000);
  });
});
