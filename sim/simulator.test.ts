/**
 * Simulated clusters keep every promise, whatever goes wrong; and a run is the same each time, or a seed would be worth
 * nothing.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { runTasks } from '../tools/simulation/threads.ts';
import { singlesOf, tellStory } from './every-call.ts';
import { scenarioOf } from './scenario.ts';
import { cutScenario, shorten } from './shorten.ts';
import { simulate } from './simulate.ts';
import { replayOf } from './task.ts';
import type { SimTask } from './task.ts';

/** Seeds that run with every test. */
const seedsMax = 200;

/** Runs all of them; what has to be said of those that broke a promise. */
async function complaints(tasks: readonly SimTask[]): Promise<readonly string[]> {
  const found: string[] = [];
  await runTasks(tasks, {
    onRun(task, { breach }) {
      if (breach !== null) found.push(`broke ${breach.checker}: ${breach.what}; replay: ${replayOf(task)}`);
    },
  });
  return found;
}

const seedsOf = (numbers: readonly number[]): readonly SimTask[] => numbers.map((seed) => ({ seed }));

describe('a simulated cluster', () => {
  test('is the same, byte for byte, when it is run again', async () => {
    for (const seed of [4, 17]) {
      const [first, second]: [string[], string[]] = [[], []];
      await simulate(scenarioOf(seed), { write: (line) => first.push(line) });
      await simulate(scenarioOf(seed), { write: (line) => second.push(line) });
      assert.ok(first.length > 100, `seed ${String(seed)} has a story`);
      assert.equal(first.join('\n'), second.join('\n'));
    }
  });

  test('is the same whether or not its trace is written', async () => {
    const [silent, told] = [await simulate(scenarioOf(5)), await simulate(scenarioOf(5), { write: () => undefined })];
    assert.deepEqual(silent, told);
  });

  test('keeps every promise with the seeds that once broke one', async () => {
    const lines = readFileSync(new URL('seeds.txt', import.meta.url), 'utf8')
      .split('\n')
      .filter((line) => /^\d/.test(line));
    assert.deepEqual(await complaints(seedsOf(lines.map((line) => Number.parseInt(line, 10)))), []);
  });

  test(`keeps every promise with ${String(seedsMax)} seeds`, async () => {
    assert.deepEqual(await complaints(seedsOf(Array.from({ length: seedsMax }, (_, index) => index + 1))), []);
  });

  test('keeps every promise when any single call to the store or to a runner fails, or is the last of its process', async () => {
    const { breach, callsInTrouble } = await tellStory(null);
    assert.equal(breach, null);
    assert.ok(callsInTrouble > 150, `the story makes ${String(callsInTrouble)} calls`);
    assert.deepEqual(await complaints(singlesOf(callsInTrouble, false).map((single) => ({ single }))), []);
  });

  test('does not fail for a reason that shortening loses', async () => {
    const breach = { checker: 'one-machine', what: '', atMs: 1_000 };
    const cut = await shorten({ ...scenarioOf(1), events: scenarioOf(1).events.slice(0, 2) }, breach);
    assert.deepEqual(cutScenario(scenarioOf(1), cut).events, scenarioOf(1).events.slice(0, 2));
  });
});
