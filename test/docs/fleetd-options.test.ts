import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { optionNames } from '../../src/config.ts';

const text = readFileSync(join(import.meta.dirname, '../../docs/fleetd.md'), 'utf8');
const inCode = (part: string): readonly string[] => [...part.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name);

test('docs/fleetd.md has a row for every option fleetd reads, and for no other', () => {
  const names = [...text.matchAll(/^\| (`[^|]+`) \|/gm)].flatMap(([, cell = '']) => inCode(cell));
  assert.deepEqual(names.toSorted(), optionNames.read.toSorted());
});

test('docs/fleetd.md names every option of fleet 1.0 that is accepted and does nothing', () => {
  const sentence = /^(.*) of fleet 1\.0 are accepted and do nothing\.$/m.exec(text)?.[1] ?? '';
  assert.deepEqual(inCode(sentence).toSorted(), optionNames.ignored.toSorted());
});
