/** What people write about ports is read, or refused in one line that names it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePortName, parsePortRange, parsePortRequest, portVariable, printRange, sourceKey } from './ports.ts';

const ranges: readonly (readonly [string, string])[] = [
  ['20001-20010', '20001-20010'],
  ['8080', '8080-8080'],
  ['1-65535', '1-65535'],
  ['', '"" is not a port range; write LOW-HIGH, as in 20001-20010'],
  ['20001-', '"20001-" is not a port range; write LOW-HIGH, as in 20001-20010'],
  ['20001..20010', '"20001..20010" is not a port range; write LOW-HIGH, as in 20001-20010'],
  ['20010-20001', '"20010-20001" is not a port range; write the lower port first, as in 20001-20010'],
  ['0-10', '"0-10" is not a port range; 0 is not between 1 and 65535'],
  ['65000-70000', '"65000-70000" is not a port range; 70000 is not between 1 and 65535'],
];
for (const [text, expected] of ranges) {
  test(`the range "${text}" means ${expected}`, () => {
    const range = parsePortRange(text);
    assert.equal(range.ok ? printRange(range.value) : range.failure.message, expected);
  });
}

const requests: readonly (readonly [string, string])[] = [
  ['http:20001-20010', 'http from 20001-20010'],
  ['http:8080', 'http from 8080-8080'],
  ['apps.war', 'apps.war from apps.war'],
  ['http:apps.war', 'http from apps.war'],
  ['[20001-20010]=apps.war', '"[20001-20010]=apps.war" is for fleetctl ports set; in a unit write Port=apps.war:20001-20010'],
  ['20001-20010', '"20001-20010" has no name; write NAME:LOW-HIGH, as in http:20001-20010'],
  ['http:', '"" is not a port range; write LOW-HIGH, as in 20001-20010'],
  ['ht tp:1-2', '"ht tp" is not a name of ports; write a letter, then letters, digits, ".", "-" or "_", at most 64'],
  ['a/b', '"a/b" is not a name of ports; write a letter, then letters, digits, ".", "-" or "_", at most 64'],
];
for (const [text, expected] of requests) {
  test(`Port=${text} means ${expected}`, () => {
    const request = parsePortRequest(text);
    assert.equal(request.ok ? `${request.value.name} from ${sourceKey(request.value.from)}` : request.failure.message, expected);
  });
}

test('the variable of a port is its name in upper case, with "_" for what a variable cannot have', () => {
  assert.equal(portVariable('http'), 'FLEET_PORT_HTTP');
  assert.equal(portVariable('apps.war'), 'FLEET_PORT_APPS_WAR');
  assert.equal(portVariable('a-b2'), 'FLEET_PORT_A_B2');
});

test('a name of ports can be as long as 64 characters', () => {
  assert.ok(parsePortName('a'.repeat(64)).ok);
  assert.ok(!parsePortName('a'.repeat(65)).ok);
});
