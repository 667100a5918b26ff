/** Backups as fleetctl writes and reads them. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { createBackupWriter } from '../core/backup.ts';
import { startFakeApi } from './fake-api.ts';
import type { FakeApi } from './fake-api.ts';
import { createFakeTerminal } from './fake-terminal.ts';
import type { FakeTerminal } from './fake-terminal.ts';

/** A backup with some units. */
function backupText(units: number): string {
  const writer = createBackupWriter();
  const lines = [writer.header({ version: '2.0.0', createdAtMs: 0, revision: 7, tokenBase: 3, store: 'etcd' })];
  for (let index = 0; index < units; index += 1) {
    lines.push(writer.entry({ key: `units/u${String(index)}.service`, value: `{"hash":"ä${'x'.repeat(500)}"}` }));
  }
  return [...lines, writer.entry({ key: 'unit-files/h', value: '[Unit]\n' }), writer.seal()].join('');
}

let folder: string;
let api: FakeApi;
let terminal: FakeTerminal;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fleetctl-backup-'));
  api = await startFakeApi(join(folder, 'fleet.sock'));
  terminal = createFakeTerminal(join(folder, 'fleet.sock'));
});
afterEach(async () => {
  await api.close();
  rmSync(folder, { recursive: true });
});

const restored = (): readonly string[] => api.cluster.restored.map(({ key }) => key);

test('a backup is written as it comes and restored in requests of a bounded size, all of it, in order', async () => {
  api.cluster.backup = backupText(2_500);
  const made = await terminal.run(['backup', 'cluster.backup']);
  assert.deepEqual([made.code, made.stdout], [0, 'Backed up 2500 units (2501 entries) at revision 7 to cluster.backup\n']);
  assert.equal(terminal.files.get('/home/cluster.backup'), api.cluster.backup);
  const done = await terminal.run(['restore', 'cluster.backup']);
  assert.deepEqual([done.code, done.stdout], [0, 'Restored 2500 units from cluster.backup, of revision 7 and 1970-01-01T00:00:00.000Z\n']);
  assert.equal(restored().length, 2_501);
  assert.equal(restored().at(-1), 'unit-files/h');
  assert.deepEqual(api.cluster.restores, [{ revision: 7, tokenBase: 3, force: false, by: 'core' }]);
  assert.ok(api.asked.filter((line) => line.endsWith('/restore/entries')).length >= 3);
});

test('the cluster remembers who called sudo, not root', async () => {
  api.cluster.backup = backupText(1);
  await terminal.run(['backup', 'cluster.backup']);
  Object.assign(terminal.env, { USER: 'root', SUDO_USER: 'ann' });
  await terminal.run(['restore', 'cluster.backup']);
  assert.deepEqual(api.cluster.restores.map(({ by }) => by), ['ann']);
});

test('what breaks off on its way is no backup: the file that was there stays', async () => {
  api.cluster.backup = backupText(10).slice(0, -20);
  terminal.files.set('/home/cluster.backup', 'the old one');
  const { code, stderr } = await terminal.run(['backup', 'cluster.backup']);
  assert.deepEqual([code, stderr], [1, 'Error writing backup: this is no whole backup of a fleet: line 13 is no entry\n']);
  assert.equal(terminal.files.get('/home/cluster.backup'), 'the old one');
});

const wrong: readonly [says: string, text: string | null, why: RegExp][] = [
  ['is missing', null, /^Error reading b: ENOENT: no such file or directory/],
  ['is cut off', backupText(5).split('\n').slice(0, 4).join('\n'), /it ends after 4 lines without the last one: it was cut off$/m],
  ['was changed', backupText(5).replace('u3', 'v3'), /its checksum does not fit: it was changed or damaged$/m],
  ['is of a newer fleet', backupText(1).replace('"fleetBackup":1', '"fleetBackup":9'), /this backup was written by a newer fleet/],
  ['is something else', '[Unit]\n', /its first line is not that of a backup$/m],
];
for (const [says, text, why] of wrong) {
  test(`a file that ${says} is refused with one line before anything is asked of the cluster`, async () => {
    if (text !== null) terminal.files.set('/home/b', text);
    const { code, stderr } = await terminal.run(['restore', 'b']);
    assert.equal(code, 1);
    assert.match(stderr, why);
    assert.equal(stderr.trim().split('\n').length, 1);
    assert.deepEqual(api.asked, []);
  });
}

test('a restore waits for the engine that leads, and says how to go on when it fails in the middle', async () => {
  terminal.files.set('/home/b', backupText(1));
  api.cluster.leader = '2c7d7478ba9f8197b5b7a551442f19f7';
  const running = terminal.run(['restore', '--force', 'b']);
  while (api.asked.filter((line) => line.endsWith('/info')).length < 3) await new Promise(setImmediate);
  assert.deepEqual(restored(), []);
  api.cluster.leader = null;
  assert.equal((await running).code, 0);
  api.cluster.refusesEntries = true;
  const { code, stderr } = await terminal.run(['restore', '--force', 'b']);
  assert.equal(code, 1);
  assert.match(stderr, /^The restore is not finished, and the cluster decides nothing until it is: run it again with --force\.$/m);
});
