import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { removeFile, replaceFile } from './replace-file.ts';
import { runShell } from './run-shell.ts';

const folder = mkdtempSync(join(tmpdir(), 'fleetctl-files-'));
after(() => rmSync(folder, { recursive: true }));
const never = new AbortController().signal;

test('a new file can be read by everybody, a replaced one keeps its mode, and nothing is left beside them', async () => {
  const path = join(folder, 'a.conf');
  await replaceFile(path, 'one');
  assert.equal(statSync(path).mode & 0o7777, 0o644);
  chmodSync(path, 0o600);
  await replaceFile(path, 'two');
  assert.deepEqual([readFileSync(path, 'utf8'), statSync(path).mode & 0o7777, readdirSync(folder)], ['two', 0o600, ['a.conf']]);
  await removeFile(path);
  await removeFile(path);
  assert.deepEqual(readdirSync(folder), []);
});

test('a link to a file stays a link', async () => {
  writeFileSync(join(folder, 'real'), 'one');
  symlinkSync('real', join(folder, 'link'));
  await replaceFile(join(folder, 'link'), 'two');
  assert.deepEqual([readFileSync(join(folder, 'real'), 'utf8'), readdirSync(folder).sort()], ['two', ['link', 'real']]);
});

test('a line of shell says how it ended, and ends when it is told to', async () => {
  assert.equal(await runShell('true && test -n "$PATH"', never), null);
  assert.equal(await runShell('exit 3', never), '"exit 3" ended with exit status 3');
  const stop = new AbortController();
  const running = runShell('sleep 1000 & sleep 1000', stop.signal);
  stop.abort();
  assert.equal(await running, '"sleep 1000 & sleep 1000" was ended by SIGKILL');
});
