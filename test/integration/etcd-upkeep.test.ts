/**
 * A real etcd that is compacted, and one whose database is full: what a fleet does about it, and what it goes on doing without it.
 */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { createApi } from '../../src/api/api.ts';
import type { Api } from '../../src/api/api.ts';
import type { MachineId } from '../../src/core/machine.ts';
import type { UnitName } from '../../src/core/unit-name.ts';
import { createStoreUpkeep } from '../../src/fleetd/store-upkeep.ts';
import { createLog } from '../../src/lib/log.ts';
import { seededRandom } from '../../src/lib/random.ts';
import { systemClock } from '../../src/lib/system-clock.ts';
import { createFakeMachine } from '../../src/runner/fake-machine.ts';
import { createFakeRunner } from '../../src/runner/fake-runner.ts';
import { openEtcdStore } from '../../src/store/etcd/etcd-store.ts';
import type { EtcdStore } from '../../src/store/etcd/etcd-store.ts';
import { keys } from '../../src/store/keys.ts';
import type { Revision } from '../../src/store/store.ts';
import type { ErrorAnswer, MachineList } from '../../src/protocol/v2.ts';
import { startFleetd } from '../../sim/fleetd.ts';
import { startEtcd } from './etcd-server.ts';
import { trustful } from '../../src/store/trust.ts';
import type { EtcdServer } from './etcd-server.ts';

const waitMs = 60_000;
const machine = 'aaaabbbbccccddddaaaabbbbccccdddd' as MachineId;
const text = '[Service]\nExecStart=/bin/sleep infinity\n';
const bound = (): AbortSignal => AbortSignal.timeout(waitMs);

/** Ends what a test has opened, the newest first. */
const closers: (() => Promise<unknown>)[] = [];
after(async () => {
  for (const close of closers.reverse()) await close();
});

async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const giveUp = Date.now() + waitMs;
  while (!await holds()) {
    assert.ok(Date.now() < giveUp, what);
    await systemClock.sleep(100, bound());
  }
}

interface Fleet {
  readonly etcd: EtcdServer;
  readonly store: EtcdStore;
  readonly api: Api;
  readonly pidOf: (name: string) => number;
  readonly lines: readonly string[];
  readonly compactions: () => number;
}

/** A machine with everything but a real systemd, over an etcd of its own. */
async function startFleet(flags: readonly string[], intervalMs: number): Promise<Fleet> {
  const etcd = await startEtcd({ flags });
  closers.push(() => etcd.close());
  const lines: string[] = [];
  const [clock, random, log] = [systemClock, seededRandom(1), createLog('test', 'info', (line) => lines.push(line))];
  const store = openEtcdStore({ endpoints: [etcd.endpoint], prefix: 'fleet', requestTimeoutMs: 2_000 }, { clock, random, log });
  closers.push(() => store.close());
  const units = createFakeMachine();
  const disk = new Map<string, string>();
  const fleetd = startFleetd({
    stores: { mirror: store, engine: store, agent: store, api: store }, clock, random, log, ttlMs: 5_000, stopTimeoutMs: 1_000,
    runner: createFakeRunner({ clock, random, machine: units }), probe: () => Promise.resolve(null),
    memory: { read: (name) => Promise.resolve(disk.get(name) ?? null), write: async (name, value) => void disk.set(name, value) },
    facts: () => ({
      id: machine, publicIp: '', hostname: 'one', metadata: {}, version: '2', bootId: 'b', capacity: { cpus: 1, memoryBytes: 1 },
      peer: null, runner: 'supervisor', store: 'etcd', startedAtMs: 1,
    }),
  });
  closers.push(() => fleetd.stop('keep'));
  const stop = new AbortController();
  const upkeep = createStoreUpkeep({ etcd: store, trouble: () => null, mirror: fleetd.mirror, rest: null, engine: fleetd.engine, intervalMs, clock, log });
  const looking = upkeep.run(stop.signal);
  closers.push(async () => {
    stop.abort();
    await looking;
  });
  const api = createApi({
    mirror: fleetd.mirror, rest: null, store, clock, log, version: '2', keyPrefix: 'fleet', machineId: machine, storeKind: 'etcd', local: new Map(),
    peers: null, presence: () => null, trust: trustful, trouble: () => null, storeHealth: upkeep.health, storeTroubles: upkeep.troubles, reports: new Map(), tokenLimit: 100,
  }, stop.signal);
  await api.app.ready();
  await fleetd.mirror.reached(1 as Revision, bound());
  closers.push(() => api.app.close());
  return {
    etcd, store, api, lines, pidOf: (name) => units.units.get(name as UnitName)?.mainPid ?? 0,
    compactions: () => upkeep.health()?.compactions ?? 0,
  };
}

async function apply(api: Api, name: string): Promise<{ readonly status: number; readonly message: string }> {
  const payload = { units: [{ name, text }], desired: 'launched' };
  const answer = await api.app.inject({ method: 'POST', url: '/fleet/v2/apply', payload });
  const message = answer.statusCode === 200 ? '' : answer.json<ErrorAnswer>().error.message;
  return { status: answer.statusCode, message };
}

describe('the upkeep of a real etcd', () => {
  test('the leader compacts, nobody who follows in time notices, and the database stays small', async () => {
    const { etcd, store, api, compactions, pidOf, lines } = await startFleet([], 1_000);
    assert.equal((await apply(api, 'app.service')).status, 200);
    await until(() => pidOf('app.service') !== 0, 'the unit runs');
    const pid = pidOf('app.service');
    for (let index = 0; index < 400; index += 1) {
      await store.commit({ guards: [], changes: [{ kind: 'put', key: 'of-nobody/x', value: 'x'.repeat(50_000) }] }, bound());
    }
    const before = compactions();
    await until(() => compactions() > before + 2, 'old history is thrown away');
    // etcd has taken the order then; it carries it out in the background, and counts what has become free with its next write.
    await until(async () => {
      await store.commit({ guards: [], changes: [{ kind: 'put', key: 'of-nobody/y', value: '' }] }, bound());
      return (await store.status(bound())).databaseBytesInUse < 10_000_000;
    }, 'little is in use after 20 MB of history');
    assert.equal((await apply(api, 'other.service')).status, 200);
    await until(() => pidOf('other.service') !== 0, 'followers hear what is new');
    assert.equal(pidOf('app.service'), pid);
    assert.ok(!lines.some((line) => line.includes('compacted')), lines.join('\n'));
    assert.match(await etcd.etcdctl('get', '--prefix', '/fleet/units', '--keys-only'), /fleet\/units\/other\.service/);
  });

  test('a full database is said on every refused command and wherever an operator looks; units go on, and so do writes once it has space', async () => {
    const { etcd, store, api, pidOf, lines } = await startFleet(['--quota-backend-bytes=8388608'], Infinity);
    assert.equal((await apply(api, 'app.service')).status, 200);
    await until(() => pidOf('app.service') !== 0, 'the unit runs');
    const pid = pidOf('app.service');
    const isFull = async (): Promise<boolean> => {
      const change = { kind: 'put', key: keys.unitFile('of-nobody' as never), value: 'x'.repeat(900_000) } as const;
      return store.commit({ guards: [], changes: [change] }, bound()).then(() => false, () => true);
    };
    await until(isFull, 'the database is full');

    const refused = await apply(api, 'more.service');
    assert.equal(refused.status, 503);
    assert.match(refused.message, /its database is full \(alarm NOSPACE\): compact and defragment it, then run "etcdctl alarm disarm"/);
    const ready = async () => api.app.inject({ url: '/readyz' });
    await until(async () => (await ready()).statusCode === 503, '/readyz says so');
    assert.match((await ready()).body, /^store: etcd takes no changes, its database is full \(alarm NOSPACE\): units run on/m);
    assert.match((await api.app.inject({ url: '/fleet/v2/machines' })).json<MachineList>().troubles.join(), /alarm NOSPACE/);
    assert.match((await api.app.inject({ url: '/metrics' })).body, /^fleet_etcd_alarm\{alarm="NOSPACE"\} 1$/m);
    // Longer than the lease: nothing depends on a write.
    await systemClock.sleep(8_000, bound());
    assert.equal(pidOf('app.service'), pid);
    assert.equal((await api.app.inject({ url: '/fleet/v2/machines' })).json<MachineList>().machines.length, 1, 'the lease goes on living');

    const { revision } = await store.status(bound());
    await etcd.etcdctl('compact', String(revision));
    await etcd.etcdctl('defrag');
    await etcd.etcdctl('alarm', 'disarm');
    await until(async () => (await apply(api, 'more.service')).status === 200, 'writes go on');
    await until(() => pidOf('more.service') !== 0, 'and so do decisions');
    await until(async () => !(await ready()).body.includes('NOSPACE'), '/readyz is content');
    assert.equal(pidOf('app.service'), pid);
    assert.equal(lines.filter((line) => line.includes('alarm NOSPACE is over')).length, 1);
  });
});
