/** Fenced units in a whole cluster on a clock moved by hand: at every moment at most one machine runs the unit. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { createCluster, ttlMs } from '../../sim/cluster.ts';
import type { SimCluster } from '../../sim/cluster.ts';
import { seededRandom } from '../lib/random.ts';
import { settle } from '../runner/fake-machine.ts';
import { decodeAssignment } from '../store/records.ts';
import { keys } from '../store/keys.ts';
import type { MachineId } from '../core/machine.ts';
import type { UnitName } from '../core/unit-name.ts';

const name = 'db.service' as UnitName;
const stopMs = 10_000;
const unitText = (section = ''): string =>
  `[Service]\nExecStart=/bin/sleep infinity\nTimeoutStopSec=${String(stopMs)}ms\n[X-Fleet]\nOnMachineLost=stop\n${section}`;
const signal = new AbortController().signal;

describe('a fenced unit', () => {
  let cluster: SimCluster;
  beforeEach(async () => {
    cluster = await createCluster();
  });
  afterEach(() => cluster.close());

  /** Machines on which the unit's process lives, stopping included. */
  const running = (): readonly string[] => {
    // Process 1 of each machine goes on also where no fleetd looks.
    for (const { units } of cluster.machines()) {
      settle(units, { nowMs: cluster.clock.nowMs(), uptimeMs: cluster.clock.uptimeMs(), random: seededRandom(1) });
    }
    return cluster.machines().filter(({ units }) => !['inactive', 'failed', undefined].includes(units.units.get(name)?.active)).map(({ id }) => id);
  };
  const runsOn = (machine: string): boolean => running().join() === machine && cluster.status(machine, name)?.active === 'active';
  /** Moves the clock in small steps, and looks at each that the unit does not run twice. */
  const until = (holds: () => boolean, limitMs = 300_000): Promise<void> => cluster.until(() => {
    assert.ok(running().length <= 1, `it runs on ${running().join(' and ')}`);
    return holds();
  }, limitMs);
  const fenceOf = async (machine: string): Promise<number> => {
    const key = keys.assignment(machine as MachineId, name);
    const entry = (await cluster.store.list(key, signal)).entries.find((each) => each.key === key);
    const decoded = entry === undefined ? null : decodeAssignment(entry.value);
    return decoded?.ok === true ? decoded.value.fence : 0;
  };
  /** It stops slowly: as long as it may. */
  const startTwo = async (): Promise<void> => {
    for (const id of ['aaa', 'bbb']) cluster.machine(id).units.behaviours.set(name, { stopMs });
    cluster.machine('aaa').start();
    await cluster.until(() => cluster.snapshot().machines.size === 1);
    await cluster.want(name, 'launched', unitText());
    await until(() => runsOn('aaa'));
    cluster.machine('bbb').start();
    await cluster.until(() => cluster.snapshot().machines.size === 2);
  };

  test('stops on a machine that is cut off, and only then runs elsewhere, with a greater token', async () => {
    cluster.machine('bbb').units.behaviours.set(name, { stopMs });
    const [, second] = [cluster.machine('aaa'), cluster.machine('bbb').start()];
    await cluster.until(() => cluster.snapshot().machines.size === 1);
    await cluster.want(name, 'launched', unitText());
    await until(() => runsOn('bbb'));
    const before = await fenceOf('bbb');
    cluster.machine('aaa').start();
    await cluster.until(() => cluster.snapshot().machines.size === 2);
    second.client.cut();
    await until(() => runsOn('aaa'));
    assert.ok(await fenceOf('aaa') > before);
    second.client.heal();
    await until(() => cluster.machine('bbb').units.units.size === 0);
    await cluster.clock.advance(5 * ttlMs);
    assert.deepEqual(running(), ['aaa']);
  });

  test('goes on where it is when its machine is cut off for less than LostAfter', async () => {
    const machine = cluster.machine('aaa');
    const fleetd = machine.start();
    await cluster.until(() => cluster.snapshot().machines.size === 1);
    await cluster.want(name, 'launched', unitText('LostAfter=5min\n'));
    await until(() => runsOn('aaa'));
    const { mainPid } = machine.units.units.get(name) ?? {};
    cluster.machine('bbb').start();
    await cluster.until(() => cluster.snapshot().machines.size === 2);
    fleetd.kill();
    await until(() => cluster.snapshot().machines.size === 1);
    await cluster.clock.advance(2 * ttlMs);
    machine.start();
    await cluster.clock.advance(10 * ttlMs);
    assert.deepEqual(running(), ['aaa']);
    assert.equal(machine.units.units.get(name)?.mainPid, mainPid);
  });

  test('that its fence has stopped tells so once it runs again', async () => {
    const fleetd = cluster.machine('aaa').start();
    await cluster.until(() => cluster.snapshot().machines.size === 1);
    await cluster.want(name, 'launched', unitText());
    await until(() => runsOn('aaa'));
    fleetd.client.cut();
    await until(() => running().length === 0);
    const stoppedAtMs = cluster.clock.nowMs();
    await cluster.clock.advance(3 * ttlMs);
    fleetd.client.heal();
    await until(() => runsOn('aaa'));
    const told = (): readonly string[] => (cluster.snapshot().unitHistories.get(name)?.events ?? []).map(({ what }) => what);
    await until(() => told().at(-1) === 'started');
    assert.deepEqual(told().slice(-2), ['stopped', 'started']);
    const stopped = cluster.snapshot().unitHistories.get(name)?.events.at(-2);
    assert.match(stopped?.why ?? '', /cut off from the cluster for longer than its LostAfter=, and its fence stopped it/);
    assert.ok(Math.abs((stopped?.atMs ?? 0) - stoppedAtMs) < 1_000);
    await cluster.clock.advance(5 * ttlMs);
    assert.deepEqual(told().filter((what) => what === 'stopped').length, 1);
  });

  test('is moved in two steps: stopped and released first, then started elsewhere', async () => {
    await startTwo();
    await cluster.want(name, 'launched', unitText('MachineID=bbb\n'));
    await until(() => runsOn('bbb'));
    assert.deepEqual(cluster.machinesOf(name), ['bbb']);
  });

  test('destroyed and made anew waits for its former self', async () => {
    await startTwo();
    await cluster.destroy(name);
    await cluster.want(name, 'launched', unitText('MachineID=bbb\n'));
    await until(() => runsOn('bbb'));
  });

  test('destroyed while its machine is away is not started when that returns, and its assignment goes', async () => {
    const machine = cluster.machine('aaa');
    const fleetd = machine.start();
    await cluster.until(() => cluster.snapshot().machines.size === 1);
    await cluster.want(name, 'launched', unitText());
    await until(() => runsOn('aaa'));
    cluster.machine('bbb').start();
    await cluster.until(() => cluster.snapshot().machines.size === 2);
    fleetd.client.cut();
    await until(() => cluster.snapshot().machines.size === 1);
    await cluster.destroy(name);
    await until(() => running().length === 0);
    fleetd.client.heal();
    await until(() => machine.units.units.size === 0 && cluster.machinesOf(name).length === 0);
  });

  test('whose fleetd is killed stops by itself, and fleetd starts it again when it is back before anybody else may', async () => {
    const machine = cluster.machine('aaa');
    const fleetd = machine.start();
    await cluster.until(() => cluster.snapshot().machines.size === 1);
    await cluster.want(name, 'launched', unitText());
    await until(() => runsOn('aaa'));
    fleetd.kill();
    await until(() => running().length === 0);
    machine.start();
    await until(() => runsOn('aaa'));
  });

  test('keeps its process over a restart of fleetd, and its fence goes on standing', async () => {
    const machine = cluster.machine('aaa');
    const fleetd = machine.start();
    await cluster.until(() => cluster.snapshot().machines.size === 1);
    await cluster.want(name, 'launched', unitText());
    await until(() => runsOn('aaa'));
    const { mainPid } = machine.units.units.get(name) ?? {};
    await fleetd.stop('keep');
    machine.start();
    await cluster.clock.advance(10 * ttlMs);
    assert.equal(machine.units.units.get(name)?.mainPid, mainPid);
  });

  test('of a machine that leaves runs elsewhere at once: nobody waits for what has said that it stopped', async () => {
    const machine = cluster.machine('aaa');
    const fleetd = machine.start();
    await cluster.until(() => cluster.snapshot().machines.size === 1);
    await cluster.want(name, 'launched', unitText());
    await until(() => runsOn('aaa'));
    cluster.machine('bbb').start();
    await cluster.until(() => cluster.snapshot().machines.size === 2);
    const leaving = fleetd.stop('leave');
    await until(() => runsOn('bbb'), ttlMs);
    await leaving;
  });
});
