import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { escapeUnitPath, escapeUnitText, unescapeUnitPath, unescapeUnitText } from './unit-escape.ts';
import { parseUnitName } from './unit-name.ts';
import { success } from './failure.ts';

const recorded = readFileSync(new URL('testdata/escapes.txt', import.meta.url), 'utf8')
  .split('\n').filter((line) => line !== '' && !line.startsWith('#'));

const commands = {
  '': (text: string) => success(escapeUnitText(text)),
  '--path': escapeUnitPath,
  '--unescape': unescapeUnitText,
  '--unescape --path': unescapeUnitPath,
};

test('escaping and unescaping answer as systemd-escape does', () => {
  assert.ok(recorded.length > 30);
  for (const line of recorded) {
    const [, flags = '', text = '', answer = ''] = /^([^|]*)\|(.*?) => (.*)$/.exec(line) ?? [];
    const result = commands[flags as keyof typeof commands](text);
    assert.equal(result.ok ? result.value : '!', answer, line);
  }
});

test('escapes that systemd-escape answers with no text or with broken text are refused', () => {
  for (const escaped of [String.raw`a\x00b`, String.raw`\xff`, '\\']) assert.equal(unescapeUnitText(escaped).ok, false, escaped);
  assert.equal(unescapeUnitPath('').ok, false);
  assert.equal(escapeUnitPath('foo/bar').ok, false, 'a relative path would come back as an absolute one');
});

test('every text comes back from its escape, which is fit for a name', () => {
  fc.assert(fc.property(fc.string({ unit: 'grapheme', minLength: 1 }).filter((text) => !text.includes('\0')), (text) => {
    const escaped = escapeUnitText(text);
    assert.deepEqual(unescapeUnitText(escaped), success(text));
    if (escaped.length < 200) assert.ok(parseUnitName(`x@${escaped}.service`).ok, escaped);
  }));
});

test('every absolute path comes back from its escape in its shortest form', () => {
  const part = fc.string({ unit: fc.constantFrom(...'ab-.\\ ä@') });
  fc.assert(fc.property(fc.array(part), (parts) => {
    const escaped = escapeUnitPath(`/${parts.join('/')}`);
    assert.equal(escaped.ok, !parts.includes('..'));
    if (!escaped.ok) return;
    const shortest = `/${parts.filter((each) => each !== '' && each !== '.').join('/')}`;
    assert.deepEqual(unescapeUnitPath(escaped.value), success(shortest));
  }));
});
