/** Engines and agents together, in one process on a clock moved by hand: what the cluster promises about units. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { createCluster, sleeper, ttlMs } from '../../sim/cluster.ts';
import type { SimCluster, SimFleetd } from '../../sim/cluster.ts';
import type { UnitName } from '../core/unit-name.ts';

describe('a cluster', () => {
  let cluster: SimCluster;
  beforeEach(async () => {
    cluster = await createCluster();
  });
  afterEach(() => cluster.close());

  const active = (machine: string, name: string): boolean => cluster.status(machine, name)?.active === 'active';
  const pidOf = (machine: string, name: string): number => cluster.status(machine, name)?.mainPid ?? 0;

  test('starts a unit, stops it, and forgets it when it is destroyed', async () => {
    const machine = cluster.machine('aaa');
    machine.start();
    await cluster.want('app.service', 'launched', sleeper);
    await cluster.until(() => active('aaa', 'app.service'));
    await cluster.want('app.service', 'loaded');
    await cluster.until(() => cluster.status('aaa', 'app.service')?.active === 'inactive');
    await cluster.want('app.service', 'launched');
    await cluster.until(() => active('aaa', 'app.service'));
    await cluster.destroy('app.service');
    await cluster.until(() => cluster.status('aaa', 'app.service') === undefined && machine.units.units.size === 0);
    assert.deepEqual(cluster.machinesOf('app.service'), []);
    await cluster.until(() => cluster.snapshot().files.size === 0, 200_000);
  });

  test('waits for the clock alone when there is nothing to do: no request but renewals', async () => {
    const calls: string[] = [];
    cluster.machine('aaa').start(({ verb }) => {
      calls.push(verb);
      return {};
    });
    await cluster.want('app.service', 'launched', sleeper);
    await cluster.until(() => active('aaa', 'app.service'));
    await cluster.clock.advance(ttlMs);
    calls.length = 0;
    await cluster.clock.advance(10 * ttlMs);
    assert.deepEqual(new Set(calls), new Set(['renew']));
    // Two leases, three renewals per ttl each.
    assert.ok(calls.length <= 61, `${String(calls.length)} requests in ten ttls`);
  });

  test('spreads units over machines, and moves those of a lost one when its lease has expired and no other one follows', async () => {
    const [one, two, three] = ['aaa', 'bbb', 'ccc'].map((id) => cluster.machine(id).start()) as [SimFleetd, SimFleetd, SimFleetd];
    await cluster.until(() => cluster.snapshot().machines.size === 3);
    for (const index of [1, 2, 3]) await cluster.want(`app@${String(index)}.service`, 'launched', sleeper);
    await cluster.until(() => active('aaa', 'app@1.service') && active('bbb', 'app@2.service') && active('ccc', 'app@3.service'));
    const pids = [pidOf('aaa', 'app@1.service'), pidOf('ccc', 'app@3.service')];
    const lostAtMs = cluster.clock.uptimeMs();
    two.kill();
    await cluster.until(() => active('aaa', 'app@2.service'));
    const sureMs = ttlMs / 3 + 1_000;
    assert.ok(cluster.clock.uptimeMs() - lostAtMs <= ttlMs + sureMs + 600, 'moved once the ttl has passed and it is no mass loss');
    assert.deepEqual([pidOf('aaa', 'app@1.service'), pidOf('ccc', 'app@3.service')], pids, 'the others were left alone');
    assert.deepEqual(cluster.machinesOf('app@2.service'), ['aaa']);
    assert.equal(one.engine.terms + three.engine.terms, 1);
  });

  test('a machine that comes back stops what is no longer its own', async () => {
    const lost = cluster.machine('aaa');
    const first = lost.start();
    await cluster.want('app.service', 'launched', sleeper);
    await cluster.until(() => active('aaa', 'app.service'));
    cluster.machine('bbb').start();
    first.client.cut();
    await cluster.until(() => active('bbb', 'app.service'));
    assert.equal(lost.units.units.get('app.service' as UnitName)?.active, 'active', 'it ran on while its machine was cut off');
    first.client.heal();
    await cluster.until(() => lost.units.units.size === 0);
    assert.deepEqual(cluster.machinesOf('app.service'), ['bbb']);
  });

  test('another engine leads when the leader dies, and at once when it resigns', async () => {
    const fleetds = ['aaa', 'bbb', 'ccc'].map((id) => cluster.machine(id).start());
    await cluster.until(() => cluster.snapshot().machines.size === 3);
    const leading = (): SimFleetd | undefined => fleetds.find(({ engine }) => engine.role === 'leading');
    const dead = leading();
    dead?.kill();
    await cluster.until(() => leading() !== undefined && leading() !== dead, 2 * ttlMs);
    const resigning = leading();
    const resignedAtMs = cluster.clock.uptimeMs();
    const stopped = resigning?.stop('keep');
    await cluster.until(() => leading() !== undefined && leading() !== resigning, 2 * ttlMs);
    await stopped;
    assert.ok(cluster.clock.uptimeMs() - resignedAtMs < 1_000);
    await cluster.want('app.service', 'launched', sleeper);
    await cluster.until(() => cluster.machinesOf('app.service').length === 1);
  });

  test('a leader that renews its lease but gets nothing else done gives up, and another engine leads', async () => {
    let isStuck = false;
    const stuck = cluster.machine('aaa').start(({ verb }) => (isStuck && verb === 'commit' ? { fails: 'before' } : {}));
    await cluster.until(() => stuck.engine.role === 'leading');
    const other = cluster.machine('bbb').start();
    await cluster.until(() => other.agent.presence.state === 'present');
    isStuck = true;
    await cluster.want('app.service', 'launched', sleeper);
    await cluster.until(() => other.engine.role === 'leading', 300_000);
    await cluster.until(() => cluster.machinesOf('app.service').length === 1);
  });

  test('a killed and restarted fleetd touches no unit and takes its lease and its leadership up again', async () => {
    const machine = cluster.machine('aaa');
    cluster.machine('bbb').start();
    const first = machine.start();
    await cluster.want('app.service', 'launched', `${sleeper}[X-Fleet]\nMachineID=aaa\n`);
    await cluster.until(() => active('aaa', 'app.service'));
    const pid = pidOf('aaa', 'app.service');
    const calls = machine.units.calls;
    first.kill();
    await cluster.clock.advance(5_000);
    const second = machine.start();
    await cluster.until(() => second.agent.presence.state === 'present' && second.agent.assignmentsKnown);
    await cluster.clock.advance(2 * ttlMs);
    assert.equal(pidOf('aaa', 'app.service'), pid);
    assert.deepEqual(cluster.machinesOf('app.service'), ['aaa']);
    assert.deepEqual({ start: second.agent.steps.start, restart: second.agent.steps.restart, load: second.agent.steps.load, stop: second.agent.steps.stop },
      { start: 0, restart: 0, load: 0, stop: 0 });
    assert.ok(machine.units.calls > calls);
  });

  test('a store that is away for long touches no unit, and what changed meanwhile is done when it is back', async () => {
    const machine = cluster.machine('aaa');
    const fleetd = machine.start();
    await cluster.want('a.service', 'launched', sleeper);
    await cluster.until(() => active('aaa', 'a.service'));
    const pid = pidOf('aaa', 'a.service');
    fleetd.client.cut();
    await cluster.clock.advance(20 * ttlMs);
    assert.equal(fleetd.agent.presence.state, 'away');
    assert.equal(machine.units.units.get('a.service' as UnitName)?.mainPid, pid);
    await cluster.want('b.service', 'launched', sleeper);
    fleetd.client.heal();
    await cluster.until(() => active('aaa', 'b.service') && active('aaa', 'a.service'));
    assert.equal(pidOf('aaa', 'a.service'), pid);
  });

  test('a lease that is lost is replaced without touching units, and all statuses are written again', async () => {
    const fleetd = cluster.machine('aaa').start();
    await cluster.want('app.service', 'launched', sleeper);
    await cluster.until(() => active('aaa', 'app.service'));
    const pid = pidOf('aaa', 'app.service');
    const entry = (await cluster.store.list('machines/', new AbortController().signal)).entries[0];
    cluster.store.expireLease(entry?.leaseId ?? '');
    await cluster.until(() => cluster.snapshot().machines.size === 0);
    await cluster.until(() => active('aaa', 'app.service'));
    assert.equal(pidOf('aaa', 'app.service'), pid);
    assert.equal(fleetd.agent.presence.state, 'present');
    assert.equal(fleetd.agent.steps.start, 1);
  });

  test('a second machine with the same id waits, says so, and runs nothing; it takes over when the first has gone', async () => {
    const original = cluster.machine('aaa');
    const first = original.start();
    await cluster.want('app.service', 'launched', sleeper);
    await cluster.until(() => active('aaa', 'app.service'));
    const twin = cluster.machine('aaa');
    twin.bootId = 'boot of the twin';
    const second = twin.start();
    await cluster.until(() => second.agent.presence.state === 'taken');
    assert.match(second.agent.presence.why, /another machine has the id aaa \(aaa, ip-aaa\)/);
    await cluster.clock.advance(5 * ttlMs);
    assert.equal(first.agent.presence.state, 'present');
    assert.equal(twin.units.units.size, 0);
    first.kill();
    await cluster.until(() => twin.units.units.get('app.service' as UnitName)?.active === 'active');
    assert.equal(second.agent.presence.state, 'present');
  });

  test('of two fleetds on one machine the later one has the record, without end of either', async () => {
    const machine = cluster.machine('aaa');
    const first = machine.start();
    await cluster.until(() => first.agent.presence.state === 'present');
    machine.disk.clear();
    const second = machine.start();
    await cluster.until(() => second.agent.presence.state === 'present' && first.agent.presence.state === 'taken');
    await cluster.clock.advance(5 * ttlMs);
    assert.deepEqual([first.agent.presence.state, second.agent.presence.state], ['taken', 'present']);
  });

  test('a machine that reboots faster than its ttl is no other machine: its old statuses go, its units start again there', async () => {
    const machine = cluster.machine('aaa');
    cluster.machine('bbb').start();
    const first = machine.start();
    await cluster.want('app.service', 'launched', `${sleeper}[X-Fleet]\nMachineMetadata=x=y\n`);
    machine.metadata = { x: 'y' };
    first.reload();
    await cluster.until(() => active('aaa', 'app.service'));
    const pid = pidOf('aaa', 'app.service');
    first.kill();
    machine.units.units.clear();
    machine.bootId = 'second boot';
    await cluster.clock.advance(1_000);
    const second = machine.start();
    await cluster.until(() => second.agent.presence.state === 'present', 5_000);
    await cluster.until(() => active('aaa', 'app.service') && pidOf('aaa', 'app.service') !== pid, 5_000);
  });

  test('leaving stops the units first, then the machine is gone and they run elsewhere; keeping touches nothing', async () => {
    const machine = cluster.machine('aaa');
    machine.units.behaviours.set('app.service' as UnitName, { stopMs: 40_000 });
    const first = machine.start();
    await cluster.want('app.service', 'launched', sleeper);
    await cluster.until(() => active('aaa', 'app.service'));
    const second = cluster.machine('bbb').start();
    await cluster.until(() => second.agent.presence.state === 'present');
    const leaving = first.stop('leave');
    await cluster.until(() => cluster.status('aaa', 'app.service')?.active === 'deactivating');
    await cluster.clock.advance(20_000);
    assert.ok(cluster.snapshot().machines.has(machine.id), 'it is present while its unit stops');
    await cluster.until(() => active('bbb', 'app.service'), 60_000);
    await leaving;
    assert.equal(machine.units.units.size, 0);
    assert.ok(!cluster.snapshot().machines.has(machine.id));
    await second.stop('keep');
    assert.ok(active('bbb', 'app.service'));
  });

  test('a machine that has said that it leaves never takes that back, whatever is still on its way to the store', async () => {
    const machine = cluster.machine('aaa');
    const first = machine.start(({ verb }) => ({ delayMs: verb === 'revoke' ? 1_500 : verb === 'commit' ? 20 : 0 }));
    for (const index of [1, 2, 3]) {
      machine.units.behaviours.set(`app@${String(index)}.service` as UnitName, { stopMs: 30 * index });
      await cluster.want(`app@${String(index)}.service`, 'launched', sleeper);
    }
    await cluster.until(() => [1, 2, 3].every((index) => active('aaa', `app@${String(index)}.service`)));
    const said: boolean[] = [];
    cluster.onChange(() => {
      const record = cluster.snapshot().machines.get(machine.id);
      if (record !== undefined && record.left !== said.at(-1)) said.push(record.left);
    });
    const leaving = first.stop('leave');
    await cluster.until(() => !cluster.snapshot().machines.has(machine.id), 60_000);
    await leaving;
    assert.deepEqual(said, [false, true]);
  });

  test('a unit that hangs in stopping does not keep its machine from leaving for ever', async () => {
    const machine = cluster.machine('aaa');
    machine.units.behaviours.set('app.service' as UnitName, { stopMs: Infinity });
    const fleetd = machine.start();
    await cluster.want('app.service', 'launched', sleeper);
    await cluster.until(() => active('aaa', 'app.service'));
    const leaving = fleetd.stop('leave');
    await cluster.until(() => cluster.snapshot().machines.size === 0, 120_000);
    await leaving;
  });

  test('a restart gives a unit a new process once, also through a restart of fleetd', async () => {
    const machine = cluster.machine('aaa');
    const first = machine.start();
    await cluster.want('app.service', 'launched', sleeper);
    await cluster.until(() => active('aaa', 'app.service'));
    const pid = pidOf('aaa', 'app.service');
    await cluster.restart('app.service');
    await cluster.until(() => cluster.status('aaa', 'app.service')?.restart === 1 && active('aaa', 'app.service'));
    const next = pidOf('aaa', 'app.service');
    assert.notEqual(next, pid);
    first.kill();
    machine.start();
    await cluster.clock.advance(2 * ttlMs);
    assert.equal(pidOf('aaa', 'app.service'), next);
  });

  test('a changed file of a running unit restarts it in place with one reload', async () => {
    const machine = cluster.machine('aaa');
    const fleetd = machine.start();
    cluster.machine('bbb').start();
    await cluster.want('app.service', 'launched', sleeper);
    await cluster.until(() => active('aaa', 'app.service'));
    const before = pidOf('aaa', 'app.service');
    await cluster.want('app.service', 'launched', `[Unit]\nDescription=new\n${sleeper}`);
    const hash = cluster.snapshot().units.get('app.service' as UnitName)?.hash;
    await cluster.until(() => cluster.status('aaa', 'app.service')?.hash === hash && cluster.status('aaa', 'app.service')?.restart === 0);
    await cluster.until(() => active('aaa', 'app.service'));
    assert.notEqual(pidOf('aaa', 'app.service'), before);
    assert.equal(fleetd.agent.steps.restart, 1);
    assert.deepEqual(cluster.machinesOf('app.service'), ['aaa']);
  });

  test('a unit that failed is left failed until something new is asked of it', async () => {
    const machine = cluster.machine('aaa');
    const fleetd = machine.start();
    await cluster.want('app.service', 'launched', '[Service]\nExecStart=/bin/sh -c "exit 3"\n');
    await cluster.until(() => cluster.status('aaa', 'app.service')?.active === 'failed');
    await cluster.clock.advance(20 * ttlMs);
    assert.equal(fleetd.agent.steps.start, 1);
    await cluster.restart('app.service');
    await cluster.until(() => cluster.status('aaa', 'app.service')?.restart === 1);
    await cluster.want('app.service', 'loaded');
    await cluster.until(() => cluster.status('aaa', 'app.service')?.restart === -1);
    await cluster.want('app.service', 'launched');
    await cluster.until(() => cluster.status('aaa', 'app.service')?.restart === 2);
    assert.deepEqual([fleetd.agent.steps.start, fleetd.agent.steps.restart], [2, 1]);
  });

  test('a unit that the runner refuses is reported with the reason, tried again now and then, and keeps no other from running', async () => {
    const machine = cluster.machine('aaa');
    machine.units.behaviours.set('bad.service' as UnitName, { refusesLoad: 'a file of that name is there already' });
    const fleetd = machine.start();
    await cluster.want('bad.service', 'launched', sleeper);
    await cluster.want('good.service', 'launched', sleeper);
    await cluster.until(() => active('aaa', 'good.service') && cluster.status('aaa', 'bad.service') !== undefined);
    assert.equal(cluster.status('aaa', 'bad.service')?.problem, 'a file of that name is there already');
    await cluster.clock.advance(10 * 60_000);
    assert.ok(fleetd.agent.failedSteps > 3 && fleetd.agent.failedSteps < 30, `${String(fleetd.agent.failedSteps)} tries in ten minutes`);
    machine.units.behaviours.delete('bad.service' as UnitName);
    await cluster.until(() => active('aaa', 'bad.service'));
    assert.equal(cluster.status('aaa', 'bad.service')?.problem, '');
  });

  test('a manager that does not answer is waited for, and nothing is assumed meanwhile', async () => {
    const machine = cluster.machine('aaa');
    machine.start();
    await cluster.want('app.service', 'launched', sleeper);
    await cluster.until(() => active('aaa', 'app.service'));
    machine.units.faults.unavailable = true;
    await cluster.want('other.service', 'launched', sleeper);
    await cluster.clock.advance(60_000);
    assert.ok(active('aaa', 'app.service'));
    machine.units.faults.unavailable = false;
    await cluster.until(() => active('aaa', 'other.service'));
  });

  test('a global unit comes to machines that join, and goes from all of them', async () => {
    cluster.machine('aaa').start();
    await cluster.want('g.service', 'launched', `${sleeper}[X-Fleet]\nGlobal=true\n`);
    await cluster.until(() => active('aaa', 'g.service'));
    cluster.machine('bbb').start();
    await cluster.until(() => active('bbb', 'g.service'));
    await cluster.destroy('g.service');
    await cluster.until(() => cluster.snapshot().statuses.size === 0);
  });

  test('metadata that change move a unit', async () => {
    const machine = cluster.machine('aaa', { role: 'db' });
    const fleetd = machine.start();
    await cluster.want('app.service', 'launched', `${sleeper}[X-Fleet]\nMachineMetadata=role=db\n`);
    await cluster.until(() => active('aaa', 'app.service'));
    cluster.machine('bbb', { role: 'db' }).start();
    machine.metadata = { role: 'web' };
    fleetd.reload();
    await cluster.until(() => active('bbb', 'app.service') && machine.units.units.size === 0, 5_000);
  });

  test('300 units of one template are placed with few commits and reported with few', async () => {
    const fleetds = ['aaa', 'bbb', 'ccc'].map((id) => cluster.machine(id).start());
    await cluster.until(() => cluster.snapshot().machines.size === 3);
    for (let index = 0; index < 300; index += 1) await cluster.want(`app@${String(index)}.service`, 'launched', sleeper);
    const running = (): number => [...cluster.snapshot().statuses.values()]
      .reduce((sum, ofMachine) => sum + [...ofMachine.values()].filter((status) => status.active === 'active').length, 0);
    await cluster.until(() => running() === 300);
    assert.deepEqual([...cluster.snapshot().assignments.values()].map((ofMachine) => ofMachine.size), [100, 100, 100]);
    assert.deepEqual(fleetds.map(({ agent }) => agent.steps.fetch), [1, 0, 1], 'the file was fetched once, where the process did not know it');
  });
});
