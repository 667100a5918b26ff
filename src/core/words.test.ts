import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { splitQuoted } from './words.ts';

/** What systemd 252 made of `ExecStart=/bin/true ...`: the arguments; null where it dropped the line. */
const recorded: readonly (readonly [string, readonly string[] | null])[] = [
  ['plain', ['plain']],
  ['"a b"', ['a b']],
  ["'a b'", ['a b']],
  ['a"b c"d', ['ab cd']],
  [`a'b "c" d'e`, ['ab "c" de']],
  [String.raw`a\x41b`, ['aAb']],
  [String.raw`a\tb`, ['a\tb']],
  [String.raw`"a\"b"`, ['a"b']],
  [String.raw`'a\'b'`, ["a'b"]],
  [String.raw`a\sb`, ['a b']],
  [String.raw`\101`, ['A']],
  [String.raw`\u00e9`, ['é']],
  [String.raw`\U0001F600`, ['😀']],
  [String.raw`\xc3\xa9`, ['é']],
  [String.raw`a\qb`, [String.raw`a\qb`]],
  ['"open', null],
  [String.raw`\x00`, [String.raw`\x00`]],
  ['""x', ['x']],
  ["a''b", ['ab']],
  [String.raw`a\nb`, ['a\nb']],
  [String.raw`\u0000`, [String.raw`\u0000`]],
  [String.raw`a\\b`, [String.raw`a\b`]],
  [String.raw`a\ b`, [String.raw`a\ b`]],
  [String.raw`"a\ b" c`, [String.raw`a\ b`, 'c']],
  [String.raw`s/\./-/`, [String.raw`s/\./-/`]],
  [String.raw`\q"x y"`, [String.raw`\qx y`]],
  [String.raw`a\x`, [String.raw`a\x`]],
  [String.raw`a\x4`, [String.raw`a\x4`]],
  [String.raw`\18`, [String.raw`\18`]],
  ['"a\tb"\tc', ['a\tb', 'c']],
  [String.raw`x\y\tz`, ['x\\y\tz']],
];

test('a command line is split as systemd splits it', () => {
  for (const [text, expected] of recorded) {
    const words = splitQuoted(text);
    assert.deepEqual(words.ok ? words.value : null, expected, text);
  }
});

test('blanks separate, quotes keep an empty word', () => {
  assert.deepEqual(splitQuoted(''), { ok: true, value: [] });
  assert.deepEqual(splitQuoted(' \t '), { ok: true, value: [] });
  assert.deepEqual(splitQuoted(' a  b\tc '), { ok: true, value: ['a', 'b', 'c'] });
  assert.deepEqual(splitQuoted(`"" ''`), { ok: true, value: ['', ''] });
});

test('an open quote and broken UTF-8 are refused by name', () => {
  const table = [
    ['a "b c', 'the quote in "b c is not closed; add "'],
    [String.raw`\xff`, String.raw`the escapes in \xff do not make UTF-8 text`],
  ] as const;
  for (const [text, message] of table) {
    assert.deepEqual(splitQuoted(text), { ok: false, failure: { code: 'UNIT_OPTION_INVALID', message } });
  }
});

test('backslashes stay where names and globs are expected', () => {
  const text = String.raw`dev\x2da.service "a \* b" c\d`;
  assert.deepEqual(splitQuoted(text, 'keep'), { ok: true, value: [String.raw`dev\x2da.service`, String.raw`a \* b`, String.raw`c\d`] });
});

test('words that were quoted come back, whatever they hold', () => {
  const word = fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\0'));
  fc.assert(fc.property(fc.array(word), (words) => {
    const quoted = words.map((each) => `"${each.replaceAll('\\', '\\\\').replaceAll('"', String.raw`\"`)}"`).join(' ');
    assert.deepEqual(splitQuoted(quoted), { ok: true, value: words });
  }));
});

test('no text makes the split throw', () => {
  const piece = fc.constantFrom('\\', '"', "'", ' ', 'x', '4', '1', 'u', 'U', 'f', 's', '00', 'é', '😀', '\ud800');
  fc.assert(fc.property(fc.array(piece).map((pieces) => pieces.join('')), (text) => {
    splitQuoted(text);
    splitQuoted(text, 'keep');
  }), { numRuns: 500 });
});
