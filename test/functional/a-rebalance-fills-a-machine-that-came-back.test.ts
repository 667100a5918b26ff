/** A machine takes units again: nothing moves by itself, rebalance shows what would, and moves it when it is told to. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cluster } from './cluster.ts';
import { until } from './lab/command.ts';
import { done, placesOf, sleeper, writeUnit } from './units.ts';

test('rebalance shows the moves to a machine that is open again, and makes them with --yes until all have as many', async () => {
  const made = await cluster();
  const { fleetctl } = made;
  const back = made.machine('m82');
  try {
    await done(fleetctl, 'cordon', back.id);
    await writeUnit(made, 'even@.service', sleeper());
    const started = await fleetctl('start', 'even@{1..12}.service');
    assert.equal(started.code, 0, started.stderr + started.stdout);
    await done(fleetctl, 'uncordon', back.id);
    const before = await placesOf(made);
    const shown = await fleetctl('rebalance');
    assert.equal(shown.code, 0, shown.stderr);
    const rows = shown.stdout.split('\n').filter((line) => line.startsWith('even@'));
    assert.equal(rows.length, 3, shown.stdout);
    assert.ok(rows.every((row) => row.split(/\t+/)[2]?.startsWith(back.id.slice(0, 8))), shown.stdout);
    assert.deepEqual(await placesOf(made), before, 'nothing moved');
    const begun = await fleetctl('rebalance', '--yes');
    assert.match(begun.stdout, /^3 units to move, a few at a time/m);
    await until(async () => (await fleetctl('rebalance')).stdout === 'No move would make the machines more even\n', 'the rebalance is over');
    const places = [...(await placesOf(made)).values()];
    for (const machine of made.machines) assert.equal(places.filter((place) => place === machine).length, 3, machine.name);
  } finally {
    await fleetctl('uncordon', back.id);
  }
});
