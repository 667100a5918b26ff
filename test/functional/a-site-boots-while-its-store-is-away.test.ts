/** Power comes back before the store does: machines start what they had last, and compare when the store answers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cluster } from './cluster.ts';
import { holder, overlapsIn } from './holder.ts';
import { until } from './lab/command.ts';
import { journalCursor, logged } from './lab/journal.ts';
import { kept, mainPid, mainPids, placesOf, sleeper, startOneOnEachMachine, startUnit, unitOn } from './units.ts';

test('after a power cut all units of a site run again before its store does, but for those that stop with their machine; then nothing is restarted', async () => {
  const shared = await cluster();
  const { machines, etcd } = shared;
  const places = await startOneOnEachMachine(shared);
  await startUnit(shared, 'fenced.service', holder('OnMachineLost=stop'));
  const fencedHome = await until(async () => (await placesOf(shared)).get('fenced.service'), 'the fenced unit runs');
  await kept(fencedHome, 'fenced.service');
  for (const machine of machines) await kept(machine, unitOn(places, machine));
  await etcd.crash();
  let before: readonly string[] = [];
  try {
    await Promise.all(machines.map((machine) => machine.kill()));
    await Promise.all(machines.map((machine) => machine.boot()));
    const cursor = await journalCursor(fencedHome);
    await Promise.all(machines.map((machine) => machine.sh('systemctl start fleet.service')));
    await until(async () => (await mainPids(places)).every((line) => !line.endsWith(' 0')), 'every machine has started its unit');
    await logged(fencedHome, cursor, /starting what this machine had last.*fencedUnitsThatWait.*1/);
    assert.equal(await mainPid(fencedHome, 'fenced.service'), 0);
    before = await mainPids(places);
  } finally {
    await etcd.start();
  }
  await until(async () => (await placesOf(shared)).size === 5, 'all units are reported, the fenced one too');
  await Promise.all(machines.map((machine, index) => startUnit(shared, `later-${String(index)}.service`, sleeper(`MachineID=${machine.id}`))));
  assert.deepEqual(await mainPids(places), before);
  assert.equal(await overlapsIn(shared.folder), '');
});
