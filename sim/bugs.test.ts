/** The checkers bite: each deliberate mistake in sim/bugs/ is found by the checker that is there for it, within a few seeds. */
import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { describe, test } from 'node:test';
import { findBug, readBugs } from '../tools/simulation/bugs.ts';
import { checkers } from './checkers.ts';

/** Seeds from 1 on that are tried when those written down do not find a mistake any more. */
const otherSeedsMax = 40;

const bugs = await readBugs();

test('for every checker there is a mistake that it has to find', () => {
  const found = new Set(bugs.map(({ checker }) => checker));
  assert.deepEqual(checkers.map(({ name }) => name).filter((name) => !found.has(name)), []);
});

describe('a deliberate mistake is found', { concurrency: availableParallelism() }, () => {
  for (const bug of bugs) {
    test(`${bug.name}, by ${bug.checker}`, async () => {
      const seeds = [...new Set([...bug.seeds, ...Array.from({ length: otherSeedsMax }, (_, index) => index + 1)])];
      assert.notEqual(await findBug(bug, seeds), null, `none of ${seeds.length} seeds found it`);
    });
  }
});
