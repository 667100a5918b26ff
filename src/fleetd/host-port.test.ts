import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseHostPort } from './host-port.ts';

const cases: readonly (readonly [string, { host: string; port: number } | null])[] = [
  ['127.0.0.1:49153', { host: '127.0.0.1', port: 49_153 }],
  ['[::1]:0', { host: '::1', port: 0 }],
  [':49154', { host: '', port: 49_154 }],
  ['machine.example:65535', { host: 'machine.example', port: 65_535 }],
  ['machine.example:65536', null],
  ['::1:80', null],
  ['49153', null],
  ['host:', null],
];

for (const [text, expected] of cases) {
  test(`"${text}" is ${expected === null ? 'no address' : `port ${expected.port} of "${expected.host}"`}`, () => {
    assert.deepEqual(parseHostPort(text), expected);
  });
}
