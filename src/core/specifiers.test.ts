import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { expandSpecifiers } from './specifiers.ts';
import { parseUnitName } from './unit-name.ts';
import type { UnitName } from './unit-name.ts';

function nameOf(text: string): UnitName {
  const parts = parseUnitName(text);
  assert.ok(parts.ok, text);
  return parts.value.name;
}

function expand(text: string, name: string): string | null {
  const expanded = expandSpecifiers(text, { name: nameOf(name) });
  return expanded.ok ? expanded.value : null;
}

/** What systemd 252 made of `Description=n=%n N=%N ...` for units of these names. */
const recorded: readonly (readonly [string, string])[] = [
  ['plain.service', 'n=plain.service N=plain p=plain P=plain i= I= j=plain J=plain f=/plain'],
  ['app@1.service', 'n=app@1.service N=app@1 p=app P=app i=1 I=1 j=app J=app f=/1'],
  ['app-web@a-b.service', 'n=app-web@a-b.service N=app-web@a-b p=app-web P=app/web i=a-b I=a/b j=web J=web f=/a/b'],
  [String.raw`a\x2db-c@x\x2dy.service`,
    String.raw`n=a\x2db-c@x\x2dy.service N=a\x2db-c@x\x2dy p=a\x2db-c P=a-b/c i=x\x2dy I=x-y j=c J=c f=/x-y`],
  ['foo-bar.service', 'n=foo-bar.service N=foo-bar p=foo-bar P=foo/bar i= I= j=bar J=bar f=/foo/bar'],
  ['w@-.service', 'n=w@-.service N=w@- p=w P=w i=- I=/ j=w J=w f=/'],
  ['w@a@b.service', 'n=w@a@b.service N=w@a@b p=w P=w i=a@b I=a@b j=w J=w f=/a@b'],
];

test('specifiers of the name expand as systemd expands them', () => {
  for (const [name, expected] of recorded) {
    assert.equal(expand('n=%n N=%N p=%p P=%P i=%i I=%I j=%j J=%J f=%f', name), expected);
  }
});

test('a doubled percent sign is one, and what nobody knows stays', () => {
  assert.equal(expand('100%% %%i %9 %Z %', 'app@1.service'), '100% %i %9 %Z %');
  assert.equal(expand('%H %m %b', 'app@1.service'), '%H %m %b');
});

test('an expansion is not expanded again', () => {
  const facts = { name: nameOf('app@1.service'), machine: { hostname: '%n', id: '%m', bootId: '%%' } };
  assert.deepEqual(expandSpecifiers('%H %m %b', facts), { ok: true, value: '%n %m %%' });
});

test('a machine and the caller add specifiers of their own', () => {
  const facts = { name: nameOf('app@1.service'), machine: { hostname: 'h', id: 'i', bootId: 'b' }, more: { t: '/run', n: 'no' } };
  assert.deepEqual(expandSpecifiers('%H-%m-%b %t %n', facts), { ok: true, value: 'h-i-b /run app@1.service' });
});

test('a name with a broken escape has no unescaped form', () => {
  assert.equal(expand('%I', String.raw`app@\q.service`), null);
  assert.equal(expand('%f', 'w@b--c.service'), null);
  assert.equal(expand('%i', String.raw`app@\q.service`), String.raw`\q`);
});

test('text without percent signs is left as it is, and no text makes the expansion throw', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => {
    const expanded = expand(text, 'app@1.service');
    if (!text.includes('%')) assert.equal(expanded, text);
  }));
});
