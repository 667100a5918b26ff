/**
 * From the embedded store into a real etcd and back, with engines and agents on both sides: what runs goes on.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { createApi } from '../../src/api/api.ts';
import type { Api } from '../../src/api/api.ts';
import { createBackupReader } from '../../src/core/backup.ts';
import type { BackupEntry, BackupHeader } from '../../src/core/backup.ts';
import type { MachineId } from '../../src/core/machine.ts';
import type { UnitName } from '../../src/core/unit-name.ts';
import { createLog } from '../../src/lib/log.ts';
import { seededRandom } from '../../src/lib/random.ts';
import { systemClock } from '../../src/lib/system-clock.ts';
import type { RestoreStep } from '../../src/protocol/v2.ts';
import { createFakeMachine } from '../../src/runner/fake-machine.ts';
import { createFakeRunner } from '../../src/runner/fake-runner.ts';
import { openEmbeddedStore } from '../../src/store/embedded/embedded-store.ts';
import { openEtcdStore } from '../../src/store/etcd/etcd-store.ts';
import { createMirror } from '../../src/store/mirror.ts';
import type { Mirror } from '../../src/store/mirror.ts';
import { trustful } from '../../src/store/trust.ts';
import type { Revision, Store } from '../../src/store/store.ts';
import { startFleetd } from '../../sim/fleetd.ts';
import type { Fleetd } from '../../sim/fleetd.ts';
import { startEtcd } from './etcd-server.ts';

const waitMs = 60_000;
const machine = 'aaaabbbbccccddddaaaabbbbccccdddd' as MachineId;
const [clock, random, log] = [systemClock, seededRandom(1), createLog('test', 'error', () => undefined)];
const bound = (): AbortSignal => AbortSignal.timeout(waitMs);

const closers: (() => Promise<unknown>)[] = [];
after(async () => {
  for (const close of closers.reverse()) await close();
});

async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const giveUp = Date.now() + waitMs;
  while (!await holds()) {
    assert.ok(Date.now() < giveUp, what);
    await systemClock.sleep(50, bound());
  }
}

/** The machine, which outlives every fleetd and store. */
const units = createFakeMachine();
const disk = new Map<string, string>();
const pidOf = (name: string): number => units.units.get(name as UnitName)?.mainPid ?? 0;

function startOn(store: Store): Fleetd {
  return startFleetd({
    stores: { mirror: store, engine: store, agent: store, api: store }, clock, random, log, ttlMs: 3_000, stopTimeoutMs: 1_000,
    runner: createFakeRunner({ clock, random, machine: units }), probe: () => Promise.resolve(null),
    memory: { read: (name) => Promise.resolve(disk.get(name) ?? null), write: async (name, value) => void disk.set(name, value) },
    facts: () => ({
      id: machine, publicIp: '', hostname: 'one', metadata: {}, version: '2', bootId: 'b', capacity: { cpus: 1, memoryBytes: 1 },
      peer: null, runner: 'supervisor', store: 'etcd', startedAtMs: 1,
    }),
  });
}

/** An API over a store; with a mirror of its own when no fleetd has one, as `fleetctl --driver=etcd` does. */
async function apiOn(store: Store, mirror: Mirror | null): Promise<Api> {
  const stop = new AbortController();
  const own = mirror ?? createMirror({ store, clock, random, log });
  const running = mirror === null ? own.run(stop.signal) : Promise.resolve();
  await own.reached(1 as Revision, bound());
  const api = createApi({
    mirror: own, rest: null, store, clock, log, version: '2', keyPrefix: 'fleet', machineId: machine, storeKind: 'etcd', local: new Map(), peers: null,
    presence: () => null, trust: trustful, trouble: () => null, storeHealth: () => null, storeTroubles: () => [], reports: new Map(), tokenLimit: 100,
  }, stop.signal);
  await api.app.ready();
  closers.push(async () => {
    stop.abort();
    await api.app.close();
    await running;
  });
  return api;
}

async function post<T>(api: Api, url: string, payload: object): Promise<T> {
  const answer = await api.app.inject({ method: 'POST', url: `/fleet/v2${url}`, payload });
  assert.equal(answer.statusCode, 200, answer.body);
  return answer.json<T>();
}

async function backupOf(api: Api): Promise<{ readonly header: BackupHeader; readonly entries: readonly BackupEntry[] }> {
  const { body } = await api.app.inject({ url: '/fleet/v2/backup' });
  const reader = createBackupReader();
  const lines = body.trimEnd().split('\n').map((line) => {
    const taken = reader.take(line);
    assert.ok(taken.ok, body.slice(0, 200));
    return taken.value;
  });
  assert.ok(reader.end().ok);
  const header = lines.find((line) => line.kind === 'header')?.header;
  assert(header !== undefined);
  return { header, entries: lines.flatMap((line) => (line.kind === 'entry' ? [line.entry] : [])) };
}

async function restore(api: Api, backup: Awaited<ReturnType<typeof backupOf>>, force: boolean): Promise<void> {
  const { revision, tokenBase } = backup.header;
  const begun = await post<RestoreStep>(api, '/restore', { revision, tokenBase, force, by: 'ann' });
  await until(async () => (await api.app.inject({ url: '/fleet/v2/info' })).json<{ leader: string | null }>().leader === null, 'nobody leads');
  await post(api, '/restore/entries', { restore: begun.revision, entries: backup.entries });
  await post(api, '/restore/finish', { restore: begun.revision });
}

test('from the embedded store into etcd: the units of the machine run on, and the cluster goes on from there', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fleet-backup-'));
  closers.push(() => rm(folder, { recursive: true }));
  const embedded = await openEmbeddedStore({ file: join(folder, 'fleet.db'), clock, random, log });
  const first = startOn(embedded);
  const before = await apiOn(embedded, first.mirror);
  const text = '[Service]\nExecStart=/bin/sleep infinity\n';
  await post(before, '/apply', { units: [{ name: 'a.service', text }, { name: 'b.service', text }], desired: 'launched' });
  await post(before, '/apply', { units: [{ name: 'job.service', text: '[Service]\nType=oneshot\nExecStart=/bin/true\n' }], desired: 'launched' });
  const isFinished = (mirror: Mirror): boolean =>
    mirror.snapshot().assignments.get(machine)?.get('job.service' as UnitName)?.finished === true;
  await until(() => pidOf('a.service') !== 0 && pidOf('b.service') !== 0 && isFinished(first.mirror), 'the units run');
  const pids = [pidOf('a.service'), pidOf('b.service')];
  const backup = await backupOf(before);
  await first.stop('keep');
  await embedded.close();

  const etcd = await startEtcd();
  closers.push(() => etcd.close());
  const store = openEtcdStore({ endpoints: [etcd.endpoint], prefix: 'fleet', requestTimeoutMs: 2_000 }, { clock, random, log });
  closers.push(() => store.close());
  await restore(await apiOn(store, null), backup, false);

  const second = startOn(store);
  closers.push(() => second.stop('keep'));
  await until(() => second.engine.role === 'leading' && second.agent.assignmentsKnown, 'the machine is in the cluster on etcd');
  await until(() => second.mirror.snapshot().statuses.get(machine)?.size === 3, 'it reports its units');
  assert.deepEqual([pidOf('a.service'), pidOf('b.service')], pids);
  assert.deepEqual([second.agent.steps.start, second.agent.steps.stop, second.agent.steps.restart], [0, 0, 0]);
  assert.ok(isFinished(second.mirror), 'what has succeeded stays done');

  // Into the cluster that is alive: nobody leads meanwhile, then what is wanted holds again.
  const api = await apiOn(store, second.mirror);
  const later = await backupOf(api);
  await post(api, '/destroy', { names: ['b.service'] });
  await post(api, '/apply', { units: [{ name: 'c.service', text }], desired: 'launched' });
  await until(() => pidOf('c.service') !== 0 && pidOf('b.service') === 0, 'another wish');
  await restore(api, later, true);
  await until(() => pidOf('c.service') === 0 && pidOf('b.service') !== 0, 'the wish of the backup');
  assert.equal(pidOf('a.service'), pids[0]);
  assert.equal(second.engine.role, 'leading');
});
