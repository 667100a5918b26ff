import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fleetKeys } from '../../src/core/fleet-section.ts';
import { limits } from '../../src/core/limits.ts';
import { expandSpecifiers } from '../../src/core/specifiers.ts';
import { parseUnitFile } from '../../src/core/unit-file.ts';
import { parseUnitName, unitTypes, type UnitName } from '../../src/core/unit-name.ts';
import { verifyUnitFile } from '../../src/core/verify.ts';
import { refusedDirectives, serviceDirectives, unitDirectives } from '../../src/runner/supervisor/directives.ts';

const root = join(import.meta.dirname, '../..');
const text = readFileSync(join(root, 'docs/unit-files.md'), 'utf8');

/** Checks a file as `fleetctl verify` does: no error and no warning. */
function assertRight(name: string, content: string): void {
  const unit = parseUnitName(name);
  assert.ok(unit.ok, name);
  const file = parseUnitFile(content);
  assert.ok(file.ok, file.ok ? '' : `${name}: ${file.failure.message}`);
  assert.deepEqual(verifyUnitFile(unit.value.name, file.value), { errors: [], warnings: [] }, name);
}

test('every example of docs/unit-files.md is a unit file without errors or warnings', () => {
  const examples = [...text.matchAll(/^```ini\n# (\S+)\n(.*?)^```$/gms)];
  assert.equal(examples.length, [...text.matchAll(/^```ini$/gm)].length, 'each example begins with its name as a comment');
  assert.ok(examples.length > 0);
  for (const [, name = '', content = ''] of examples) assertRight(name, content);
});

test('every file in examples/ is a unit file without errors or warnings', () => {
  for (const name of readdirSync(join(root, 'examples'))) assertRight(name, readFileSync(join(root, 'examples', name), 'utf8'));
});

test('docs/unit-files.md has every option of [X-Fleet], and its table no other', () => {
  const section = /\n## \[X-Fleet\]\n(.*?)\n### /s.exec(text)?.[1] ?? '';
  const rows = [...section.matchAll(/^\| `([^`]+)` \|/gm)].map(([, name]) => name);
  assert.deepEqual(rows, fleetKeys.filter((key) => !key.startsWith('X-')));
  for (const legacy of fleetKeys.filter((key) => key.startsWith('X-'))) assert.ok(section.includes(`\`${legacy}\``), legacy);
});

test('docs/unit-files.md names every type and every limit', () => {
  for (const type of unitTypes) assert.ok(text.includes(`\`${type}\``), type);
  for (const name of ['unitFileBytesMax', 'unitNameCharactersMax', 'braceCharactersMax', 'braceNamesMax', 'fleetOptionValuesMax'] as const) {
    const section = text.slice(text.indexOf('\n## Limits'));
    assert.ok(section.includes(limits[name].toLocaleString('en')), name);
  }
});

test('the specifiers stand for what docs/unit-files.md says', () => {
  const table = /^\| specifier \|.*\n\|---.*\n((?:\|.*\n)+)/m.exec(text)?.[1] ?? '';
  const name = /of `(.+?)` \|$/m.exec(text)?.[1] as UnitName;
  const inCode = (cell: string): readonly string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, each = '']) => each);
  for (const row of table.trim().split('\n')) {
    const [, specifiers = '', , values = ''] = row.split('|');
    assert.deepEqual(inCode(specifiers).map((each) => expandSpecifiers(each, { name })), inCode(values).map((value) => ({ ok: true, value })), row);
  }
});

test('docs/unit-files.md has every option the supervisor honours or refuses, and no other', () => {
  const section = /\n## Without systemd\n(.*?)\n## /s.exec(text)?.[1] ?? '';
  const named = (part: string): readonly string[] => [...part.matchAll(/`([A-Z]\w+)(?:=yes)?`/g)].map(([, name = '']) => name).toSorted();
  const table = [...section.matchAll(/^\| [a-z]+ \| .* \|$/gm)].join('\n');
  assert.deepEqual(named(/^Honoured in `\[Unit\]`: (.*?)\. /ms.exec(section)?.[1] ?? ''), Object.keys(unitDirectives).toSorted());
  assert.deepEqual(named(table), Object.keys(serviceDirectives).toSorted());
  assert.deepEqual(named(/^A unit with (.*?) is refused/ms.exec(section)?.[1] ?? ''), Object.keys(refusedDirectives).toSorted());
});
