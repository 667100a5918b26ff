import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { createCluster, sleeper } from '../../sim/cluster.ts';
import type { SimCluster, SimFleetd, SimMachine } from '../../sim/cluster.ts';
import type { UnitName } from '../core/unit-name.ts';
import { rebootFakeMachine } from '../runner/fake-machine.ts';
import { parseCopy } from './local-copy.ts';

const [app, db, off] = ['app.service', 'db.service', 'off.service'] as [UnitName, UnitName, UnitName];

describe('a machine that boots while the store is away', () => {
  let cluster: SimCluster;
  let machine: SimMachine;
  let fleetd: SimFleetd;
  beforeEach(async () => {
    cluster = await createCluster();
    machine = cluster.machine('aaa');
    fleetd = machine.start();
    await cluster.until(() => cluster.snapshot().machines.size === 1);
    await cluster.want(app, 'launched', sleeper);
    await cluster.want(db, 'launched', `${sleeper}[X-Fleet]\nOnMachineLost=stop\n`);
    await cluster.want(off, 'loaded', sleeper);
    await cluster.until(() => [app, db].every((name) => cluster.status('aaa', name)?.active === 'active'));
    await cluster.clock.advance(10_000);
  });
  afterEach(() => cluster.close());

  const active = (name: UnitName): string | undefined => machine.units.units.get(name)?.active;
  /** Loses power, and boots without the store. */
  const powerCut = (): SimFleetd => {
    fleetd.kill();
    rebootFakeMachine(machine.units);
    machine.bootId = 'another boot';
    const next = machine.start();
    next.client.cut();
    return next;
  };

  test('starts what it had last, except fenced units and those that are not to run', async () => {
    powerCut();
    await cluster.until(() => active(app) === 'active');
    await cluster.clock.advance(60_000);
    assert.notEqual(active(db), 'active');
    assert.notEqual(active(off), 'active');
  });

  test('goes on with it when the store answers, and starts the fenced ones then', async () => {
    const next = powerCut();
    await cluster.until(() => active(app) === 'active');
    const { mainPid } = machine.units.units.get(app) ?? {};
    next.client.heal();
    await cluster.until(() => active(db) === 'active');
    assert.equal(machine.units.units.get(app)?.mainPid, mainPid);
  });

  test('stops what is no longer its own when the store answers', async () => {
    const next = powerCut();
    await cluster.until(() => active(app) === 'active');
    await cluster.destroy(app);
    next.client.heal();
    await cluster.until(() => active(app) === undefined);
  });

  test('starts nothing from its disk when the store answers in time, nor in the same boot', async () => {
    await cluster.want(app, 'loaded');
    await cluster.until(() => active(app) === 'inactive');
    await cluster.clock.advance(10_000);
    fleetd.kill();
    // The copy is older than this boot's wish; were it used, the unit would be started.
    machine.start().client.cut();
    await cluster.clock.advance(60_000);
    assert.equal(active(app), 'inactive');
  });

  test('trusts no damaged copy', async () => {
    const text = machine.disk.get('assignments') ?? '';
    assert.equal(parseCopy(text)?.assignments.size, 3);
    for (const damaged of ['', text.slice(0, -1), text.replace('launched', 'loaded'), `${text}\nmore`]) assert.equal(parseCopy(damaged), null);
    machine.disk.set('assignments', text.slice(0, -1));
    powerCut();
    await cluster.clock.advance(60_000);
    assert.equal(active(app), undefined);
    assert.ok(cluster.log.some((line) => line.includes('is damaged; it is not used')));
  });

  test('reads a copy of a neighbouring version: unknown fields are passed over, what cannot be read is left out', () => {
    const content = (machine.disk.get('assignments') ?? '').replace(/^[^\n]*\n/, '')
      .replace('unit app.service {', 'unit app.service {"ofNewerVersion":1,').replace(/unit off.service .*/, 'unit off.service {}') + '\nnews of another kind';
    const copy = parseCopy(`fleet-assignments 1 ${createHash('sha256').update(content).digest('hex')}\n${content}`);
    assert.deepEqual([...copy?.assignments.keys() ?? []], [app, db]);
    assert.equal(copy?.texts.size, 2);
  });
});
