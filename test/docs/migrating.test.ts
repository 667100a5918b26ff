import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '../..');
const text = readFileSync(join(root, 'docs/migrating-from-coreos-fleet.md'), 'utf8');

test('docs/migrating-from-coreos-fleet.md names tests that exist, at least one in each row', () => {
  const rows = text.split('\n').filter((line) => /^\| (?!behaviour|---)/.test(line));
  assert.ok(rows.length > 50, `there are ${rows.length} rows`);
  for (const row of rows) {
    const cell = row.split(' | ').at(-1) ?? '';
    const paths = [...cell.matchAll(/`((?:src|test)\/[^`]+\.ts)`/g)].map(([, path]) => path ?? '');
    assert.ok(paths.length > 0, `a test stands in: ${row}`);
    for (const path of paths) assert.ok(existsSync(join(root, path)), `${path} exists`);
  }
});
