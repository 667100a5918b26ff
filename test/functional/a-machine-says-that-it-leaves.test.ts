/**
 * A machine that is switched off in order is gone from the cluster when it is off; one that only boots again quickly is the same machine.
 * Its lease outlasts the tests, so nothing here comes from a lease that has ended.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { cluster, type Cluster } from './cluster.ts';
import { until } from './lab/command.ts';
import { takeLease, takeUsualLease } from './lease.ts';
import { done, lastEvent, machineIds, mainPid, placesOf, startOneOnEachMachine, unitOn } from './units.ts';

const events = async ({ fleetctl }: Cluster, subject: string): Promise<string> => (await fleetctl('events', subject)).stdout;

describe('a machine whose lease lasts for five minutes', () => {
  before(async () => {
    await takeLease((await cluster()).machine('m82'), 300);
  });
  after(async () => {
    await takeUsualLease((await cluster()).machine('m82'));
  });

  test('and that boots again after a power cut is the machine it was: its unit comes back there, and nobody has seen it go', async () => {
    const shared = await cluster();
    const machine = shared.machine('m82');
    const unit = unitOn(await startOneOnEachMachine(shared), machine);
    const [seen, placed] = [await events(shared, machine.id), await lastEvent(shared, unit)];
    await machine.kill();
    await machine.boot();
    assert((await machineIds(shared)).includes(machine.id), 'it is still listed');
    await machine.sh('systemctl start fleet');
    await until(async () => await mainPid(machine, unit) !== 0, 'its unit runs again');
    await until(async () => (await placesOf(shared)).get(unit) === machine, 'and is reported');
    assert.equal((await machineIds(shared)).length, 4);
    assert.doesNotMatch((await events(shared, machine.id)).slice(seen.length), /lost|left/);
    assert.equal(await lastEvent(shared, unit), placed, 'the unit was not placed anew');
  });

  test('and that is switched off in order is not listed elsewhere once it is off, and its unit runs elsewhere', async () => {
    const shared = await cluster();
    const machine = shared.machine('m82');
    const unit = unitOn(await startOneOnEachMachine(shared), machine);
    await machine.powerOff();
    try {
      assert(!(await machineIds(shared)).includes(machine.id), 'it is not listed any more');
      assert.match((await shared.fleetctl('list-machines', '--all', '--full', '--no-legend')).stdout, new RegExp(`${machine.id}.*\\bleft\\b`));
      await until(async () => ![undefined, machine].includes((await placesOf(shared)).get(unit)), 'its unit runs elsewhere');
    } finally {
      await machine.boot();
      await machine.sh('systemctl start fleet');
    }
  });
});

test('a lost machine that returns begins to stop what has moved before it starts anything', async (context) => {
  const shared = await cluster();
  const machine = shared.machine('m82');
  const moved = unitOn(await startOneOnEachMachine(shared), machine);
  await shared.sh(`printf '[Service]\\nExecStart=/bin/sleep infinity\\n[X-Fleet]\\nMachineID=${machine.id}\\n' >own.service`);
  await done(shared.fleetctl, 'load', 'own.service');
  context.after(() => machine.join());
  await machine.cut();
  await until(async () => ![undefined, machine].includes((await placesOf(shared)).get(moved)), 'its unit runs elsewhere');
  assert.notEqual(await mainPid(machine, moved), 0, 'and still where it was');
  await done(shared.fleetctl, 'start', '--no-block', 'own.service');
  await machine.join();
  await until(async () => (await placesOf(shared)).get('own.service') === machine, 'the machine is back and has started what it was to start');
  const journal = await machine.sh(`journalctl --sync; journalctl -o cat --no-pager -u ${moved} -u own.service`);
  // How long a unit takes to stop is its own affair: what is to start does not wait for it.
  const [stopping, started] = [journal.lastIndexOf(`Stopping ${moved}`), journal.lastIndexOf('Started own.service')];
  assert(stopping !== -1 && stopping < started, journal);
});
