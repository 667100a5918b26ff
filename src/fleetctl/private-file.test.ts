/** Backups as files. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { readPieces, writePrivately } from './private-file.ts';

let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'fleetctl-files-'));
});
after(() => rmSync(folder, { recursive: true }));

async function* pieces(...texts: readonly string[]): AsyncGenerator<string> {
  yield* texts;
}

test('a file is written whole, for its owner alone, also over one that everybody may read', async () => {
  const path = join(folder, 'backup');
  writeFileSync(path, 'old', { mode: 0o644 });
  await writePrivately(path, pieces('a\n', 'ä\n'));
  assert.equal(readFileSync(path, 'utf8'), 'a\nä\n');
  assert.equal(statSync(path).mode & 0o777, 0o600);
  let read = '';
  for await (const piece of readPieces(path)) read += piece;
  assert.equal(read, 'a\nä\n');
});

test('what cannot be written to its end leaves the old file as it was, and nothing beside it', async () => {
  const path = join(folder, 'kept');
  writeFileSync(path, 'old');
  const failing = (async function* () {
    yield 'half';
    throw new Error('the connection broke off');
  })();
  await assert.rejects(writePrivately(path, failing), /the connection broke off/);
  assert.equal(readFileSync(path, 'utf8'), 'old');
  assert.deepEqual(readdirSync(folder).filter((name) => name.startsWith('.')), []);
  await assert.rejects(writePrivately(join(folder, 'nowhere', 'x'), pieces('a')), { code: 'ENOENT' });
});
