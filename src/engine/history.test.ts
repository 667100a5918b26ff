/** What is remembered of units and machines, and what follows from it: engines and agents together, on a clock moved by hand. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { createCluster, sleeper, ttlMs } from '../../sim/cluster.ts';
import type { SimCluster, SimMachine } from '../../sim/cluster.ts';
import { limits } from '../core/limits.ts';
import { eventsOfUnit } from '../core/schedule/decision-history.ts';
import type { MachineId } from '../core/machine.ts';
import type { UnitName } from '../core/unit-name.ts';
import { phaseOf } from '../core/unit-state.ts';

const oneshot = '[Service]\nType=oneshot\nExecStart=/bin/true\n';

describe('what is remembered of a cluster', () => {
  let cluster: SimCluster;
  beforeEach(async () => {
    cluster = await createCluster();
  });
  afterEach(() => cluster.close());

  const eventsOf = (name: string): readonly string[] =>
    eventsOfUnit(cluster.snapshot(), name as UnitName).map(({ what, machine, count }) => `${what} ${machine}${count > 1 ? ` x${String(count)}` : ''}`);
  const isDone = (machine: string, name: string): boolean => {
    const status = cluster.status(machine, name);
    return status !== undefined && phaseOf(status) === 'done';
  };
  const isFinished = (machine: string, name: string): boolean =>
    cluster.snapshot().assignments.get(machine as MachineId)?.get(name as UnitName)?.finished === true;
  const reboot = (machine: SimMachine): void => {
    machine.units.units.clear();
    machine.bootId = `next ${machine.bootId}`;
  };

  test('a oneshot that has succeeded is not run again when its machine reboots, nor when it moves', async () => {
    const machine = cluster.machine('aaa');
    const first = machine.start();
    await cluster.want('job.service', 'launched', oneshot);
    await cluster.until(() => isFinished('aaa', 'job.service'));
    assert.ok(isDone('aaa', 'job.service'));
    first.kill();
    reboot(machine);
    const second = machine.start();
    await cluster.until(() => second.agent.presence.state === 'present' && isDone('aaa', 'job.service'));
    await cluster.clock.advance(ttlMs);
    assert.equal(second.agent.steps.start, 0);
    const other = cluster.machine('bbb').start();
    await cluster.until(() => other.agent.presence.state === 'present');
    second.kill();
    await cluster.until(() => isDone('bbb', 'job.service'));
    assert.deepEqual([other.agent.steps.load, other.agent.steps.start], [1, 0]);
    assert.deepEqual(eventsOf('job.service'), ['placed aaa', 'succeeded aaa', 'moved bbb']);
  });

  test('a oneshot whose file is put back after another one runs again, even if the success of that one was never seen', async () => {
    const machine = cluster.machine('aaa');
    machine.start();
    await cluster.want('job.service', 'launched', oneshot);
    await cluster.until(() => isFinished('aaa', 'job.service'));
    machine.units.faults.unavailable = true;
    await cluster.want('job.service', 'launched', `[Unit]\nDescription=other\n${oneshot}`);
    await cluster.until(() => !isFinished('aaa', 'job.service'));
    await cluster.clock.advance(1_000);
    await cluster.want('job.service', 'launched', oneshot);
    await cluster.clock.advance(1_000);
    assert.ok(!isFinished('aaa', 'job.service'));
  });

  test('a oneshot that succeeded while the store was away is not run again by a reboot before the store is back', async () => {
    const machine = cluster.machine('aaa');
    machine.units.behaviours.set('job.service' as UnitName, { oneshot: true, runMs: 5_000 });
    const first = machine.start();
    await cluster.want('job.service', 'launched', oneshot);
    await cluster.until(() => cluster.status('aaa', 'job.service')?.active === 'activating');
    first.client.cut();
    await cluster.clock.advance(20_000);
    assert.equal(cluster.snapshot().unitHistories.get('job.service' as UnitName)?.succeeded ?? null, null);
    first.kill();
    reboot(machine);
    const second = machine.start();
    await cluster.until(() => isFinished('aaa', 'job.service'));
    assert.equal(second.agent.steps.start, 0);
  });

  test('a oneshot runs again when it is asked for: by a restart, a start after a stop, another file, or created anew', async () => {
    const fleetd = cluster.machine('aaa').start();
    await cluster.want('job.service', 'launched', oneshot);
    await cluster.until(() => isFinished('aaa', 'job.service'));
    const runs = (): number => fleetd.agent.steps.start + fleetd.agent.steps.restart;
    const runsAgain = async (expected: number): Promise<void> => {
      await cluster.until(() => runs() === expected && isFinished('aaa', 'job.service'));
      await cluster.clock.advance(ttlMs);
      assert.equal(runs(), expected);
    };
    await runsAgain(1);
    await cluster.restart('job.service');
    await runsAgain(2);
    await cluster.want('job.service', 'loaded');
    await cluster.until(() => cluster.status('aaa', 'job.service')?.restart === -1);
    await cluster.want('job.service', 'launched');
    await runsAgain(3);
    await cluster.want('job.service', 'launched', `[Unit]\nDescription=new\n${oneshot}`);
    await runsAgain(4);
  });

  test('a oneshot that stops and starts without anybody waiting in between runs again', async () => {
    const fleetd = cluster.machine('aaa').start();
    await cluster.want('job.service', 'launched', oneshot);
    await cluster.until(() => isFinished('aaa', 'job.service'));
    await Promise.all([cluster.want('job.service', 'loaded'), cluster.clock.settle()]);
    await cluster.want('job.service', 'launched');
    await cluster.until(() => fleetd.agent.steps.start + fleetd.agent.steps.restart === 2 && isFinished('aaa', 'job.service'));
  });

  test('a oneshot that failed is not finished: it is run again after a reboot', async () => {
    const machine = cluster.machine('aaa');
    machine.units.behaviours.set('job.service' as UnitName, { oneshot: true, runMs: 0, exitStatus: 3 });
    const first = machine.start();
    await cluster.want('job.service', 'launched', oneshot);
    await cluster.until(() => cluster.status('aaa', 'job.service')?.active === 'failed');
    first.kill();
    reboot(machine);
    const second = machine.start();
    await cluster.until(() => second.agent.steps.start === 1);
  });

  test('a global oneshot runs once on every machine, and on machines that join', async () => {
    const fleetds = ['aaa', 'bbb'].map((id) => cluster.machine(id).start());
    await cluster.want('job.service', 'launched', `${oneshot}[X-Fleet]\nGlobal=true\n`);
    await cluster.until(() => isFinished('aaa', 'job.service') && isFinished('bbb', 'job.service'));
    const machine = cluster.machine('ccc');
    const third = machine.start();
    await cluster.until(() => isFinished('ccc', 'job.service'));
    third.kill();
    reboot(machine);
    const again = machine.start();
    await cluster.until(() => isDone('ccc', 'job.service'));
    assert.deepEqual([...fleetds, third, again].map(({ agent }) => agent.steps.start), [1, 1, 1, 0]);
  });

  test('failures and recoveries are remembered with their reasons, and what repeats is counted', async () => {
    const machine = cluster.machine('aaa');
    machine.units.behaviours.set('app.service' as UnitName, { runMs: 0, exitStatus: 7 });
    machine.start();
    await cluster.want('app.service', 'launched', sleeper);
    await cluster.until(() => eventsOf('app.service').includes('failed aaa'));
    const [, failed] = eventsOfUnit(cluster.snapshot(), 'app.service' as UnitName);
    assert.equal(failed?.why, 'result exit-code, exit status 7');
    machine.units.behaviours.delete('app.service' as UnitName);
    for (const unit of machine.units.units.values()) unit.script = null;
    await cluster.restart('app.service');
    await cluster.until(() => eventsOf('app.service').at(-1) === 'started aaa');
    assert.deepEqual(eventsOf('app.service'), ['placed aaa', 'failed aaa', 'updated aaa', 'started aaa']);
  });

  test('a unit that systemd restarts all the time costs a write now and then, and one event', async () => {
    const machine = cluster.machine('aaa');
    machine.units.behaviours.set('flap.service' as UnitName, { runMs: 300, exitStatus: 1, restartAfterMs: 100 });
    machine.start();
    await cluster.want('flap.service', 'launched', sleeper);
    await cluster.until(() => eventsOf('flap.service').some((event) => event.startsWith('restarted')));
    let writes = 0;
    let last: unknown = null;
    cluster.onChange(() => {
      const history = cluster.snapshot().unitHistories.get('flap.service' as UnitName);
      if (history !== last) writes += 1;
      last = history;
    });
    await cluster.clock.advance(120_000);
    assert.ok(writes <= 14, `${String(writes)} writes in two minutes`);
    assert.equal(eventsOfUnit(cluster.snapshot(), 'flap.service' as UnitName).filter(({ what }) => what === 'restarted').length, 1);
  });

  test('a unit whose machines are lost one after the other waits longer and longer before it is placed anew', async () => {
    const machines = ['aaa', 'bbb', 'ccc', 'ddd', 'eee'].map((id) => cluster.machine(id));
    const fleetds = new Map(machines.map((machine) => [machine.id as string, machine.start()]));
    await cluster.until(() => cluster.snapshot().machines.size === 5);
    await cluster.want('poison.service', 'launched', sleeper);
    await cluster.until(() => cluster.machinesOf('poison.service').length === 1);
    const moves: number[] = [];
    for (let move = 0; move < 4; move += 1) {
      const [machine = ''] = cluster.machinesOf('poison.service');
      const startedMs = cluster.clock.uptimeMs();
      fleetds.get(machine)?.kill();
      await cluster.until(() => !cluster.machinesOf('poison.service').includes(machine), 300_000);
      moves.push(cluster.clock.uptimeMs() - startedMs);
      fleetds.set(machine, machines.find(({ id }) => id === machine)?.start() ?? assert.fail());
      await cluster.until(() => cluster.snapshot().machines.size === 5);
    }
    assert.ok(moves.slice(0, 3).every((ms) => ms < 2 * ttlMs), `the first moves are not put off: ${moves.join(', ')}`);
    assert.ok((moves[3] ?? 0) >= 29_000, `the fourth waits: ${moves.join(', ')}`);
    assert.ok(eventsOf('poison.service').some((event) => event.startsWith('waits')));
  });

  test('what happens while nobody leads is made up for by the next leader, once', async () => {
    const machine = cluster.machine('aaa');
    machine.units.behaviours.set('job.service' as UnitName, { oneshot: true, runMs: 1_000, exitStatus: 2 });
    let isMute = false;
    machine.start(({ verb }) => (isMute && verb === 'commit' ? {} : {}));
    isMute = true;
    await cluster.want('job.service', 'launched', oneshot);
    await cluster.until(() => eventsOf('job.service').includes('failed aaa'));
    const other = cluster.machine('bbb').start();
    await cluster.until(() => other.agent.presence.state === 'present');
    const before = eventsOf('job.service');
    await cluster.clock.advance(60_000);
    assert.deepEqual(eventsOf('job.service'), before);
  });

  test('the history of a unit that is destroyed is kept for a day; that of a machine says when it came and rebooted', async () => {
    const machine = cluster.machine('aaa');
    const first = machine.start();
    await cluster.want('app.service', 'launched', sleeper);
    await cluster.until(() => cluster.status('aaa', 'app.service')?.active === 'active');
    await cluster.destroy('app.service');
    await cluster.until(() => eventsOf('app.service').includes('removed aaa') && cluster.snapshot().machineHistories.size === 1);
    first.kill();
    reboot(machine);
    machine.start();
    await cluster.until(() => (cluster.snapshot().machineHistories.get(machine.id)?.events.length ?? 0) > 1);
    assert.deepEqual(cluster.snapshot().machineHistories.get(machine.id)?.events.map(({ what }) => what), ['joined', 'rebooted']);
    await cluster.clock.advance(86_500_000);
    assert.deepEqual(eventsOf('app.service'), []);
  });

  test('no history grows without bound', async () => {
    cluster.machine('aaa').start();
    await cluster.want('app.service', 'launched', sleeper);
    for (let round = 0; round < limits.historyEventsMax; round += 1) {
      await cluster.want('app.service', 'loaded');
      await cluster.until(() => cluster.status('aaa', 'app.service')?.active === 'inactive');
      await cluster.want('app.service', 'launched');
      await cluster.until(() => cluster.status('aaa', 'app.service')?.active === 'active');
    }
    assert.equal(cluster.snapshot().unitHistories.get('app.service' as UnitName)?.events.length, limits.historyEventsMax);
  });
});
