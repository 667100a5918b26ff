import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readHealthCheck, readServiceName, readSpanMs, readThreshold, withPorts } from './health-check.ts';
import type { UnitName } from './unit-name.ts';

const said = (value: string, unit: string = 'app@1.service'): unknown => {
  const read = readHealthCheck(value, unit as UnitName);
  return read.ok ? read.value : read.failure.message;
};

test('a health check is an address, host:port or a command', () => {
  const port = '${FLEET_PORT_HTTP}';
  const table: readonly (readonly [string, unknown])[] = [
    [`http://127.0.0.1:${port}/health`, { kind: 'http', url: `http://127.0.0.1:${port}/health` }],
    ['https://[::1]:8443/', { kind: 'http', url: 'https://[::1]:8443/' }],
    ['http://localhost/%p?instance=%i', { kind: 'http', url: 'http://localhost/app?instance=1' }],
    [`tcp:127.0.0.1:${port}`, { kind: 'tcp', address: `127.0.0.1:${port}` }],
    ['tcp://[::1]:22', { kind: 'tcp', address: '[::1]:22' }],
    ['exec:/bin/test -e "/run/%p ready" %i', { kind: 'exec', words: ['/bin/test', '-e', '/run/app ready', '1'] }],
  ];
  for (const [value, expected] of table) {
    assert.deepEqual(said(value), expected, value);
  }
});

test('an instance adds no words to a command', () => {
  assert.deepEqual(said('exec:/bin/test %I', String.raw`app@a\x20b.service`), { kind: 'exec', words: ['/bin/test', 'a b'] });
});

test('a template keeps its specifiers, unchecked', () => {
  assert.deepEqual(said('http://127.0.0.1:80%i/', 'app@.service'), { kind: 'http', url: 'http://127.0.0.1:80%i/' });
  assert.deepEqual(said('tcp:127.0.0.1:80%i', 'app@.service'), { kind: 'tcp', address: '127.0.0.1:80%i' });
});

test('a wrong health check is a line that says what would be right', () => {
  const table: readonly (readonly [string, string])[] = [
    ['/health', 'write http://HOST:PORT/PATH, https://…, tcp:HOST:PORT or exec:/path/of/command'],
    ['http://127.0.0.1:port/', 'not an address such as http://127.0.0.1:${FLEET_PORT_HTTP}/health'],
    ['http://127.0.0.1:${PORT}/', 'not an address such as http://127.0.0.1:${FLEET_PORT_HTTP}/health'],
    ['tcp:8080', 'not HOST:PORT, such as tcp:127.0.0.1:${FLEET_PORT}'],
    ['tcp:127.0.0.1:70000', 'not HOST:PORT, such as tcp:127.0.0.1:${FLEET_PORT}'],
    ['exec:test -e x', 'the command begins with its whole path, such as exec:/usr/bin/test -e /run/ready'],
    ['exec:', 'the command begins with its whole path, such as exec:/usr/bin/test -e /run/ready'],
    [`exec:/bin/${'x'.repeat(5_000)}`, 'longer than 4096 characters'],
  ];
  for (const [value, expected] of table) assert.equal(said(value), expected, value);
});

test('ports are put where their variables stand, and nothing else is touched', () => {
  const ports: Readonly<Record<string, string>> = { FLEET_PORT_HTTP: '20001' };
  const portOf = (variable: string): string | null => ports[variable] ?? null;
  assert.equal(withPorts('a:${FLEET_PORT_HTTP} ${FLEET_PORT_X} $FLEET_PORT_HTTP ${HOME}', portOf), 'a:20001 ${FLEET_PORT_X} $FLEET_PORT_HTTP ${HOME}');
});

test('times, thresholds and names have their bounds', () => {
  assert.deepEqual(readSpanMs('1min 30s', 0, 100_000), { ok: true, value: 90_000 });
  for (const wrong of ['-1', 'soon', 'infinity', '2min', '']) assert.equal(readSpanMs(wrong, 100, 100_000).ok, false, wrong);
  assert.deepEqual(readThreshold('3'), { ok: true, value: 3 });
  for (const wrong of ['0', '101', '1.5', '']) assert.equal(readThreshold(wrong).ok, false, wrong);
  for (const right of ['a', 'apps.war', 'web-1', 'x'.repeat(63)]) assert.deepEqual(readServiceName(right), { ok: true, value: right });
  for (const wrong of ['', '.a', 'a.', 'a..b', 'a b', 'ä', 'a/b', 'x'.repeat(64)]) assert.equal(readServiceName(wrong).ok, false, wrong);
});
