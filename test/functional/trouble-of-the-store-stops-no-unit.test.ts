/**
 * etcd may hang or crash for longer than agent_ttl: no unit stops or moves, and everything goes on afterwards. One that asks for it is stopped by
 * its fence, and what is said of it meanwhile and afterwards is true.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cluster } from './cluster.ts';
import { until } from './lab/command.ts';
import type { Etcd } from './lab/etcd.ts';
import { journalCursor, lastEvent, logged, mainPid, mainPids, placesOf, sleeper, startOneOnEachMachine, startUnit } from './units.ts';

const troubles: readonly { readonly name: string; begin(etcd: Etcd): unknown; end(etcd: Etcd): unknown }[] = [
  { name: 'hangs', begin: (etcd) => etcd.pause(), end: (etcd) => etcd.resume() },
  { name: 'has crashed', begin: (etcd) => etcd.crash(), end: (etcd) => etcd.start() },
];
for (const { name, begin, end } of troubles) {
  test(`while etcd ${name} for longer than agent_ttl all units go on where they are, and afterwards fleet works as before`, async () => {
    const shared = await cluster();
    const places = await startOneOnEachMachine(shared);
    const before = await mainPids(places);
    const first = shared.machine('m85');
    await startUnit(shared, 'fenced.service', sleeper(`OnMachineLost=stop\nMachineID=${first.id}`));
    const cursors = await Promise.all(shared.machines.map(journalCursor));
    await begin(shared.etcd);
    try {
      await Promise.all(shared.machines.map((machine, index) => logged(machine, cursors[index] ?? '', /not present in the cluster, units go on/)));
      assert.deepEqual(await mainPids(places), before);
      await until(async () => await mainPid(first, 'fenced.service') === 0, 'its fence stops what asks for it');
      assert.match((await shared.fleetctl('explain', 'fenced')).stdout, /^fenced\.service: the store is away, and when it was heard last, .*; since then its fence stops it/);
      assert.match((await shared.fleetctl('list-units')).stderr, /^NOTE: the store is away since .*: what is shown was heard before that$/m);
    } finally {
      await end(shared.etcd);
    }
    await Promise.all(shared.machines.map((machine, index) => logged(machine, cursors[index] ?? '', /INFO agent: present/)));
    await until(async () => (await shared.sh('curl -s --unix-socket /run/fleet.sock http://fleet/readyz')).startsWith('ok'), 'the API is ready');
    await startUnit(shared, 'after.service', sleeper());
    await until(async () => (await placesOf(shared)).size === 6, 'all units are reported again');
    await until(async () => /started\t+it runs again/.test(await lastEvent(shared, 'fenced.service')),
      async () => `that it runs again is told: ${(await shared.fleetctl('events', 'fenced')).stdout}`);
    assert.match((await shared.fleetctl('events', 'fenced')).stdout, /stopped\t+its machine was cut off from the cluster for longer than its LostAfter=/);
    assert.deepEqual(await mainPids(places), before);
  });
}
