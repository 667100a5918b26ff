import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { limits } from './limits.ts';
import {
  instanceOf, isInstance, isTemplate, parseUnitName, templateOf, unitNameFromArgument, unitNameParts, unitTypes,
} from './unit-name.ts';
import type { UnitName } from './unit-name.ts';

function nameOf(text: string): UnitName {
  const parts = parseUnitName(text);
  assert.ok(parts.ok, `${text} is a unit name`);
  return parts.value.name;
}

test('a name is cut at its first "@" and its last "."', () => {
  const table: readonly (readonly [string, string, string | null, string])[] = [
    ['app.service', 'app', null, 'service'],
    ['app@1.service', 'app', '1', 'service'],
    ['app@.service', 'app', '', 'service'],
    ['app@a@b.service', 'app', 'a@b', 'service'],
    ['a.b.c.timer', 'a.b.c', null, 'timer'],
    ['app@v1.2.socket', 'app', 'v1.2', 'socket'],
    [String.raw`dev-disk\x2dby.mount`, String.raw`dev-disk\x2dby`, null, 'mount'],
    ['A-Z_0:9.target', 'A-Z_0:9', null, 'target'],
  ];
  for (const [text, prefix, instance, type] of table) {
    assert.deepEqual(parseUnitName(text), { ok: true, value: { name: text, prefix, instance, type } });
  }
});

test('a wrong name is refused with the sentence of fleet 1.0', () => {
  const table: readonly (readonly [string, string])[] = [
    ['', 'unit name cannot be empty'],
    ['foo', 'unit name must contain "."'],
    ['foo.', 'unit name cannot end in "."'],
    ['foo.bar', 'invalid unit type: "bar"'],
    ['@foo.service', 'unit name cannot start in "@"'],
    ['fo o.service', "invalid character ' ' in unit name"],
    ['foo~.service', "invalid character '~' in unit name"],
    ['a/b.service', "invalid character '/' in unit name"],
    ['../../etc/passwd.service', "invalid character '/' in unit name"],
    ["it's.service", String.raw`invalid character '\'' in unit name`],
    ['a\nb.service', String.raw`invalid character '\u000a' in unit name`],
    ['ü.service', "invalid character 'ü' in unit name"],
    ['foo@.device', 'invalid unit type for template: "device"'],
    ['foo@1.mount', 'invalid unit type for template: "mount"'],
    ['.service', 'unit name must have a part before ".service"'],
    [`${'a'.repeat(248)}.service`, 'unit name exceeds maximum length (255)'],
  ];
  for (const [text, message] of table) {
    assert.deepEqual(parseUnitName(text), { ok: false, failure: { code: 'UNIT_NAME_INVALID', message } });
  }
});

test('a name of 255 characters is the longest', () => {
  assert.ok(parseUnitName(`${'a'.repeat(limits.unitNameCharactersMax - '.service'.length)}.service`).ok);
});

test('templates and instances know each other', () => {
  const template = nameOf('app@.service');
  const instance = nameOf('app@1.service');
  const plain = nameOf('app.service');
  assert.deepEqual([template, instance, plain].map(isTemplate), [true, false, false]);
  assert.deepEqual([template, instance, plain].map(isInstance), [false, true, false]);
  assert.deepEqual([template, instance, plain].map(templateOf), [null, template, null]);
  assert.deepEqual(instanceOf(template, '1'), { ok: true, value: instance });
  for (const [of, text] of [[plain, '1'], [template, ''], [template, 'a b'], [template, 'a'.repeat(250)]] as const) {
    assert.equal(instanceOf(of, text).ok, false, `${of} ${text}`);
  }
});

test('an argument may be a path and may leave out ".service"', () => {
  const table: readonly (readonly [string, string | null])[] = [
    ['app', 'app.service'], ['app.service', 'app.service'], ['./units/app.timer', 'app.timer'], ['/tmp/app@1', 'app@1.service'],
    ['a.b', 'a.b.service'], ['app.target', 'app.target'], ['app.slice', 'app.slice'], ['units/app/', 'app.service'],
    ['app@', 'app@.service'], ['', null], ['/', null], ['a b', null], ['units/', 'units.service'], ['busname', 'busname.service'],
  ];
  for (const [argument, expected] of table) {
    const name = unitNameFromArgument(argument);
    assert.equal(name.ok ? name.value : null, expected, argument);
  }
});

test('any text is either refused or a name whose parts make it again', () => {
  const nameLike = fc.tuple(
    fc.string({ unit: fc.constantFrom(...'aZ09:-_.\\@ ~/') }), fc.constantFrom(...unitTypes, 'bar'),
  ).map(([stem, type]) => `${stem}.${type}`);
  fc.assert(fc.property(fc.oneof(fc.string({ unit: 'binary' }), nameLike), (text) => {
    const parsed = parseUnitName(text);
    if (!parsed.ok) return;
    const { prefix, instance, type } = parsed.value;
    assert.equal(`${prefix}${instance === null ? '' : `@${instance}`}.${type}`, text);
    assert.deepEqual(unitNameParts(parsed.value.name), parsed.value);
    assert.match(text, /^[^/\0]{1,255}$/);
    const template = templateOf(parsed.value.name);
    if (template !== null) assert.deepEqual(instanceOf(template, instance ?? ''), { ok: true, value: text });
  }));
});
