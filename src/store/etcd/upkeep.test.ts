/** How etcd is kept fit, on a clock moved by hand. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { createLog } from '../../lib/log.ts';
import { createManualClock } from '../../lib/manual-clock.ts';
import type { ManualClock } from '../../lib/manual-clock.ts';
import { StoreUnavailable } from '../store.ts';
import type { Revision } from '../store.ts';
import type { EtcdStatus } from './maintenance.ts';
import { createEtcdHealth, etcdTroubles, keepEtcd } from './upkeep.ts';
import type { EtcdHealth } from './upkeep.ts';

const intervalMs = 300_000;

describe('the upkeep of etcd', () => {
  let clock: ManualClock;
  let health: EtcdHealth;
  let compacted: number[];
  let lines: string[];
  let world: { leads: boolean; hasLeader: boolean; alarms: EtcdStatus['alarms']; away: boolean };
  let stop: AbortController;
  let running: Promise<void>;

  beforeEach(() => {
    clock = createManualClock();
    health = createEtcdHealth();
    compacted = [];
    lines = [];
    world = { leads: true, hasLeader: true, alarms: [], away: false };
    stop = new AbortController();
    const status = (): Promise<EtcdStatus> => (world.away ? Promise.reject(new StoreUnavailable('no answer')) : Promise.resolve({
      endpoint: '', version: '3.5.0', memberId: '1', leaderId: '1', raftTerm: 1, databaseBytes: 4096, databaseBytesInUse: 1024,
      // One revision a second.
      revision: Math.floor(clock.uptimeMs() / 1_000) as Revision, alarms: world.alarms,
    }));
    const store = {
      status, compact: (revision: Revision): Promise<void> => {
        compacted.push(revision);
        return Promise.resolve();
      },
    };
    running = keepEtcd({
      store, health, clock, log: createLog('etcd', 'info', (line) => lines.push(line)), intervalMs,
      leads: () => world.leads, hasLeader: () => world.hasLeader,
    }, stop.signal);
  });
  afterEach(async () => {
    stop.abort();
    await running;
    assert.equal(clock.sleepers(), 0);
  });

  test('the leader compacts every interval, and leaves at least one interval of history', async () => {
    for (let second = 0; second < 1_000; second += 10) {
      const before = compacted.length;
      await clock.advance(10_000);
      if (compacted.length > before) assert.ok(clock.uptimeMs() / 1_000 - (compacted.at(-1) ?? 0) >= intervalMs / 1_000);
    }
    assert.equal(compacted.length, 3);
    assert.deepEqual([health.compactions, health.compactedTo], [3, compacted.at(-1)]);
  });

  test('who does not lead compacts nothing, unless the database is full and nobody can lead', async () => {
    world.leads = false;
    await clock.advance(2 * intervalMs);
    world.alarms = ['NOSPACE'];
    await clock.advance(2 * intervalMs);
    assert.deepEqual(compacted, []);
    world.hasLeader = false;
    await clock.advance(2 * intervalMs);
    assert.notEqual(compacted.length, 0);
  });

  test('an alarm is known within ten seconds, said once when it is raised and once when it is over', async () => {
    await clock.advance(1_000);
    assert.deepEqual(etcdTroubles(health), []);
    world.alarms = ['NOSPACE'];
    await clock.advance(60_000);
    assert.match(etcdTroubles(health).join(), /^etcd takes no changes, its database is full \(alarm NOSPACE\): units run on;/);
    world.alarms = [];
    await clock.advance(60_000);
    assert.deepEqual(etcdTroubles(health), []);
    assert.equal(lines.length, 2);
    assert.match(lines[1] ?? '', /etcd takes changes again, the alarm NOSPACE is over/);
  });

  test('an etcd that does not answer is looked at again; until then what it said last stands', async () => {
    const revisionKnown = (): number => health.status?.revision ?? -1;
    await clock.advance(20_000);
    world.away = true;
    await clock.advance(60_000);
    assert.equal(revisionKnown(), 20);
    world.away = false;
    await clock.advance(10_000);
    assert.equal(revisionKnown(), 90);
  });
});
