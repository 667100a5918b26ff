/** Backups of one cluster, restored into another, into itself, and interrupted at every step. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { createBackupReader } from '../../core/backup.ts';
import type { BackupEntry, BackupHeader } from '../../core/backup.ts';
import type { FileHash } from '../../core/unit.ts';
import type { ErrorAnswer, RestoreStep } from '../../protocol/v2.ts';
import { keys } from '../../store/keys.ts';
import {
  fakeMachine, fakeMachineId, putAssignment, putMachine, putStatus, startFakeFleetd, type FakeFleetd,
} from '../fake-fleetd.ts';

const text = '[Service]\nExecStart=/bin/sleep infinity\n';

interface Backup {
  readonly header: BackupHeader;
  readonly entries: readonly BackupEntry[];
}

const fleetds: FakeFleetd[] = [];
async function start(): Promise<FakeFleetd> {
  const fleetd = await startFakeFleetd();
  fleetds.push(fleetd);
  return fleetd;
}
afterEach(async () => {
  for (const fleetd of fleetds.splice(0)) await fleetd.close();
});

async function backupOf(fleetd: FakeFleetd): Promise<Backup> {
  const { body, statusCode } = await fleetd.app.inject({ url: '/fleet/v2/backup' });
  assert.equal(statusCode, 200);
  const reader = createBackupReader();
  let header: BackupHeader | null = null;
  const entries: BackupEntry[] = [];
  for (const line of body.trimEnd().split('\n')) {
    const taken = reader.take(line);
    assert.ok(taken.ok, 'every line of a backup is one');
    if (taken.value.kind === 'header') header = taken.value.header;
    if (taken.value.kind === 'entry') entries.push(taken.value.entry);
  }
  assert.ok(reader.end().ok && header !== null);
  return { header, entries };
}

async function post<T>(fleetd: FakeFleetd, url: string, payload: object): Promise<{ readonly status: number; readonly body: T & Partial<ErrorAnswer> }> {
  const answer = await fleetd.app.inject({ method: 'POST', url: `/fleet/v2${url}`, payload });
  return { status: answer.statusCode, body: answer.json() };
}

const begin = (fleetd: FakeFleetd, { header }: Backup, force = false): ReturnType<typeof post<RestoreStep>> =>
  post<RestoreStep>(fleetd, '/restore', { revision: header.revision, tokenBase: header.tokenBase, force, by: 'ann' });

async function restore(fleetd: FakeFleetd, backup: Backup, force = false): Promise<void> {
  const begun = await begin(fleetd, backup, force);
  assert.equal(begun.status, 200, JSON.stringify(begun.body));
  const { revision } = begun.body;
  for (const entry of backup.entries) {
    const step = await post(fleetd, '/restore/entries', { restore: revision, entries: [entry] });
    assert.equal(step.status, 200, JSON.stringify(step.body));
  }
  const done = await post(fleetd, '/restore/finish', { restore: revision });
  assert.equal(done.status, 200, JSON.stringify(done.body));
}

const apply = (fleetd: FakeFleetd, name: string, more: object = {}): ReturnType<typeof post> =>
  post(fleetd, '/apply', { units: [{ name, text }], desired: 'launched', ...more });

/** What is stored, without what a restore itself leaves behind. */
async function stored(fleetd: FakeFleetd): Promise<Readonly<Record<string, string>>> {
  const { [keys.storeAcceptance]: _, ...rest } = await fleetd.stored();
  return rest;
}

describe('a backup', () => {
  let one: FakeFleetd;
  beforeEach(async () => {
    one = await start();
    await apply(one, 'a.service');
    const hash = one.mirror.snapshot().units.values().next().value?.hash ?? '' as FileHash;
    await one.write([
      putAssignment(fakeMachineId, 'a.service', { hash, assignedAtMs: 5 }),
      { kind: 'put', key: 'unit-history/a.service', value: JSON.stringify({ events: [] }) },
      { kind: 'put', key: `machine-overrides/${fakeMachineId}`, value: JSON.stringify({ set: { role: 'db' } }) },
      { kind: 'put', key: 'of-a-later-version/x', value: 'y' },
      { kind: 'put', key: keys.registration(fakeMachineId), value: '{}' },
    ]);
    const lease = await one.memory.lease({ ttlMs: 60_000 }, AbortSignal.timeout(60_000));
    const living = [putMachine(fakeMachine(fakeMachineId)), putStatus(fakeMachineId, 'a.service', { hash })];
    await one.write(living.map((change) => ({ ...change, leaseId: lease.id })));
  });

  test('has everything that is not on a lease or under way, of one revision', async () => {
    const backup = await backupOf(one);
    assert.deepEqual(backup.entries.map(({ key }) => key.replace(/[0-9a-f]{32,}/, 'ID')), [
      'assignments/ID/a.service', 'machine-overrides/ID', 'of-a-later-version/x', 'schema', 'unit-files/ID', 'unit-history/a.service',
      'units/a.service',
    ]);
    assert.equal(backup.header.revision, one.mirror.snapshot().revision);
  });

  test('becomes the same cluster in a store that has none', async () => {
    const [backup, other] = [await backupOf(one), await start()];
    await restore(other, backup);
    assert.deepEqual(await stored(other), Object.fromEntries(backup.entries.map(({ key, value }) => [key, value])));
    assert.equal((await apply(other, 'b.service')).status, 200, 'and the cluster takes changes again');
  });

  test('is not restored over units without --force, and then replaces what people want, not what runs where', async () => {
    const [backup, other] = [await backupOf(one), await start()];
    await apply(other, 'mine.service');
    await other.write([putAssignment(fakeMachineId, 'mine.service')]);
    const refused = await begin(other, backup);
    assert.deepEqual([refused.status, refused.body.error?.reason], [409, 'CLUSTER_NOT_EMPTY']);
    await restore(other, backup, true);
    const { units, assignments } = other.mirror.snapshot();
    assert.deepEqual([...units.keys()], ['a.service']);
    assert.deepEqual([...(assignments.get(fakeMachineId)?.keys() ?? [])], ['mine.service'], 'the engine stops it by its own rules');
  });

  test('restored over itself changes nothing that runs: counters never go back', async () => {
    const backup = await backupOf(one);
    await apply(one, 'a.service', { restart: true });
    await apply(one, 'b.service');
    const before = one.mirror.snapshot().units.get('a.service' as never);
    await restore(one, backup, true);
    assert.deepEqual(one.mirror.snapshot().units.get('a.service' as never), before);
    await post(one, '/apply', { units: [{ name: 'a.service' }], desired: 'loaded' });
    await restore(one, backup, true);
    const after = one.mirror.snapshot().units.get('a.service' as never);
    assert.equal(after?.desired, 'launched');
    assert.ok((after?.restart ?? 0) > (before?.restart ?? 0), 'a start after a stop is another wish');
    assert.ok((after?.generation ?? 0) > (before?.generation ?? 0) + 1);
  });

  test('makes tokens grow on, whatever the revisions of the store it goes into', async () => {
    const tokenOf = (fleetd: FakeFleetd): number => fleetd.mirror.snapshot().revision + (fleetd.mirror.snapshot().storeAcceptance?.atMs ?? 0);
    const backup = await backupOf(one);
    const ahead: Backup = { ...backup, header: { ...backup.header, revision: 1_000, tokenBase: 9_000_000_000_000 } };
    const other = await start();
    await restore(other, ahead);
    assert.ok(tokenOf(other) > 9_000_000_001_000);
    const again = await backupOf(other);
    const third = await start();
    await restore(third, again);
    assert.ok(tokenOf(third) > tokenOf(other));
  });
});

describe('a restore', () => {
  let backup: Backup;
  beforeEach(async () => {
    const one = await start();
    for (const name of ['a.service', 'b.service']) await apply(one, name);
    backup = await backupOf(one);
  });

  test('that is interrupted after any step lets nobody work on what is half there, and is begun again', async () => {
    for (let sent = 0; sent <= backup.entries.length; sent += 1) {
      const other = await start();
      const { body: { revision } } = await begin(other, backup);
      await post(other, '/restore/entries', { restore: revision, entries: backup.entries.slice(0, sent) });
      const refused = await apply(other, 'c.service');
      assert.deepEqual([refused.status, refused.body.error?.reason], [503, 'RESTORE_RUNNING']);
      assert.equal((await other.app.inject({ url: '/fleet/v2/backup' })).statusCode, 503);
      assert.equal((await begin(other, backup)).status, 409);
      await restore(other, backup, true);
      assert.deepEqual(await stored(other), Object.fromEntries(backup.entries.map(({ key, value }) => [key, value])));
      const late = await post(other, '/restore/entries', { restore: revision, entries: [{ key: 'units/late.service', value: '{}' }] });
      assert.equal(late.status, 409, 'the one that was interrupted changes nothing any more');
    }
  });

  test('waits for the engine that leads', async () => {
    const other = await start();
    await other.write([{ kind: 'put', key: keys.leader, value: JSON.stringify({ machine: fakeMachineId, sinceMs: 0 }) }]);
    const { body: { revision } } = await begin(other, backup);
    const early = await post(other, '/restore/entries', { restore: revision, entries: backup.entries });
    assert.deepEqual([early.status, early.body.error?.message], [409, 'an engine still leads; try again in a moment']);
    await other.write([{ kind: 'delete', key: keys.leader }]);
    assert.equal((await post(other, '/restore/entries', { restore: revision, entries: backup.entries })).status, 200);
  });

  test('refuses entries that mean nothing to this version, and never takes what is not its own', async () => {
    const other = await start();
    const { body: { revision } } = await begin(other, backup);
    const broken = await post(other, '/restore/entries', { restore: revision, entries: [{ key: 'units/x.service', value: '{"hash":1}' }] });
    assert.deepEqual([broken.status, broken.body.error?.reason], [400, 'BACKUP_INVALID']);
    assert.match(broken.body.error?.message ?? '', /^units\/x\.service of the backup cannot be read: hash is 1/);
    const foreign = [{ key: keys.leader, value: '{"machine":"m"}' }, { key: keys.restore, value: '{}' }];
    assert.equal((await post(other, '/restore/entries', { restore: revision, entries: foreign })).status, 200);
    assert.equal(other.mirror.snapshot().leader, null);
    assert.equal((await post(other, '/restore/finish', { restore: revision + 1 })).status, 409);
  });
});
