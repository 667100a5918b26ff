/** A machine that loses power is given up after agent_ttl, and only its units move. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cluster } from './cluster.ts';
import { until } from './lab/command.ts';
import { machineIds, mainPids, placesOf, startOneOnEachMachine, unitOn } from './units.ts';

test('the units of a machine without power run elsewhere after agent_ttl, and units of other machines go on', async (context) => {
  const shared = await cluster();
  const machine = shared.machine('m82');
  const places = await startOneOnEachMachine(shared);
  const lost = unitOn(places, machine);
  const others = new Map([...places].filter(([unit]) => unit !== lost));
  const before = await mainPids(others);
  context.after(async () => {
    await machine.boot();
    await machine.sh('systemctl start fleet');
  });
  await machine.kill();
  await until(async () => !(await machineIds(shared)).includes(machine.id), 'it is not listed any more');
  await until(async () => (await placesOf(shared)).size === 4, 'its unit runs elsewhere');
  assert.notEqual((await placesOf(shared)).get(lost), machine);
  assert.deepEqual(await mainPids(others), before);
});
