import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { failureTable } from '../../src/core/failure.ts';

test('docs/errors.md has every failure code with its status and meaning, in the order of the table, and something to do', () => {
  const text = readFileSync(join(import.meta.dirname, '../../docs/errors.md'), 'utf8');
  const rows = [...text.matchAll(/^\| `([A-Z_]+)` \| (\d+) \| (.+?) \| (.+) \|$/gm)];
  assert.deepEqual(
    rows.map(([, code, status, meaning]) => ({ code, status: Number(status), text: meaning })),
    Object.entries(failureTable).map(([code, row]) => ({ code, ...row })),
  );
  for (const [, code = '', , , advice = ''] of rows) assert.match(advice, /^[`A-Z].*\.$/, code);
});
