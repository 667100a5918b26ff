/**
 * etcd put back from an older snapshot, and etcd without its data, under a running cluster: units keep their processes, it is said in the log,
 * in /readyz and by fleetctl, and it heals by a person's word or when the right data are back.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cluster, type Cluster } from './cluster.ts';
import { until } from './lab/command.ts';
import type { Machine } from './lab/machine.ts';
import { allSay, journalCursor, logged, mainPid, sleeper, startOneOnEachMachine, startUnit } from './units.ts';

/** Every process of a unit, asked of the machines. */
async function processes(places: ReadonlyMap<string, Machine>): Promise<readonly string[]> {
  const lines = [...places].map(async ([unit, machine]) => `${unit} ${machine.name} ${String(await mainPid(machine, unit))}`);
  return (await Promise.all(lines)).sort();
}

/** A machine registers with its doubt a moment after it has begun. */
const allAreListed = (made: Cluster, words: RegExp): Promise<unknown> => {
  const list = async (): Promise<string> => (await made.fleetctl('list-machines', '--all', '--no-legend')).stdout;
  return until(async () => {
    const rows = (await list()).trim().split('\n');
    return rows.length === made.machines.length && rows.every((row) => words.test(row));
  }, async () => `list-machines says ${String(words)} of all machines: ${await list()}`);
};

test('etcd put back from an older snapshot stops nothing, and goes on once it is accepted', async () => {
  const shared = await cluster();
  const places = new Map(await startOneOnEachMachine(shared));
  const snapshot = await shared.etcd.snapshot();
  const [first] = shared.machines;
  assert.ok(first !== undefined);
  await startUnit(shared, 'late.service', sleeper(`MachineID=${first.id}`));
  const all = new Map([...places, ['late.service', first]]);
  const before = await processes(all);
  const cursor = await journalCursor(first);
  await shared.etcd.crash();
  await shared.etcd.lose(snapshot);
  await shared.etcd.start();
  await allSay(shared, /put back from an older backup/);
  await logged(first, cursor, /put back from an older backup; units go on, nothing is started or stopped/);
  const listed = await shared.fleetctl('list-units');
  assert.match(listed.stderr, /NOTE: store: .*put back from an older backup.*fleetctl accept-store/);
  await allAreListed(shared, /can take no new units: .*older backup/);
  assert.match((await shared.fleetctl('start', 'late.service')).stderr, /put back from an older backup/);
  assert.match((await shared.fleetctl('accept-store')).stderr, /these would be stopped: late\.service on m85/);
  await shared.machine('m83').sh('systemctl restart fleet');
  await allSay(shared, /put back from an older backup/);
  assert.deepEqual(await processes(all), before);
  const accepted = await shared.fleetctl('accept-store', '--force', '--reason=the backup is all there is');
  assert.equal(accepted.code, 0, accepted.stderr);
  await allSay(shared, /^ok$/m);
  await until(async () => await mainPid(first, 'late.service') === 0, 'the unit the store does not have is stopped');
  assert.deepEqual(await processes(places), before.filter((line) => !line.startsWith('late.service ')));
  await startUnit(shared, 'late.service', sleeper());
});

test('etcd without its data stops nothing, and nothing remains of it when they are back', async () => {
  const shared = await cluster();
  const places = await startOneOnEachMachine(shared);
  const before = await processes(places);
  await shared.etcd.crash();
  await shared.etcd.lose();
  await shared.etcd.start();
  await allSay(shared, /it was wiped, or is another store/);
  await allAreListed(shared, /can take no new units: .*it was wiped/);
  assert.match((await shared.fleetctl('list-unit-files')).stderr, /NOTE: store: .*it was wiped/);
  assert.match((await shared.fleetctl('accept-store')).stderr, /these would be stopped: .* on m8/);
  await shared.machine('m82').sh('systemctl restart fleet');
  await allSay(shared, /it was wiped, or is another store/);
  assert.deepEqual(await processes(places), before);
  await shared.etcd.crash();
  await shared.etcd.find();
  await shared.etcd.start();
  await allSay(shared, /^ok$/m);
  assert.deepEqual(await processes(places), before);
  await startUnit(shared, 'later.service', sleeper());
  assert.deepEqual(await processes(places), before);
});
