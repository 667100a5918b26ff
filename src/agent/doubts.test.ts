/** Clusters whose store is wiped, put back from an older copy, another cluster's, or a newer fleet's: nothing is touched, it is said, and it heals. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { createCluster, sleeper, ttlMs } from '../../sim/cluster.ts';
import type { SimCluster, SimFleetd, SimMachine } from '../../sim/cluster.ts';
import { decideAcceptance } from '../api/write/accept-store.ts';
import { basisOf } from '../api/write/decision.ts';
import { commitAnyway, commitDecision } from '../api/write/single-commit.ts';
import { whyDoubted } from '../core/doubt.ts';
import { success } from '../core/failure.ts';
import type { ClusterSnapshot } from '../core/cluster.ts';
import type { MachineId } from '../core/machine.ts';
import type { UnitName } from '../core/unit-name.ts';
import { rebootFakeMachine } from '../runner/fake-machine.ts';
import { keys } from '../store/keys.ts';
import { encodeRecord } from '../store/records.ts';
import { createSnapshotBuilder } from '../store/snapshot-builder.ts';

const ids = ['aaa', 'bbb', 'ccc'];
const names = ['app@1.service', 'app@2.service', 'app@3.service'] as UnitName[];
const late = 'late.service' as UnitName;
const never = new AbortController().signal;

describe('a cluster of three machines', () => {
  let cluster: SimCluster;
  let machines: SimMachine[];
  let fleetds: SimFleetd[];
  beforeEach(async () => {
    cluster = await createCluster();
    machines = ids.map((id) => cluster.machine(id));
    fleetds = machines.map((machine) => machine.start());
    await cluster.until(() => stored().machines.size === 3 && stored().leader !== null);
    for (const name of names) await cluster.want(name, 'launched', sleeper);
    await cluster.until(() => names.every(runs));
    await cluster.clock.advance(20_000);
  });
  afterEach(() => cluster.close());

  /** Every process of a unit on the machines themselves, whatever the store says. */
  const processes = (): readonly string[] => machines.flatMap(({ id, units }) =>
    [...units.units].filter(([, { mainPid }]) => mainPid > 0).map(([name, { mainPid }]) => `${id} ${name} ${String(mainPid)}`)).sort();
  const runs = (name: UnitName): boolean => processes().some((line) => line.includes(` ${name} `));
  /** What the store holds, seen by nobody who might be confused by what becomes of it. */
  const stored = (): ClusterSnapshot => {
    const builder = createSnapshotBuilder();
    const { revision, entries } = cluster.store.copy();
    builder.apply(revision, entries.map((entry) => ({ kind: 'put', entry })));
    return builder.snapshot();
  };
  const doubters = (): number => [...stored().machines.values()].filter(({ doubt }) => doubt !== null).length;
  const logged = (text: string): number => cluster.log.filter((line) => line.includes(text)).length;
  const accept = async (force = false, by = fleetds[0]): Promise<string> => {
    assert.ok(by !== undefined);
    const asked = commitAnyway(by.write, (basis) => decideAcceptance(by.write, basis, { force, by: 'ann' }), never);
    await cluster.clock.advance(1_000);
    const outcome = await asked;
    return outcome.ok ? `changed: ${String(outcome.value.changed)}` : outcome.failure.code;
  };
  /** All machines have seen that the store is not theirs, and whatever they might do wrong has had its time. */
  const doubtful = async (count = 3): Promise<void> => {
    await cluster.until(() => doubters() === count);
    await cluster.clock.advance(10 * ttlMs);
    assert.equal(doubters(), count);
    assert.equal(stored().leader, null, 'nobody leads');
  };

  test('runs on when its store is wiped, says so, and takes an empty store only by force', async () => {
    const before = processes();
    cluster.store.putBack();
    await doubtful();
    assert.deepEqual(processes(), before);
    assert.equal(logged('it was wiped, or is another store; units go on'), 3, 'each says it once');
    assert.match(whyDoubted(stored()) ?? '', /^aaa and 2 more: the store does not have the cluster/);
    assert.deepEqual(stored().schema, null, 'nobody has begun it anew');
    const refused = commitDecision(fleetds[0]!.write, () => success({ guards: [], changes: [] }), never);
    assert.equal((await refused as { failure: { code: string } }).failure.code, 'STORE_DOUBTED');
    assert.equal(await accept(), 'UNITS_WOULD_STOP');
    assert.deepEqual(processes(), before);
    assert.equal(await accept(true), 'changed: true');
    await cluster.until(() => processes().length === 0 && stored().leader !== null);
    assert.equal(await accept(), 'changed: false');
    await cluster.want(late, 'launched', sleeper);
    await cluster.until(() => runs(late));
  });

  test('goes on when the right store is back, without a trace of the wrong one', async () => {
    const before = processes();
    const right = cluster.store.copy();
    cluster.store.putBack();
    await doubtful();
    cluster.store.putBack(right);
    await cluster.until(() => logged('the store is trusted again: it is the one this machine knows') === 3 && stored().leader !== null);
    await cluster.clock.advance(10 * ttlMs);
    assert.deepEqual(processes(), before);
    await cluster.want(late, 'launched', sleeper);
    await cluster.until(() => runs(late));
  });

  test('goes on with the right store also when every fleetd was killed while the wrong one was there', async () => {
    const before = processes();
    for (const wrong of [undefined, cluster.store.copy()]) {
      await cluster.want(late, wrong === undefined ? 'inactive' : 'loaded', sleeper);
      await cluster.clock.advance(20_000);
      const right = cluster.store.copy();
      cluster.store.putBack(wrong);
      await cluster.until(() => doubters() === 3);
      await cluster.clock.advance(1_000);
      for (const fleetd of fleetds) fleetd.kill();
      cluster.store.putBack(right);
      // Whoever registers before it has looked leaves a mark in the right store.
      fleetds = machines.map((machine) => machine.start(({ verb, number }) => (verb === 'list' && number <= 3 ? { delayMs: 1_000 } : {})));
      await cluster.until(() => stored().leader !== null && doubters() === 0 && fleetds.every(({ trust }) => trust.doubt() === null));
      assert.deepEqual(processes(), before);
    }
  });

  test('runs on with an older copy of its store, also units that this one does not have, until a person accepts it', async () => {
    const older = cluster.store.copy();
    await cluster.want(late, 'launched', sleeper);
    await cluster.destroy(names[2] ?? '');
    await cluster.until(() => runs(late) && !runs(names[2]!));
    await cluster.clock.advance(20_000);
    const before = processes();
    cluster.store.putBack(older);
    await doubtful();
    assert.deepEqual(processes(), before);
    assert.equal(await accept(), 'UNITS_WOULD_STOP', late);
    assert.equal(await accept(true), 'changed: true');
    await cluster.until(() => !runs(late) && names.every(runs));
    assert.deepEqual(processes().filter((line) => before.includes(line)).length, 2, 'the others kept their processes');
    assert.equal(doubters(), 0);
  });

  test('takes nothing before every machine that doubts it has said what it runs', async () => {
    fleetds[1]?.kill();
    fleetds[1] = machines[1]!.start(({ verb }) => (verb === 'commit' ? { delayMs: 300 } : {}));
    await cluster.clock.advance(20_000);
    cluster.store.putBack();
    await cluster.until(() => fleetds[0]?.trust.doubt()?.kind === 'wiped');
    const { write } = fleetds[0]!;
    const seen = new Set<string>();
    for (let told = 0; told < 3;) {
      const { machines: known, statuses } = write.mirror.snapshot();
      const doubting = [...known].filter(([, { doubt }]) => doubt !== null).map(([id]) => id as string);
      told = doubting.filter((id) => statuses.get(id as MachineId)?.size === 1).length;
      const decided = decideAcceptance(write, basisOf(write), { by: 'ann' });
      const code = decided.ok ? 'accepted' : decided.failure.code;
      assert.equal(code, doubting.includes('aaa') && told === doubting.length ? 'UNITS_WOULD_STOP' : 'CONFLICT');
      seen.add(`${String(told)} of ${String(doubting.length)}`);
      await cluster.clock.advance(1);
    }
    assert.ok(seen.has('2 of 3'), `the third was waited for: ${[...seen].join(', ')}`);
  });

  test('takes an older copy that has everything that runs without force, and keeps all processes', async () => {
    const older = cluster.store.copy();
    await cluster.want(late, 'inactive', sleeper);
    await cluster.clock.advance(20_000);
    const before = processes();
    cluster.store.putBack(older);
    await doubtful();
    assert.equal(await accept(), 'changed: true');
    await cluster.until(() => doubters() === 0 && stored().leader !== null);
    await cluster.clock.advance(10 * ttlMs);
    assert.deepEqual(processes(), before);
    assert.equal(logged('the store is trusted again: accepted by ann'), 3);
  });

  test('is not confused by an older copy that goes further than the newer one had, nor by restarts meanwhile', async () => {
    const older = cluster.store.copy();
    await cluster.want(late, 'launched', sleeper);
    await cluster.until(() => runs(late));
    await cluster.clock.advance(20_000);
    const before = processes();
    cluster.store.putBack(older);
    await cluster.until(() => doubters() === 3);
    for (let count = 0; count < 200; count += 1) {
      await cluster.store.commit({ guards: [], changes: [{ kind: 'put', key: 'another/program', value: String(count) }] }, never);
    }
    for (const fleetd of fleetds) fleetd.kill();
    fleetds = machines.map((machine) => machine.start());
    await cluster.clock.advance(ttlMs);
    await doubtful();
    assert.deepEqual(processes(), before);
  });

  test('a fleetd that was not there finds the store wiped or older when it begins, by what is on its disk', async () => {
    const older = cluster.store.copy();
    await cluster.want(late, 'launched', sleeper);
    await cluster.until(() => runs(late));
    for (const fleetd of fleetds) await fleetd.stop('keep');
    const before = processes();
    for (const copy of [older, undefined]) {
      cluster.store.putBack(copy);
      fleetds = machines.map((machine) => machine.start());
      await doubtful();
      for (const fleetd of fleetds) await fleetd.stop('keep');
      assert.deepEqual(processes(), before);
    }
  });

  test('a machine that boots with a wiped store starts what it had last', async () => {
    const [machine] = machines;
    assert.ok(machine !== undefined);
    fleetds[0]?.kill();
    rebootFakeMachine(machine.units);
    machine.bootId = 'another boot';
    const before = processes();
    assert.equal(before.length, 2);
    cluster.store.putBack();
    machine.start();
    await doubtful();
    assert.deepEqual(processes().filter((line) => before.includes(line)), before);
    assert.equal(processes().length, 3);
  });

  test('a new machine that finds an older store decides nothing while others doubt it', async () => {
    const older = cluster.store.copy();
    for (const name of names) await cluster.restart(name);
    await cluster.clock.advance(20_000);
    const before = processes();
    cluster.store.putBack(older);
    await cluster.until(() => doubters() === 3);
    const fresh = cluster.machine('ddd').start();
    await doubtful();
    assert.equal(fresh.agent.presence.state, 'present');
    assert.deepEqual(processes(), before);
    assert.ok(logged('nobody leads and nothing is decided') > 0);
    assert.equal(await accept(false, fresh), 'changed: true');
    await cluster.until(() => doubters() === 0 && stored().leader !== null);
  });

  test('runs on when somebody deletes all its keys under connections that live', async () => {
    const before = processes();
    const { entries } = cluster.store.copy();
    await cluster.store.commit({ guards: [], changes: entries.map(({ key }) => ({ kind: 'delete', key })) }, never);
    await doubtful();
    assert.deepEqual(processes(), before);
  });

  test('a machine of another cluster touches nothing and is not let in, until somebody says so', async () => {
    const other = await createCluster(2);
    try {
      const stray = other.machine('ddd');
      const there = stray.start();
      await other.want('stray.service', 'launched', sleeper);
      await other.until(() => other.status('ddd', 'stray.service')?.active === 'active');
      await there.stop('keep');
      const here = cluster.machine('ddd');
      for (const [name, text] of stray.disk) here.disk.set(name, text);
      for (const [name, unit] of stray.units.units) here.units.units.set(name, unit);
      const pid = stray.units.units.get('stray.service' as UnitName)?.mainPid;
      const lost = here.start();
      await cluster.until(() => lost.trust.doubt()?.kind === 'foreign');
      await cluster.clock.advance(10 * ttlMs);
      assert.deepEqual([...stored().machines.keys()].sort(), ids);
      assert.match(lost.agent.presence.why, /^the store has the cluster ".*another cluster uses this etcd and key prefix/);
      assert.equal(here.units.units.get('stray.service' as UnitName)?.mainPid, pid);
      assert.notEqual(stored().leader, null, 'the cluster itself goes on');
      assert.equal(await accept(false, lost), 'UNITS_WOULD_STOP');
      assert.equal(await accept(true, lost), 'changed: true');
      await cluster.until(() => stored().machines.has(here.id) && here.units.units.size === 0);
      assert.equal(doubters(), 0);
    } finally {
      await other.close();
    }
  });

  test('does nothing in a store whose layout is too new, and everything in one that is one layout ahead', async () => {
    const schema = stored().schema;
    assert.ok(schema !== null);
    const become = async (version: number): Promise<void> => {
      await cluster.store.commit({ guards: [], changes: [{ kind: 'put', key: keys.schema, value: encodeRecord({ ...schema, version }) }] }, never);
      await cluster.clock.advance(1_000);
    };
    await become(schema.version + 1);
    await cluster.want(late, 'launched', sleeper);
    await cluster.until(() => runs(late));
    assert.equal(stored().schema?.version, schema.version + 1, 'it stays for the newer fleet');
    await become(schema.version + 2);
    const before = processes();
    await cluster.until(() => stored().leader === null);
    await cluster.destroy(late);
    await cluster.clock.advance(10 * ttlMs);
    assert.deepEqual(processes(), before);
    assert.equal(await accept(true), 'STORE_NEWER');
    for (const fleetd of fleetds) await fleetd.stop('keep');
    fleetds = machines.map((machine) => machine.start());
    await cluster.clock.advance(10 * ttlMs);
    assert.deepEqual(processes(), before);
    assert.equal(stored().machines.size, 0, 'it writes nothing there');
    await become(schema.version);
    await cluster.until(() => stored().machines.size === 3 && !runs(late));
  });

  test('a layout that is older is brought up by whoever leads', async () => {
    const schema = stored().schema;
    assert.ok(schema !== null);
    for (const fleetd of fleetds) await fleetd.stop('keep');
    await cluster.store.commit({ guards: [], changes: [{ kind: 'put', key: keys.schema, value: encodeRecord({ ...schema, version: schema.version - 1 }) }] }, never);
    const before = processes();
    machines[0]?.start();
    await cluster.until(() => stored().schema?.version === schema.version);
    assert.equal(stored().schema?.cluster, schema.cluster);
    assert.deepEqual(processes(), before);
  });

  test('fencing tokens grow over an acceptance', async () => {
    const tokenOf = (): number => stored().revision + (stored().storeAcceptance?.atMs ?? 0);
    const older = cluster.store.copy();
    await cluster.clock.advance(20_000);
    for (let count = 0; count < 50; count += 1) await cluster.restart(names[0] ?? '');
    const before = tokenOf();
    cluster.store.putBack(older);
    await doubtful();
    await accept();
    await cluster.until(() => doubters() === 0);
    assert.ok(tokenOf() > before);
  });
});
