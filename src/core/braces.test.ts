import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { expandBraces } from './braces.ts';
import { limits } from './limits.ts';

const recorded = readFileSync(new URL('testdata/braces.txt', import.meta.url), 'utf8')
  .split('\n').filter((line) => line !== '' && !line.startsWith('#'));

function expand(text: string): readonly string[] {
  const names = expandBraces(text);
  assert.ok(names.ok, text);
  return names.value;
}

test('expressions expand to the words bash makes of them', () => {
  assert.ok(recorded.length > 40);
  for (const line of recorded) {
    const [expression = '', words = ''] = line.split(' => ');
    assert.equal(expand(expression).join(' '), words, line);
  }
});

test('a backslash makes a brace ordinary and stays, as do escapes in names', () => {
  assert.deepEqual(expand(String.raw`dev-disk\x2d{1,2}.mount`), [String.raw`dev-disk\x2d1.mount`, String.raw`dev-disk\x2d2.mount`]);
  assert.deepEqual(expand(String.raw`a\{1,2}`), [String.raw`a\{1,2}`]);
  assert.deepEqual(expand(String.raw`{a\,b,c}`), [String.raw`a\,b`, 'c']);
});

test('a list beyond the limit is refused by name, and before it is made', () => {
  assert.equal(expand(`{1..${limits.braceNamesMax}}`).length, limits.braceNamesMax);
  const wrong = [
    'app@{1..1000000000000}.service', '{a,b}'.repeat(64), '{1..101}{1..101}', `{${'{1..9},'.repeat(200)}{1..9000}}`,
    '{-9223372036854775808..9223372036854775807}', '{a..z}'.repeat(300), '{'.repeat(limits.braceCharactersMax + 1),
  ];
  for (const text of wrong) {
    const names = expandBraces(text);
    assert.ok(!names.ok && names.failure.code === 'BRACES_INVALID', text);
    assert.ok(names.failure.message.startsWith(`"${text.slice(0, 20)}`), names.failure.message);
    assert.ok(names.failure.message.length < 200, names.failure.message);
  }
});

test('no text makes the expansion throw, hang or give more names than the limit', () => {
  const piece = fc.constantFrom('{', '}', ',', '..', '\\', '$', 'a', '1', '-', '0', '9999', '{1..3}', '{a,b}', 'é', ' ');
  fc.assert(fc.property(fc.array(piece, { maxLength: 200 }), (pieces) => {
    const names = expandBraces(pieces.join(''));
    if (names.ok) assert.ok(names.value.length <= limits.braceNamesMax);
  }));
  const half = limits.braceCharactersMax / 2;
  for (const text of ['{'.repeat(half * 2), `${'{'.repeat(half)}${'}'.repeat(half)}`, '{x}'.repeat(half / 2), '{a,'.repeat(600)]) {
    expandBraces(text);
  }
  const [open, close] = ['{'.repeat(600), '}'.repeat(600)];
  assert.deepEqual(expand(`${open}{a,b}${close}`), [`${open}a${close}`, `${open}b${close}`]);
});

/** What bash itself makes of each text: null when there is no bash on this machine. */
function askBash(texts: readonly string[]): readonly (readonly string[])[] | null {
  const script = texts.map((text) => `printf '%s\\037' ${text === '' ? "''" : text}; printf '\\n'\n`).join('');
  const bash = spawnSync('bash', ['--norc'], { input: `set -f\n${script}`, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024, timeout: 60_000 });
  if (bash.error !== undefined) return null;
  assert.equal(bash.stderr, '');
  return bash.stdout.split('\n').slice(0, texts.length).map((line) => line.split('\x1f').filter((word) => word !== ''));
}

test('random expressions expand as the bash of this machine expands them', () => {
  const piece = fc.constantFrom(
    '{', '}', '{', '}', ',', ',', '..', '1', '3', '-2', '05', 'a', 'e', '+4', '0', '10', '{1..3}', '{a,b}', '{}', '.', '{01..3}', 'x');
  const text = fc.array(piece, { minLength: 1, maxLength: 10 }).map((pieces) => pieces.join(''));
  fc.assert(fc.property(fc.array(text, { minLength: 300, maxLength: 300 }), (texts) => {
    askBash(texts)?.forEach((words, index) => {
      const expression = texts[index] ?? '';
      assert.deepEqual(expand(expression).filter((word) => word !== ''), words, expression);
    });
  }), { numRuns: 5 });
});
