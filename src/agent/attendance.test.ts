/** Drain and health on a machine of the simulator: engine, agent, store and clock together. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { createCluster, sleeper } from '../../sim/cluster.ts';
import type { SimCluster, SimFleetd, SimMachine } from '../../sim/cluster.ts';
import type { UnitStatus } from '../core/unit.ts';
import type { UnitName } from '../core/unit-name.ts';

const name = 'app.service';
const drainMs = 10_000;
const draining = `${sleeper}[X-Fleet]\nDrainTime=10s\n`;
const checked = `${sleeper}[X-Fleet]\nHealthCheck=tcp:127.0.0.1:80\nHealthInterval=2s\nHealthyThreshold=2\nUnhealthyThreshold=3\n`;

describe('a unit that is looked after', () => {
  let cluster: SimCluster;
  let machine: SimMachine;
  let fleetd: SimFleetd;
  beforeEach(async () => {
    cluster = await createCluster();
    machine = cluster.machine('aaa');
    fleetd = machine.start();
  });
  afterEach(() => cluster.close());

  const status = (): UnitStatus | undefined => cluster.status('aaa', name);
  const start = async (text: string): Promise<void> => {
    await cluster.want(name, 'launched', text);
    await cluster.until(() => status()?.active === 'active');
  };
  const runs = (): boolean => machine.units.units.get(name as UnitName)?.active === 'active';
  /** Moves the clock until the unit does not run; answers after how long that was. */
  const untilDown = async (): Promise<number> => {
    const sinceMs = cluster.clock.uptimeMs();
    await cluster.until(() => !runs(), 200_000);
    return cluster.clock.uptimeMs() - sinceMs;
  };

  describe('drains before it ends', () => {
    const ends: Readonly<Record<string, () => Promise<void>>> = {
      stop: () => cluster.want(name, 'loaded'),
      unload: () => cluster.want(name, 'inactive'),
      destroy: () => cluster.destroy(name),
      restart: () => cluster.restart(name),
    };
    for (const [verb, end] of Object.entries(ends)) {
      test(`by ${verb}`, async () => {
        await start(draining);
        const pid = status()?.mainPid;
        await end();
        await cluster.until(() => status()?.draining === true);
        const sinceMs = cluster.clock.uptimeMs();
        await cluster.until(() => machine.units.units.get(name as UnitName)?.mainPid !== pid, 200_000);
        const tookMs = cluster.clock.uptimeMs() - sinceMs;
        assert.ok(tookMs >= drainMs - 100 && tookMs < drainMs + 1_000, String(tookMs));
        await cluster.until(() => status()?.draining !== true);
      });
    }

    test('by a new file', async () => {
      await start(draining);
      const pid = status()?.mainPid;
      await cluster.want(name, 'launched', `${draining}\n[Unit]\nDescription=two\n`);
      await cluster.until(() => status()?.draining === true);
      assert.equal(machine.units.units.get(name as UnitName)?.mainPid, pid);
      await cluster.until(() => status()?.mainPid !== pid && status()?.active === 'active' && status()?.draining === false);
    });
  });

  test('is stopped at once without a DrainTime=', async () => {
    await start(sleeper);
    await cluster.destroy(name);
    assert.ok(await untilDown() < 1_000);
  });

  test('drains to the end and begins anew when it is started again while it drains: a start after a stop is a restart', async () => {
    await start(draining);
    const pid = status()?.mainPid;
    await cluster.want(name, 'loaded');
    await cluster.until(() => status()?.draining === true);
    await cluster.clock.advance(drainMs / 2);
    await cluster.want(name, 'launched');
    await cluster.until(() => status()?.mainPid !== pid && status()?.active === 'active' && status()?.draining === false);
  });

  test('drains on while fleetd is restarted, and is stopped when the time is over, not later', async () => {
    await start(draining);
    await cluster.destroy(name);
    await cluster.until(() => status()?.draining === true);
    await cluster.clock.advance(4_000);
    fleetd.kill();
    await cluster.clock.advance(1_000);
    machine.start();
    const tookMs = await untilDown();
    assert.ok(tookMs > 3_000 && tookMs < 6_000, String(tookMs));
  });

  test('drains for half of the time that leaving the cluster may take, at most', async () => {
    await start(draining.replace('10s', '1h'));
    const left = fleetd.stop('leave');
    const tookMs = await untilDown();
    assert.ok(tookMs >= 44_000 && tookMs < 60_000, String(tookMs));
    await cluster.clock.advance(5_000);
    await left;
  });

  test('is starting, then healthy, then unhealthy, as its checks say', async () => {
    const seen: string[] = [];
    cluster.onChange(() => {
      const now = status();
      const word = now === undefined ? 'none' : `${now.active} ${now.health} ${now.healthWhy}`.trim();
      if (seen.at(-1) !== word) seen.push(word);
    });
    await start(checked);
    await cluster.until(() => status()?.health === 'healthy');
    machine.ailment = 'it coughs';
    await cluster.until(() => status()?.health === 'unhealthy');
    machine.ailment = null;
    await cluster.until(() => status()?.health === 'healthy');
    await cluster.restart(name);
    await cluster.until(() => status()?.health === 'starting');
    await cluster.until(() => status()?.health === 'healthy');
    assert.deepEqual(seen.filter((word) => word.startsWith('active')), [
      'active starting', 'active healthy', 'active unhealthy it coughs', 'active healthy', 'active starting', 'active healthy',
    ]);
  });

  test('is neither unhealthy nor asked too often for one bad answer, and costs no write while nothing changes', async () => {
    await start(checked);
    await cluster.until(() => status()?.health === 'healthy');
    const { statusCommits } = fleetd.agent;
    machine.ailment = 'it coughs';
    await cluster.clock.advance(3_000);
    machine.ailment = null;
    await cluster.clock.advance(100_000);
    assert.equal(fleetd.agent.statusCommits, statusCommits);
  });

  test('that was healthy is healthy after a restart of fleetd, without being anything else in between', async () => {
    await start(checked);
    await cluster.until(() => status()?.health === 'healthy');
    const seen = new Set<string>();
    cluster.onChange(() => seen.add(status()?.health ?? 'gone'));
    fleetd.kill();
    const again = machine.start();
    await cluster.until(() => again.agent.presence.state === 'present' && again.agent.assignmentsKnown);
    await cluster.clock.advance(20_000);
    assert.deepEqual([...seen], ['healthy']);
    machine.ailment = 'it coughs';
    await cluster.until(() => status()?.health === 'unhealthy');
  });

  test('says that nothing checks it when nothing does, and while it does not run', async () => {
    await start(sleeper);
    assert.equal(status()?.health, 'none');
    await cluster.want(name, 'launched', checked);
    await cluster.until(() => status()?.health === 'healthy');
    await cluster.want(name, 'loaded');
    await cluster.until(() => status()?.active === 'inactive');
    assert.equal(status()?.health, 'none');
  });
});
