/** Two machines with one machine-id (a cloned disk): the second waits and says so, the first and its units are not disturbed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cluster, configuration } from './cluster.ts';
import { bootMachines } from './lab/fleet-machines.ts';
import { journalCursor, logged, machineIds, mainPid, sleeper, startUnit } from './units.ts';

test('a second machine with the machine-id of another is refused clearly, and nothing breaks', async (context) => {
  const shared = await cluster();
  const original = shared.machine('m86');
  await startUnit(shared, 'undisturbed.service', sleeper(`MachineID=${original.id}`));
  const before = await mainPid(original, 'undisturbed.service');
  const listed = (await shared.fleetctl('list-machines', '--full')).stdout;
  const address = '10.58.9.99';
  const [clone] = await bootMachines(shared.lab, [{ name: 'clone', id: original.id, address, conf: configuration(address) }]);
  assert(clone);
  context.after(() => clone.kill());
  const cursor = await journalCursor(clone);
  await clone.exec(['systemctl', 'start', '--no-block', 'fleet']);
  await logged(clone, cursor, new RegExp(`not present in the cluster.*${original.address.replaceAll('.', '\\.')}`));
  assert.equal(await mainPid(clone, 'undisturbed.service'), 0);
  assert.equal((await shared.fleetctl('list-machines', '--full')).stdout, listed);
  assert.equal((await machineIds(shared)).length, 4);
  await startUnit(shared, 'later.service', sleeper(`MachineID=${original.id}`));
  assert.notEqual(await mainPid(original, 'later.service'), 0);
  assert.equal(await mainPid(clone, 'later.service'), 0);
  assert.equal(await mainPid(original, 'undisturbed.service'), before);
});
