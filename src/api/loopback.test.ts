import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isLoopback } from './loopback.ts';

const table: readonly (readonly [string, boolean])[] = [
  ['127.0.0.1', true],
  ['127.255.255.254', true],
  ['::1', true],
  ['[::1]', true],
  ['::1%lo', true],
  ['::ffff:127.0.0.1', true],
  ['0:0:0:0:0:0:0:1', true],
  ['0.0.0.0', false],
  ['::', false],
  ['10.0.0.1', false],
  ['128.0.0.1', false],
  ['::ffff:10.0.0.1', false],
  ['fe80::1%eth0', false],
  ['localhost', false],
  ['127.1', false],
  ['', false],
];

for (const [address, expected] of table) {
  test(`"${address}" is ${expected ? '' : 'not '}loopback`, () => assert.equal(isLoopback(address), expected));
}
