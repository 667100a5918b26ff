/** Long passes let others work, and what has changed meanwhile is not decided on. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MachineId } from '../core/machine.ts';
import type { Decision } from '../core/schedule/decision.ts';
import type { Steps } from '../core/schedule/steps.ts';
import type { UnitName } from '../core/unit-name.ts';
import type { Clock } from '../lib/clock.ts';
import { keys } from '../store/keys.ts';
import type { FollowBatch, Mirror } from '../store/mirror.ts';
import type { Revision, StoreChange } from '../store/store.ts';
import { watchBasis } from './basis.ts';
import { inSlices, sliceMs } from './slices.ts';

/** A computation of so many steps of 1 ms each. */
function* work(steps: number, passed: () => void): Steps<string> {
  for (let step = 0; step < steps; step += 1) {
    passed();
    yield;
  }
  return 'done';
}

/** A clock on which only work takes time. */
function workClock(): Clock & { work(): void; readonly sleeps: number[] } {
  let nowMs = 0;
  const sleeps: number[] = [];
  return {
    sleeps, nowMs: () => nowMs, uptimeMs: () => nowMs,
    work: () => { nowMs += 1; },
    sleep: async (_delayMs, signal) => {
      sleeps.push(nowMs);
      await Promise.resolve();
      signal.throwIfAborted();
    },
  };
}

test('a long computation gives the event loop back after every slice, a short one never', async () => {
  const clock = workClock();
  assert.equal(await inSlices(work(2 * sliceMs + 5, clock.work), clock, new AbortController().signal), 'done');
  assert.deepEqual(clock.sleeps, [sliceMs, 2 * sliceMs]);
  assert.equal(await inSlices(work(sliceMs - 1, clock.work), clock, new AbortController().signal), 'done');
  assert.equal(clock.sleeps.length, 2);
});

test('a computation whose term is over is given up', async () => {
  const clock = workClock();
  const over = new AbortController();
  over.abort(new Error('the term is over'));
  await assert.rejects(inSlices(work(10 * sliceMs, clock.work), clock, over.signal), /the term is over/);
  assert.equal(clock.sleeps.length, 1);
});

const unit = 'web.service' as UnitName;
const [one, two] = ['one' as MachineId, 'two' as MachineId];
const assign = { kind: 'assign', unit, why: '', machine: one } as unknown as Decision;
const move = { kind: 'move', unit, why: '', from: two, machine: one } as unknown as Decision;

function heldAfter(...changed: readonly string[]): string {
  const listeners: ((batch: FollowBatch) => void)[] = [];
  const mirror = { subscribe: (listener) => { listeners.push(listener); return () => undefined; } } as Partial<Mirror> as Mirror;
  const basis = watchBasis(mirror);
  const changes = changed.map((key): StoreChange => ({ kind: 'delete', key, modRevision: 2 as Revision }));
  for (const listener of listeners) listener({ revision: 2 as Revision, changes });
  return [assign, move].filter((decision) => basis.holds(decision)).map(({ kind }) => kind).join(' ');
}

test('what has changed since the pass began is not decided about, and nobody is taken away once machines come and go', () => {
  const table: readonly (readonly [what: string, changed: string, held: string])[] = [
    ['another unit', keys.unit('other.service' as UnitName), 'assign move'],
    ['a status', keys.status(one, unit), 'assign move'],
    ['the unit', keys.unit(unit), ''],
    ['its history', keys.unitHistory(unit), ''],
    ['the machine it is to come to', keys.machine(one), ''],
    ['what people changed about that machine', keys.machineOverride(one), ''],
    ['another machine', keys.machine('three' as MachineId), 'assign'],
    ['a hold', keys.hold, 'assign'],
    ['an order to hold', keys.holdOrder, 'assign'],
  ];
  for (const [what, changed, held] of table) assert.equal(heldAfter(changed), held, what);
  assert.equal(heldAfter(), 'assign move');
});
