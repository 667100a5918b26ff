import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createLoadOrder, createMarks, emptyBits, hasBit, isEmpty, lowestFloor, setBit } from './machine-bits.ts';

test('of a set the least or the most loaded machine that is taken is found, the lower index of equals, whatever the moves before', () => {
  const machineCount = 70;
  const index = fc.integer({ min: 0, max: machineCount - 1 });
  fc.assert(fc.property(
    fc.array(fc.record({ index, to: fc.integer({ min: 0, max: 5 }) }), { maxLength: 300 }), fc.uniqueArray(index), fc.uniqueArray(index),
    (moves, among, refused) => {
      const order = createLoadOrder(machineCount);
      const loads = Array.from({ length: machineCount }, () => 0);
      for (const [at] of loads.entries()) order.move(at, { from: -1, to: 0 });
      for (const { index: at, to } of moves) {
        order.move(at, { from: loads[at] ?? 0, to });
        loads[at] = to;
      }
      const bits = emptyBits(machineCount);
      for (const at of among) setBit(bits, at);
      const loadOf = (at: number): number => loads[at] ?? 0;
      const taken = among.filter((at) => !refused.includes(at));
      const takes = (at: number): boolean => !refused.includes(at);
      const [least] = taken.toSorted((left, right) => loadOf(left) - loadOf(right) || left - right);
      const [most] = taken.toSorted((left, right) => loadOf(right) - loadOf(left) || left - right);
      assert.equal(order.least(bits, takes, lowestFloor()), least ?? null);
      assert.equal(order.most(bits, takes), most ?? null);
      assert.equal(isEmpty(bits), among.length === 0);
    }));
});

test('a floor that is raised between moves hides no machine of its set, nor of a part of it, while loads only grow', () => {
  const machineCount = 70;
  const index = fc.integer({ min: 0, max: machineCount - 1 });
  fc.assert(fc.property(fc.array(fc.record({ index, by: fc.integer({ min: 1, max: 3 }) }), { maxLength: 300 }), fc.uniqueArray(index), fc.uniqueArray(index),
    (moves, among, part) => {
      const order = createLoadOrder(machineCount);
      const loads = Array.from({ length: machineCount }, () => 0);
      for (const [at] of loads.entries()) order.move(at, { from: -1, to: 0 });
      const [set, smaller] = [emptyBits(machineCount), emptyBits(machineCount)];
      for (const at of among) setBit(set, at);
      for (const at of part) if (among.includes(at)) setBit(smaller, at);
      const floor = lowestFloor();
      for (const { index: at, by } of moves) {
        const load = loads[at] ?? 0;
        order.move(at, { from: load, to: load + by });
        loads[at] = load + by;
        order.raise(floor, set);
        for (const bits of [set, smaller]) assert.equal(order.least(bits, () => true, floor), order.least(bits, () => true, lowestFloor()));
      }
    }));
});

test('marks take the same machines out of a set, whether they are few or many', () => {
  fc.assert(fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(99)), { maxLength: 60 }), (changes) => {
    const marks = createMarks(100);
    const marked = new Set<number>();
    for (const [isOn, index] of changes) {
      if (isOn) marks.mark(index);
      else marks.unmark(index);
      if (isOn) marked.add(index);
      else marked.delete(index);
    }
    const bits = emptyBits(100);
    for (let index = 0; index < 100; index += 1) setBit(bits, index);
    marks.clearFrom(bits);
    for (let index = 0; index < 100; index += 1) assert.equal(hasBit(bits, index), !marked.has(index));
  }));
});
