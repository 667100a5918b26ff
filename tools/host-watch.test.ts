import assert from 'node:assert/strict';
import { test } from 'node:test';
import { troubleBetween } from './host-watch.ts';

test('looks that come late, and a clock that was set between them, are told', () => {
  const before = { uptimeMs: 1_000, nowMs: 50_000 };
  for (const [uptimeMs, nowMs, told] of [
    [1_100, 50_100, ''],
    [1_500, 50_500, ''],
    [3_100, 52_100, 'after 3.1 s nothing had run for 2100 ms'],
    [1_100, 49_100, 'after 1.1 s the clock was set by -1000 ms'],
    [3_100, 55_100, 'after 3.1 s nothing had run for 2100 ms, after 3.1 s the clock was set by 3000 ms'],
  ] as const) assert.equal(troubleBetween(before, { uptimeMs, nowMs }), told);
});
