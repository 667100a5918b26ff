/** When the engine waits for machines to come back instead of moving their units. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emptySnapshot } from '../core/cluster.ts';
import type { ClusterSnapshot } from '../core/cluster.ts';
import type { Machine, MachineId } from '../core/machine.ts';
import { createMassLoss } from './mass-loss.ts';

const times = { windowMs: 5_000, holdMs: 120_000 };
const cluster = (...ids: readonly string[]): ClusterSnapshot => ({
  ...emptySnapshot, machines: new Map(ids.map((id) => [id as MachineId, {} as Machine])),
});

test('when most machines vanish within a lease time, nothing is decided until all are back', () => {
  const loss = createMassLoss(times);
  loss.look(cluster('a', 'b', 'c', 'd'), 0);
  loss.look(cluster('a', 'b'), 1_000);
  assert.equal(loss.holdMs(1_000), 0);
  loss.look(cluster('a'), 2_000);
  assert.deepEqual(loss.missing(), ['c', 'd', 'b']);
  loss.look(cluster('a', 'b', 'c'), 60_000);
  assert.equal(loss.holdMs(60_000), times.holdMs - 58_000);
  loss.look(cluster('a', 'b', 'c', 'd'), 61_000);
  assert.equal(loss.holdMs(61_000), 0);
});

test('machines that stay away are given up when the hold is over', () => {
  const loss = createMassLoss(times);
  loss.look(cluster('a', 'b', 'c'), 0);
  loss.look(cluster('a'), 1_000);
  assert.equal(loss.holdMs(1_000 + times.holdMs), 0);
  loss.look(cluster('a'), 1_000 + times.holdMs);
  assert.deepEqual(loss.missing(), []);
});

const ordinary: readonly { readonly name: string; readonly looks: readonly (readonly [number, readonly string[]])[] }[] = [
  { name: 'half of the machines', looks: [[0, ['a', 'b', 'c', 'd']], [1_000, ['a', 'b']]] },
  { name: 'one of two machines, and then the other', looks: [[0, ['a', 'b']], [1_000, ['a']], [2_000, []]] },
  { name: 'one machine after the other, each long after the last', looks: [[0, ['a', 'b', 'c']], [6_000, ['a', 'b']], [12_000, ['a']]] },
];
for (const { name, looks } of ordinary) {
  test(`${name} may vanish and nothing waits`, () => {
    const loss = createMassLoss(times);
    for (const [uptimeMs, ids] of looks) {
      loss.look(cluster(...ids), uptimeMs);
      assert.equal(loss.holdMs(uptimeMs), 0);
    }
  });
}

test('without a hold time, nothing ever waits', () => {
  const loss = createMassLoss({ ...times, holdMs: 0 });
  loss.look(cluster('a', 'b', 'c'), 0);
  loss.look(cluster(), 1_000);
  assert.equal(loss.holdMs(1_000), 0);
});
