/** Whole clusters in which failures are forgotten: by the machines, by the scheduler's waits, by what a machine tries again later. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { createCluster, sleeper } from '../../sim/cluster.ts';
import type { SimCluster } from '../../sim/cluster.ts';
import type { UnitName } from '../core/unit-name.ts';

let cluster: SimCluster;
beforeEach(async () => {
  cluster = await createCluster();
});
afterEach(() => cluster.close());

test('a unit that failed is inactive after a reset, is not started by it, and starts when somebody asks', async () => {
  const machine = cluster.machine('aaa');
  machine.units.behaviours.set('app.service' as UnitName, { runMs: 100, exitStatus: 3 });
  const { agent } = machine.start();
  await cluster.want('app.service', 'launched', sleeper);
  await cluster.until(() => cluster.status('aaa', 'app.service')?.active === 'failed');
  const starts = agent.steps.start;
  await cluster.resetFailed('app.service');
  await cluster.until(() => cluster.status('aaa', 'app.service')?.reset === 1);
  const { active, result, restart } = cluster.status('aaa', 'app.service') ?? assert.fail();
  assert.deepEqual([active, result, restart], ['inactive', 'success', 0]);
  assert.equal(agent.steps.start, starts);
  await cluster.restart('app.service');
  await cluster.until(() => cluster.status('aaa', 'app.service')?.active === 'failed' && cluster.status('aaa', 'app.service')?.restart === 1);
});

test('a global unit is reset on every machine, and on one that was away once it is back', async () => {
  const machines = ['aaa', 'bbb', 'ccc'].map((id) => cluster.machine(id));
  for (const machine of machines) machine.units.behaviours.set('all.service' as UnitName, { runMs: 100, exitStatus: 3 });
  const fleetds = machines.map((machine) => machine.start());
  const has = (id: string, active: string, reset: number): boolean => {
    const status = cluster.status(id, 'all.service');
    return status?.active === active && status.reset === reset;
  };
  await cluster.want('all.service', 'launched', `${sleeper}[X-Fleet]\nGlobal=true\n`);
  await cluster.until(() => ['aaa', 'bbb', 'ccc'].every((id) => has(id, 'failed', 0)));
  fleetds[2]?.kill();
  await cluster.resetFailed('all.service');
  await cluster.until(() => ['aaa', 'bbb'].every((id) => has(id, 'inactive', 1)));
  machines[2]?.start();
  await cluster.until(() => has('ccc', 'inactive', 1));
});

test('a unit that waits because it had to move too often is placed at once after a reset', async () => {
  const machines = ['aaa', 'bbb', 'ccc', 'ddd', 'eee'].map((id) => cluster.machine(id));
  const fleetds = new Map(machines.map((machine) => [machine.id as string, machine.start()]));
  await cluster.until(() => cluster.snapshot().machines.size === 5);
  await cluster.want('poison.service', 'launched', sleeper);
  await cluster.until(() => cluster.machinesOf('poison.service').length === 1);
  const lose = async (): Promise<string> => {
    const [machine = ''] = cluster.machinesOf('poison.service');
    fleetds.get(machine)?.kill();
    await cluster.until(() => !cluster.snapshot().machines.has(machine as never));
    return machine;
  };
  for (let move = 0; move < 4; move += 1) {
    const machine = await lose();
    await cluster.until(() => !cluster.machinesOf('poison.service').includes(machine), 300_000);
    fleetds.set(machine, machines.find(({ id }) => id === machine)?.start() ?? assert.fail());
    await cluster.until(() => cluster.snapshot().machines.size === 5);
  }
  const last = await lose();
  await cluster.clock.advance(10_000);
  assert.deepEqual(cluster.machinesOf('poison.service'), [last], 'it waits');
  await cluster.resetFailed('poison.service');
  await cluster.until(() => !cluster.machinesOf('poison.service').includes(last), 5_000);
});

test('what a machine could not load is tried again at once after a reset', async () => {
  const machine = cluster.machine('aaa');
  machine.units.behaviours.set('app.service' as UnitName, { refusesLoad: 'the disk is full' });
  machine.start();
  await cluster.want('app.service', 'launched', sleeper);
  await cluster.until(() => cluster.status('aaa', 'app.service')?.problem === 'the disk is full');
  await cluster.clock.advance(60_000);
  machine.units.behaviours.delete('app.service' as UnitName);
  await cluster.resetFailed('app.service');
  await cluster.until(() => cluster.status('aaa', 'app.service')?.active === 'active', 1_000);
});
