import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compileGlob, matchGlob } from './glob.ts';

test('patterns match as in Go\'s path.Match', () => {
  const table: readonly (readonly [string, string, boolean])[] = [
    ['abc', 'abc', true], ['*', 'abc', true], ['*c', 'abc', true], ['a*', 'a', true], ['a*', 'abc', true], ['a*', 'ab/c', false],
    ['a*/b', 'abc/b', true], ['a*/b', 'a/c/b', false], ['a*b*c*d*e*/f', 'axbxcxdxe/f', true],
    ['a*b*c*d*e*/f', 'axbxcxdxexxx/f', true], ['a*b*c*d*e*/f', 'axbxcxdxe/xxx/f', false],
    ['a*b?c*x', 'abxbbxdbxebxczzx', true], ['a*b?c*x', 'abxbbxdbxebxczzy', false], ['ab[c]', 'abc', true],
    ['ab[b-d]', 'abc', true], ['ab[e-g]', 'abc', false], ['ab[^c]', 'abc', false], ['ab[^b-d]', 'abc', false],
    ['ab[^e-g]', 'abc', true], [String.raw`a\*b`, 'a*b', true], [String.raw`a\*b`, 'ab', false], ['a?b', 'a☺b', true],
    ['a[^a]b', 'a☺b', true], ['a???b', 'a☺b', false], ['[a-ζ]*', 'α', true], ['*[a-ζ]', 'A', false], ['a?b', 'a/b', false],
    ['a*b', 'a/b', false], [String.raw`[\]a]`, ']', true], [String.raw`[\-]`, '-', true], [String.raw`[x\-]`, 'x', true],
    [String.raw`[x\-]`, '-', true], [String.raw`[x\-]`, 'z', false], [String.raw`[\-x]`, 'x', true], ['*x', 'xxx', true],
    ['app@*.service', 'app@1.service', true], ['app@?.service', 'app@10.service', false], ['', '', true], ['', 'a', false],
    ['a?b', 'a😀b', true], ['**', 'a', true], ['a**b', 'ab', true], ['[b-a]', 'a', false],
  ];
  for (const [pattern, name, expected] of table) assert.equal(matchGlob(pattern, name), expected, `${pattern} ${name}`);
});

test('a malformed pattern is refused by name and matches nothing', () => {
  for (const pattern of ['[]a]', '[-]', '[x-]', '[-x]', '[a-b-c]', '[', '[^', '[^bc', 'a[', 'ab[c', '\\', 'a\\', '[a\\', '[]', '[^]']) {
    const glob = compileGlob(pattern);
    assert.ok(!glob.ok && glob.failure.code === 'PATTERN_INVALID', pattern);
    assert.ok(glob.failure.message.startsWith(`"${pattern}"`), glob.failure.message);
    assert.equal(matchGlob(pattern, 'a'), false);
  }
});

test('hostile patterns take no longer than pattern times name', () => {
  assert.equal(matchGlob(`${'a*'.repeat(2_000)}b`, 'a'.repeat(5_000)), false);
  assert.equal(matchGlob(`${'*?'.repeat(2_000)}b`, 'a'.repeat(5_000)), false);
});

const token = fc.oneof(
  fc.constantFrom('a', 'b', '.', '@').map((character) => ({ glob: character, regex: character === '.' ? '\\.' : character })),
  fc.constantFrom('*', '?', '[', '\\').map((character) => ({ glob: `\\${character}`, regex: `\\${character}` })),
  fc.constant({ glob: '*', regex: '[^/]*' }),
  fc.constant({ glob: '?', regex: '[^/]' }),
  fc.constant({ glob: '[a-b]', regex: '[a-b]' }),
  fc.constant({ glob: '[^a./]', regex: '[^a./]' }),
  fc.constant({ glob: '/', regex: '\\/' }),
);

test('a pattern matches what its translation to a regular expression matches', () => {
  const name = fc.string({ unit: fc.constantFrom('a', 'a', 'b', '.', '@', '*', '/', '\\', '😀'), maxLength: 12 });
  fc.assert(fc.property(fc.array(token, { maxLength: 8 }), name, (tokens, text) => {
    const regex = new RegExp(`^${tokens.map((each) => each.regex).join('')}$`, 'su');
    const glob = tokens.map((each) => each.glob).join('');
    assert.equal(matchGlob(glob, text), regex.test(text), `${glob} ${text}`);
  }), { numRuns: 5_000 });
});

test('no text makes a pattern throw', () => {
  const text = fc.string({ unit: fc.constantFrom('a', '[', ']', '^', '-', '\\', '*', '?', '\ud800') });
  fc.assert(fc.property(text, text, (pattern, name) => {
    assert.equal(typeof matchGlob(pattern, name), 'boolean');
  }));
});
