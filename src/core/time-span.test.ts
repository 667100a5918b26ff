import assert from 'node:assert/strict';
import { test } from 'node:test';
import { timeSpanMicroseconds } from './time-span.ts';

test('a time span is what systemd.time(7) says, in microseconds', () => {
  const table: readonly (readonly [string, number | null])[] = [
    ['5', 5e6], ['5s', 5e6], ['0', 0], ['.5', 5e5], ['1min 30s', 90e6], ['1min30s', 90e6], ['250ms', 250e3], ['2h', 7_200e6], ['10us', 10],
    ['infinity', Number.POSITIVE_INFINITY], ['', null], [' ', null], ['soon', null], ['5 apples', null], ['-1', null], ['1e3', null],
  ];
  for (const [text, expected] of table) assert.equal(timeSpanMicroseconds(text), expected, text);
});
