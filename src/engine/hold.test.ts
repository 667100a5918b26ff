/** Whole clusters in which most machines vanish, leave, or start one by one: what moves, and what waits. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { createCluster, sleeper, ttlMs } from '../../sim/cluster.ts';
import type { SimCluster, SimFleetd, SimMachine } from '../../sim/cluster.ts';

const ids = ['aaa', 'bbb', 'ccc', 'ddd', 'eee'];
const names = [1, 2, 3, 4, 5].map((index) => `app@${String(index)}.service`);

describe('a cluster of five machines', () => {
  let cluster: SimCluster;
  let machines: SimMachine[];
  let fleetds: SimFleetd[];
  let before: readonly (readonly string[])[];
  const places = (): readonly (readonly string[])[] => names.map((name) => cluster.machinesOf(name));
  const holds = (): boolean => cluster.snapshot().hold !== null;
  const logged = (text: string): number => cluster.log.filter((line) => line.includes(text)).length;
  const isUp = (name: string): boolean => {
    const [machine] = cluster.machinesOf(name);
    return machine !== undefined && cluster.status(machine, name)?.active === 'active';
  };
  const advanceInSteps = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 500) await cluster.clock.advance(500);
  };

  beforeEach(async () => {
    cluster = await createCluster();
    machines = ids.map((id) => cluster.machine(id));
    fleetds = [];
    // Not all at one moment: their leases run out at different ones.
    for (const machine of machines) {
      fleetds.push(machine.start());
      await cluster.clock.advance(1_900);
    }
    for (const name of names) await cluster.want(name, 'launched', sleeper);
    await cluster.until(() => names.every(isUp));
    before = places();
    assert.equal(new Set(before.flat()).size, 5);
    assert.equal(cluster.snapshot().roster.size, 5);
  });
  afterEach(() => cluster.close());

  test('that loses three at once moves nothing, starts new units on the others, and goes on when they are back', async () => {
    for (const fleetd of fleetds.slice(0, 3)) fleetd.client.cut();
    await cluster.until(holds);
    assert.deepEqual(places(), before, 'also the units of the first one to expire');
    await cluster.want('new.service', 'launched', sleeper);
    await cluster.until(() => isUp('new.service'));
    for (const fleetd of fleetds.slice(0, 3)) fleetd.client.heal();
    await cluster.until(() => !holds());
    await cluster.clock.advance(60_000);
    assert.deepEqual(places(), before);
    assert.equal(logged('hold: 3 of 5 machines vanished'), 1);
    assert.equal(logged('the hold is over: all machines are back'), 1);
  });

  test('keeps a hold over changes of the leader, and moves the units once when it is over', async () => {
    const [one, two, three] = fleetds.slice(0, 3);
    for (const fleetd of [one, two, three]) fleetd?.kill();
    await cluster.until(holds);
    const began = cluster.clock.uptimeMs();
    const leader = cluster.snapshot().leader?.machine;
    void fleetds[ids.indexOf(leader ?? '')]?.stop('keep');
    await cluster.until(() => cluster.snapshot().leader?.machine !== leader && cluster.snapshot().leader !== null);
    await advanceInSteps(60_000);
    assert.ok(holds());
    assert.deepEqual(places(), before);
    await cluster.until(() => !holds());
    const lastedMs = cluster.clock.uptimeMs() - began;
    assert.ok(lastedMs > 110_000 && lastedMs < 130_000, `the hold lasted ${String(lastedMs)} ms`);
    await cluster.until(() => names.every(isUp));
  });

  test('moves the units of a single lost machine, and the roster says since when it is gone', async () => {
    fleetds[4]?.kill();
    await cluster.until(() => names.every((name) => !cluster.machinesOf(name).includes('eee')));
    assert.equal(logged('hold:'), 0);
    assert.deepEqual([...cluster.snapshot().roster.values()].filter(({ goneSinceMs }) => goneSinceMs !== null).map(({ hostname }) => hostname), ['eee']);
  });

  test('remembers of a machine that was stopped on purpose that it left, whoever leads by then, and of a killed one that it is lost', async () => {
    const goneAs = (): readonly string[] => [...cluster.snapshot().roster.values()].filter(({ goneSinceMs }) => goneSinceMs !== null)
      .map(({ hostname, left }) => `${hostname} ${left ? 'left' : 'lost'}`);
    const leaving = fleetds.find(({ engine }) => engine.role === 'leading') ?? fleetds[0];
    await Promise.all([leaving?.stop('leave'), cluster.until(() => goneAs().length === 1)]);
    const [left = ''] = goneAs();
    assert.match(left, / left$/);
    fleetds.find((fleetd) => fleetd !== leaving)?.kill();
    await cluster.until(() => goneAs().length === 2);
    assert.deepEqual(goneAs().map((said) => said.split(' ')[1]).sort(), ['left', 'lost']);
    const whats = (): readonly string[] => [...cluster.snapshot().machineHistories.values()].flatMap(({ events }) => events.at(-1)?.what ?? []);
    await cluster.until(() => whats().includes('left') && whats().includes('lost'));
    machines[ids.indexOf(left.split(' ')[0] ?? '')]?.start();
    await cluster.until(() => goneAs().length === 1);
    assert.match(goneAs()[0] ?? '', / lost$/);
  });

  test('that starts again machine by machine does not put everything on the first', async () => {
    for (const fleetd of fleetds) fleetd.kill();
    await cluster.clock.advance(10 * ttlMs);
    assert.equal(cluster.snapshot().machines.size, 0);
    for (const machine of machines) machine.bootId += ' again';
    for (const machine of machines) {
      machine.start();
      await advanceInSteps(20_000);
    }
    await cluster.until(() => !holds() && names.every(isUp));
    assert.deepEqual(places(), before);
    assert.equal(logged('hold: the site starts'), 1);
  });
});
