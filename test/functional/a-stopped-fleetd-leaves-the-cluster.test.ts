/** systemctl stop fleet takes a machine out of the cluster in order: its units stop here, go elsewhere, and it is gone from list-machines. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cluster } from './cluster.ts';
import { until } from './lab/command.ts';
import { machineIds, mainPid, placesOf, startOneOnEachMachine, unitOn } from './units.ts';

test('systemctl stop fleet moves the units away and leaves at once; systemctl start fleet brings the machine back', async (context) => {
  const shared = await cluster();
  const machine = shared.machine('m82');
  const unit = unitOn(await startOneOnEachMachine(shared), machine);
  context.after(() => machine.sh('systemctl start fleet'));
  await machine.sh('systemctl stop fleet');
  assert(!(await machineIds(shared)).includes(machine.id), 'it is not listed any more');
  assert.equal(await mainPid(machine, unit), 0);
  await until(async () => (await placesOf(shared)).size === 4, 'all units run elsewhere');
  const gone = async (): Promise<string> => (await shared.fleetctl('list-machines', '--all', '--full', '--fields=machine,state', '--no-legend')).stdout;
  await until(async () => new RegExp(`^${machine.id}\\s+left$`, 'm').test(await gone()), async () => `it is listed as one that left:\n${await gone()}`);
  const called = await machine.exec(['curl', '-sS', '--unix-socket', '/run/fleet.sock', 'http://localhost/fleet/v1/machines']);
  assert.notEqual(called.code, 0, 'nobody answers on the socket');
  assert.equal((await machine.exec(['systemctl', 'is-active', 'fleet.service', 'fleet.socket'])).stdout, 'inactive\ninactive\n');
  await machine.sh('systemctl start fleet');
  await until(async () => (await machineIds(shared)).includes(machine.id), 'it is listed again');
});
