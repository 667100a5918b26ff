/** The text of a backup: what was written whole is read, everything else is refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createBackupReader, createBackupWriter } from './backup.ts';
import type { BackupEntry } from './backup.ts';

const header = { version: '2.0.0', createdAtMs: 1_700_000_000_000, revision: 42, tokenBase: 7, store: 'etcd' };

function written(entries: readonly BackupEntry[]): string {
  const writer = createBackupWriter();
  return [writer.header(header), ...entries.map((entry) => writer.entry(entry)), writer.seal()].join('');
}

/** The entries a text holds; the message when it is refused. */
function read(text: string): readonly BackupEntry[] | string {
  const reader = createBackupReader();
  const entries: BackupEntry[] = [];
  const lines = text.split('\n');
  for (const line of lines.at(-1) === '' ? lines.slice(0, -1) : lines) {
    const taken = reader.take(line);
    if (!taken.ok) return taken.failure.message;
    if (taken.value.kind === 'entry') entries.push(taken.value.entry);
  }
  const end = reader.end();
  return end.ok ? entries : end.failure.message;
}

const some: readonly BackupEntry[] = [{ key: 'units/a.service', value: '{"hash":"h"}' }, { key: 'unit-files/h', value: 'line\nline "x"\n' }];

test('every backup is read as it was written', () => {
  fc.assert(fc.property(fc.array(fc.record({ key: fc.string(), value: fc.string({ unit: 'grapheme' }) }, { noNullPrototype: true })), (entries) => {
    assert.deepEqual(read(written(entries)), entries);
  }));
});

test('a backup that is cut off anywhere is refused', () => {
  const text = written(some);
  for (let end = 0; end < text.length - 1; end += 1) assert.equal(typeof read(text.slice(0, end)), 'string', `cut at ${String(end)}`);
  assert.match(String(read(written(some).split('\n').slice(0, 2).join('\n'))), /it ends after 2 lines without the last one: it was cut off/);
});

test('a backup in which a single character was changed is refused, or says the same', () => {
  const text = written(some);
  fc.assert(fc.property(fc.nat(text.length - 1), fc.string({ minLength: 1, maxLength: 1 }), (at, character) => {
    const changed = `${text.slice(0, at)}${character}${text.slice(at + 1)}`;
    if (changed !== text) assert.ok(typeof read(changed) === 'string', changed);
  }));
});

const refusals: readonly [says: string, text: string, why: RegExp][] = [
  ['something else', '[Service]\nExecStart=/bin/true\n', /first line is not that of a backup/],
  ['nothing', '', /it is empty/],
  ['two backups in one file', `${written(some)}${written(some)}`, /something stands behind its last line/],
  ['a backup of a newer format', written(some).replace('"fleetBackup":1', '"fleetBackup":2'), /^this backup was written by a newer fleet \(2\.0\.0, format 2; this one reads 1\)/],
];
for (const [says, text, why] of refusals) test(`${says} is refused in one line`, () => assert.match(String(read(text)), why));
