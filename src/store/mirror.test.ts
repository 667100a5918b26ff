import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import fc from 'fast-check';
import { emptySnapshot } from '../core/cluster.ts';
import type { UnitHistory } from '../core/history.ts';
import { applyOverride, noOverride } from '../core/machine.ts';
import type { MachineId, MachineRecord } from '../core/machine.ts';
import { unchecked, unfenced, withoutPorts } from '../core/unit.ts';
import type { ReleaseRecord } from '../core/release/release.ts';
import type { Assignment, FileHash, UnitRecord, UnitStatus } from '../core/unit.ts';
import type { UnitName } from '../core/unit-name.ts';
import { createLog } from '../lib/log.ts';
import { createManualClock } from '../lib/manual-clock.ts';
import type { ManualClock } from '../lib/manual-clock.ts';
import { seededRandom } from '../lib/random.ts';
import { keys } from './keys.ts';
import { createMemoryStore } from './memory-store.ts';
import type { MemoryClient, MemoryStore } from './memory-store.ts';
import { createMirror } from './mirror.ts';
import type { FollowBatch, Mirror } from './mirror.ts';
import { encodeRecord } from './records.ts';
import type { CommitChange, Revision } from './store.ts';

const never = new AbortController().signal;
const [one, two] = ['1'.repeat(32), '2'.repeat(32)] as [MachineId, MachineId];
const [app, web] = ['app.service', 'web.service'] as [UnitName, UnitName];
const hash = 'a'.repeat(40) as FileHash;

const unit: UnitRecord = { hash, desired: 'launched', generation: 1, restart: 0, reset: 0, release: 0, changedAtMs: 5, changedBy: 'ann', adoptOn: null };
const assignment: Assignment = {
  hash, desired: 'launched', restart: 0, reset: 0, ...withoutPorts, ports: { web: 8080 }, why: 'least loaded', assignedAtMs: 6, finished: false, ...unfenced,
};
const status: UnitStatus = {
  load: 'loaded', active: 'active', sub: 'running', hash, sinceMs: 7, result: 'success', exitStatus: null, succeeded: false,
  restarts: 0, mainPid: 12, restart: 0, reset: 0, problem: '', ...unchecked,
};
const history: UnitHistory = {
  events: [{ atMs: 8, what: 'failed', machine: one, why: 'result exit-code', count: 2 }], succeeded: null,
  unrest: { moves: 1, lastAtMs: 8 },
};
const release: ReleaseRecord = {
  generations: [{ number: 1, hash, atMs: 8, by: 'ann', undoOf: null, outcome: 'rolling', why: '' }], target: 1, origin: 0,
  strategy: {
    way: 'in-place', batch: { amount: 1, percent: false }, pause: false, maxFailures: 0, minActiveMs: 1, healthTimeoutMs: 2, rollback: true,
  },
  state: 'rolling', paused: false, why: '', inPlaceWhy: '', moves: [], failures: [], batches: 0, startedAtMs: 8, changedAtMs: 8, by: 'ann',
};
const machineOf = (id: MachineId, metadata: Record<string, string> = {}): MachineRecord => ({
  id, publicIp: '10.0.0.1', hostname: 'host', metadata, version: '2.0.0', bootId: 'b', capacity: { cpus: 4, memoryBytes: 1 },
  peer: null, runner: 'systemd', store: 'etcd', startedAtMs: 1, ttlMs: 0, left: false, trouble: '', doubt: null,
});
const schema = { version: 1, cluster: 'c', createdAtMs: 2 };
const put = (key: string, value: string): CommitChange => ({ kind: 'put', key, value });
const remove = (key: string): CommitChange => ({ kind: 'delete', key });

describe('mirror', () => {
  let clock: ManualClock;
  let memory: MemoryStore;
  let client: MemoryClient;
  let mirror: Mirror;
  let lines: string[];
  let heard: FollowBatch[];
  let stop: AbortController;
  let running: Promise<void>;

  beforeEach(() => {
    clock = createManualClock();
    memory = createMemoryStore({ clock });
    client = memory.client();
    lines = [];
    heard = [];
    stop = new AbortController();
    mirror = createMirror({ store: client, clock, random: seededRandom(1), log: createLog('mirror', 'info', (line) => lines.push(line)) });
    mirror.subscribe((batch) => heard.push(batch));
    running = mirror.run(stop.signal);
  });
  afterEach(async () => {
    stop.abort();
    await running;
    assert.equal(clock.sleepers(), 0);
  });
  const commit = async (...changes: CommitChange[]): Promise<Revision> => {
    const outcome = await memory.commit({ guards: [], changes }, never);
    await clock.settle();
    return outcome.revision;
  };

  test('is at revision 0 and not current until the store has answered', async () => {
    const late = createMirror({ store: client, clock, random: seededRandom(1), log: createLog('late', 'info', (line) => lines.push(line)) });
    await commit(put(keys.unit(app), encodeRecord(unit)));
    await clock.advance(1_000);
    assert.equal(late.snapshot().revision, 0);
    assert.deepEqual(late.freshness(), { current: false, sinceMs: 0, why: 'the store has not answered yet' });
    const runningLate = late.run(stop.signal);
    await clock.settle();
    assert.deepEqual(late.freshness(), { current: true, sinceMs: 1_000, why: '' });
    assert.equal(late.snapshot().revision, 1);
    stop.abort();
    await runningLate;
    assert.deepEqual(lines, []);
  });

  test('a snapshot tells on which machines there is an assignment or a status of a unit', async () => {
    const two = '2'.repeat(32) as MachineId;
    const whereabouts = (): unknown => [...mirror.snapshot().whereabouts ?? []];
    await commit(put(keys.assignment(one, app), encodeRecord(assignment)), put(keys.status(one, app), encodeRecord(status)));
    assert.deepEqual(whereabouts(), [[app, [one]]]);
    const before = mirror.snapshot();
    await commit(put(keys.assignment(two, app), encodeRecord(assignment)), remove(keys.assignment(one, app)));
    assert.deepEqual(whereabouts(), [[app, [one, two]]]);
    await commit(remove(keys.status(one, app)));
    assert.deepEqual(whereabouts(), [[app, [two]]]);
    await commit(remove(keys.assignment(two, app)));
    assert.deepEqual([whereabouts(), [...before.whereabouts ?? []]], [[], [[app, [one]]]]);
  });

  test('a snapshot is everything the store says, decoded', async () => {
    const text = '[Service]\nExecStart=/bin/true\n';
    const revision = await commit(
      put(keys.unitFile(hash), text), put(keys.unit(app), encodeRecord(unit)), put(keys.machine(one), encodeRecord(machineOf(one))),
      put(keys.assignment(one, app), encodeRecord(assignment)), put(keys.status(one, app), encodeRecord(status)),
      put(keys.unitHistory(app), encodeRecord(history)), put(keys.machineHistory(one), encodeRecord({ events: [], bootId: 'b' })),
      put(keys.release(app), encodeRecord(release)),
      put(keys.leader, encodeRecord({ machine: one, sinceMs: 3 })), put(keys.schema, encodeRecord(schema)), put('of-a-newer-version/x', '?'));
    const snapshot = mirror.snapshot();
    const options = [{ section: 'Service', name: 'ExecStart', value: '/bin/true', line: 2 }];
    assert.deepEqual(snapshot, {
      ...emptySnapshot,
      revision,
      files: new Map([[hash, { hash, text, file: { options } }]]),
      units: new Map([[app, unit]]),
      machines: new Map([[one, applyOverride(machineOf(one), undefined)]]),
      assignments: new Map([[one, new Map([[app, assignment]])]]),
      whereabouts: new Map([[app, [one]]]), statuses: new Map([[one, new Map([[app, status]])]]),
      unitHistories: new Map([[app, history]]),
      machineHistories: new Map([[one, { events: [], bootId: 'b' }]]),
      releases: new Map([[app, release]]),
      leader: { machine: one, sinceMs: 3 },
      schema,
    });
    await commit(remove(keys.unitFile(hash)), remove(keys.unit(app)), remove(keys.machine(one)), remove(keys.assignment(one, app)),
      remove(keys.status(one, app)), remove(keys.unitHistory(app)), remove(keys.machineHistory(one)), remove(keys.release(app)),
      remove(keys.leader), remove(keys.schema));
    assert.deepEqual(mirror.snapshot(), { ...emptySnapshot, whereabouts: new Map(), revision: revision + 1 });
    assert.equal(snapshot.units.size, 1, 'a snapshot never changes after it was given out');
  });

  test('machines have their overrides applied, in whichever order the two come', async () => {
    const record = put(keys.machine(one), encodeRecord(machineOf(one, { role: 'default', zone: 'a' })));
    const override = put(keys.machineOverride(one), encodeRecord({ ...noOverride, set: { role: 'db' }, removed: ['zone'] }));
    for (const changes of [[record, override], [override, record]]) {
      for (const change of changes) await commit(change);
      assert.deepEqual(mirror.snapshot().machines.get(one)?.metadata, { role: 'db' });
      await commit(remove(keys.machine(one)));
      assert.equal(mirror.snapshot().machines.size, 0, 'an override alone is no machine');
      await commit(record);
      await commit(remove(keys.machineOverride(one)));
      assert.deepEqual(mirror.snapshot().machines.get(one)?.metadata, { role: 'default', zone: 'a' });
      await commit(remove(keys.machine(one)));
    }
  });

  test('parts that did not change are shared between snapshots, and without a change so is the snapshot', async () => {
    await commit(put(keys.status(one, app), encodeRecord(status)), put(keys.status(two, app), encodeRecord(status)), put(keys.unit(app), encodeRecord(unit)));
    const before = mirror.snapshot();
    assert.equal(mirror.snapshot(), before);
    await commit(put(keys.status(two, web), encodeRecord(status)));
    const after = mirror.snapshot();
    assert.equal(after.units, before.units);
    assert.equal(after.statuses.get(one), before.statuses.get(one));
    assert.deepEqual([...before.statuses.get(two)?.keys() ?? []], [app]);
    assert.deepEqual([...after.statuses.get(two)?.keys() ?? []], [app, web]);
  });

  test('a unit file that is put again is not parsed again', async () => {
    await commit(put(keys.unitFile(hash), '[Service]\n'));
    const before = mirror.snapshot();
    const revision = await commit(put(keys.unitFile(hash), '[Service]\n'));
    assert.equal(mirror.snapshot().files, before.files);
    assert.equal(mirror.snapshot().revision, revision);
  });

  test('a value that cannot be read is shown as such until it is written well or deleted', async () => {
    await commit(put(keys.unit(app), encodeRecord(unit)));
    const key = keys.unit(app);
    for (const healing of [put(key, encodeRecord(unit)), remove(key)]) {
      await commit(put(key, '{"desired": "asleep"}'), put(keys.unitFile(hash), 'ExecStart=/bin/true'));
      assert.equal(mirror.snapshot().units.size, 0);
      assert.deepEqual([...mirror.snapshot().unreadable.keys()], [key, keys.unitFile(hash)]);
      assert.deepEqual(mirror.snapshot().unreadable.get(key), { key, why: 'hash is missing, should be a text' });
      await commit(healing, remove(keys.unitFile(hash)));
      assert.equal(mirror.snapshot().unreadable.size, 0);
    }
  });

  test('knows the revision that last wrote a key, for guards', async () => {
    const first = await commit(put(keys.unit(app), encodeRecord(unit)));
    const second = await commit(put(keys.unit(web), encodeRecord(unit)));
    assert.deepEqual([app, web].map((name) => mirror.modRevision(keys.unit(name))), [first, second]);
    await commit(remove(keys.unit(app)));
    assert.equal(mirror.modRevision(keys.unit(app)), 0);
  });

  test('a wait for a revision ends when the snapshot has it, or with the reason of its signal', async () => {
    const { revision } = await memory.commit({ guards: [], changes: [put(keys.unit(app), encodeRecord(unit))] }, never);
    await mirror.reached(revision, never);
    assert.equal(mirror.snapshot().units.size, 1);
    await mirror.reached(revision, never);
    const later = mirror.reached(revision + 2 as Revision, never);
    await commit(put('x', '1'));
    await commit(put('x', '2'));
    await later;
    const giveUp = new AbortController();
    const reason = new Error('stop');
    const hopeless = mirror.reached(revision + 100 as Revision, giveUp.signal);
    giveUp.abort(reason);
    await assert.rejects(hopeless, (error) => error === reason);
    await assert.rejects(mirror.reached(revision, giveUp.signal), (error) => error === reason);
  });

  test('a listener that was stopped hears nothing more', async () => {
    let calls = 0;
    const unsubscribe = mirror.subscribe(() => {
      calls += 1;
    });
    await commit(put('x', '1'));
    unsubscribe();
    await commit(put('x', '2'));
    assert.equal(calls, 1);
  });

  test('an outage keeps the last snapshot, is logged once at each end, and loses nothing', async () => {
    await commit(put(keys.unit(app), encodeRecord(unit)));
    await clock.advance(10_000);
    client.cut();
    await clock.advance(5_000);
    await commit(put(keys.unit(web), encodeRecord(unit)));
    await commit(remove(keys.unit(app)));
    assert.deepEqual([...mirror.snapshot().units.keys()], [app]);
    assert.deepEqual(mirror.freshness(), { current: false, sinceMs: 10_000, why: 'this client of the memory store was cut off' });
    client.heal();
    await clock.advance(2_000);
    assert.deepEqual([...mirror.snapshot().units.keys()], [web]);
    assert.equal(mirror.freshness().current, true);
    assert.deepEqual(heard.slice(-2).map((batch) => batch.changes.length), [1, 1], 'each change in its own batch: resumed, not listed again');
    assert.equal(lines.length, 2);
    assert.match(lines[0] ?? '', /^WARNING mirror: lost the store, keeping what is known and trying again: .*cut off prefix=\(all\)$/);
    assert.match(lines[1] ?? '', /^INFO mirror: following the store again prefix=\(all\) afterMs=\d+$/);
  });

  test('tries again ever more slowly, at least every two seconds', async () => {
    const moments: number[] = [];
    let broken = true;
    const failing = memory.client(() => {
      moments.push(clock.uptimeMs());
      return broken ? { fails: 'before' } : {};
    });
    const lone = createMirror({ store: failing, clock, random: seededRandom(2), log: createLog('m', 'info', (line) => lines.push(line)) });
    const alone = lone.run(stop.signal);
    await clock.advance(30_000);
    const waits = moments.slice(1).map((moment, index) => moment - (moments[index] ?? 0));
    assert.ok((waits[0] ?? 0) >= 50 && (waits[0] ?? 0) <= 100);
    assert.ok(waits.every((wait) => wait <= 2_000) && waits.slice(6).every((wait) => wait >= 1_000));
    assert.equal(lines.length, 1);
    broken = false;
    await clock.advance(2_000);
    assert.equal(lone.freshness().current, true);
    stop.abort();
    await alone;
  });

  test('after a compaction it lists again and hears the difference only', async () => {
    await commit(put(keys.unit(app), encodeRecord(unit)), put(keys.status(one, app), encodeRecord(status)), put(keys.unit(web), encodeRecord(unit)));
    client.cut();
    await commit(remove(keys.unit(app)));
    memory.compact(await commit(put(keys.unit(web), encodeRecord({ ...unit, generation: 2 }))));
    client.heal();
    await clock.advance(5_000);
    assert.deepEqual(heard.at(-1)?.changes.map((change) => (change.kind === 'put' ? change.entry.key : `-${change.key}`)),
      [`-${keys.unit(app)}`, keys.unit(web)]);
    assert.deepEqual([...mirror.snapshot().units.values()], [{ ...unit, generation: 2 }]);
  });

  test('a store that is put back from a copy is heard anew, also what has the revision of something else by now', async () => {
    await commit(put(keys.unit(app), encodeRecord(unit)));
    const copy = memory.copy();
    await commit(put(keys.unit(web), encodeRecord(unit)));
    await commit(put(keys.unit(app), encodeRecord({ ...unit, generation: 3 })));
    await clock.advance(1_000);
    memory.putBack(copy);
    await commit(put(keys.unit(web), encodeRecord({ ...unit, generation: 2 })));
    await clock.advance(5_000);
    assert.deepEqual([...mirror.snapshot().units].sort(), [[app, unit], [web, { ...unit, generation: 2 }]]);
    memory.putBack();
    await clock.advance(5_000);
    assert.deepEqual([mirror.snapshot().units.size, mirror.snapshot().revision], [0, 0]);
  });

  test('whatever happens to the connection, the mirror ends up with what the store holds', async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('put' as const), key: fc.integer({ min: 0, max: 9 }), value: fc.nat() }),
      fc.record({ kind: fc.constant('remove' as const), key: fc.integer({ min: 0, max: 9 }) }),
      fc.constantFrom({ kind: 'cut' as const }, { kind: 'heal' as const }, { kind: 'compact' as const }, { kind: 'wait' as const }));
    const keyOf = (index: number): string => keys.unit(`u${index}.service` as UnitName);
    await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      for (const action of steps) {
        if (action.kind === 'put') await commit(put(keyOf(action.key), encodeRecord({ ...unit, generation: action.value })));
        else if (action.kind === 'remove') await commit(remove(keyOf(action.key)));
        else if (action.kind === 'compact') memory.compact((await memory.list('', never)).revision);
        else if (action.kind === 'cut') client.cut();
        else if (action.kind === 'heal') client.heal();
        else await clock.advance(3_000);
      }
      client.heal();
      await clock.advance(5_000);
      const { entries, revision } = await memory.list('', never);
      const snapshot = mirror.snapshot();
      assert.equal(snapshot.revision, revision);
      assert.deepEqual(
        [...snapshot.units].map(([name, record]) => [keys.unit(name), encodeRecord(record)]).sort(),
        entries.map((entry) => [entry.key, entry.value]));
      for (const entry of entries) assert.equal(mirror.modRevision(entry.key), entry.modRevision);
    }), { numRuns: 60 });
  });
});
