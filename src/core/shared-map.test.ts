/** Maps that are shared as values: as good as copies, and what has changed between two of them is found. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { changedKeys, createSharedMap } from './shared-map.ts';

/** Enough keys to spread over two levels, few enough to meet one another. */
const keys = fc.nat(3_000).map((number) => `unit-${String(number)}@a.service`);
const steps = fc.array(fc.oneof(
  { weight: 20, arbitrary: fc.record({ kind: fc.constant('put'), key: keys, value: fc.nat(5) }) },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('delete'), key: keys, value: fc.constant(0) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('share'), key: keys, value: fc.constant(0) }) },
), { minLength: 50, maxLength: 600 });

const differences = (before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): readonly string[] =>
  [...new Set([...before.keys(), ...after.keys()])].filter((key) => before.get(key) !== after.get(key)).sort();

const sorted = (map: ReadonlyMap<string, number>): readonly (readonly [string, number])[] =>
  [...map].sort(([left], [right]) => (left < right ? -1 : 1));

describe('a shared map', () => {
  test('gives out values that are as good as copies, and tells what differs between any two of them', () => {
    fc.assert(fc.property(fc.nat(2_000), steps, (first, all) => {
      const map = createSharedMap<string, number>();
      const model = new Map<string, number>();
      for (let number = 0; number < first; number += 1) {
        map.put(`unit-${String(number)}@a.service`, 9);
        model.set(`unit-${String(number)}@a.service`, 9);
      }
      const given = [{ value: map.shared(), copy: new Map(model) }];
      for (const { kind, key, value } of all) {
        if (kind === 'share') given.push({ value: map.shared(), copy: new Map(model) });
        else map.put(key, kind === 'put' ? value : null);
        if (kind === 'put') model.set(key, value);
        if (kind === 'delete') model.delete(key);
        assert.equal(map.get(key), model.get(key));
        assert.equal(map.size(), model.size);
      }
      given.push({ value: map.shared(), copy: model });
      for (const { value, copy } of given) {
        assert.equal(value.size, copy.size);
        assert.deepEqual(sorted(value), sorted(copy));
        assert.deepEqual([...value.keys()], [...value].map(([key]) => key));
        assert.deepEqual([...value.values()], [...value].map(([, each]) => each));
        for (const [key, each] of copy) assert.ok(value.has(key) && value.get(key) === each);
        assert.ok(!value.has('unit-no.service'));
        for (const other of given) {
          assert.deepEqual([...changedKeys(value, other.value)].sort(), differences(copy, other.copy));
          assert.deepEqual([...changedKeys(value, other.copy)].sort(), differences(copy, other.copy));
        }
      }
    }), { numRuns: 60 });
  });

  test('tells what differs however much it has grown', () => {
    const map = createSharedMap<string, number>();
    const values = [map.shared()];
    for (let number = 0; number < 60_000; number += 1) {
      map.put(String(number), number);
      if (number === 400 || number === 5_000) values.push(map.shared());
    }
    const [none, few, some] = values;
    assert.ok(none && few && some);
    assert.equal(changedKeys(none, map.shared()).size, 60_000);
    assert.equal(changedKeys(few, map.shared()).size, 60_000 - 401);
    assert.equal(changedKeys(map.shared(), some).size, 60_000 - 5_001);
  });

  test('is the same value until it changes, and shares what did not change', () => {
    const map = createSharedMap<string, object>();
    for (let number = 0; number < 20_000; number += 1) map.put(String(number), {});
    const before = map.shared();
    assert.equal(map.shared(), before);
    const kept = before.get('5');
    assert.ok(kept);
    map.put('5', kept);
    map.put('absent', null);
    assert.equal(map.shared(), before);
    map.put('7', {});
    assert.notEqual(map.shared(), before);
    assert.deepEqual([...changedKeys(before, map.shared())], ['7']);
  });
});
