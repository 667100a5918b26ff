import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addEvent } from './history.ts';
import type { HistoryEvent } from './history.ts';
import { limits } from './limits.ts';
import type { MachineId } from './machine.ts';

const machine = 'aaa' as MachineId;

test('the same thing in a row is one event that counts, with the time of the last', () => {
  let events: readonly HistoryEvent[] = [];
  for (const atMs of [1, 2, 3]) events = addEvent(events, { atMs, what: 'failed', machine, why: 'result exit-code' });
  events = addEvent(events, { atMs: 4, what: 'failed', machine, why: 'result timeout' });
  assert.deepEqual(events, [
    { atMs: 3, what: 'failed', machine, why: 'result exit-code', count: 3 },
    { atMs: 4, what: 'failed', machine, why: 'result timeout', count: 1 },
  ]);
});

test('a history keeps its newest events and never more than the limit', () => {
  let events: readonly HistoryEvent[] = [];
  for (let atMs = 1; atMs <= limits.historyEventsMax + 5; atMs += 1) {
    events = addEvent(events, { atMs, what: 'moved', machine, why: `move ${String(atMs)}` });
  }
  assert.equal(events.length, limits.historyEventsMax);
  assert.equal(events[0]?.atMs, 6);
  assert.equal(events.at(-1)?.atMs, limits.historyEventsMax + 5);
});
