/**
 * Simulated clusters keep every promise, whatever goes wrong; and a run is the same each time, or a seed would be worth
 * nothing.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { everyCall } from './every-call.ts';
import { scenarioOf } from './scenario.ts';
import { cutScenario, replayArguments, shorten, wholeRun } from './shorten.ts';
import { simulate } from './simulate.ts';

/** Seeds that run with every test. */
const seedsMax = 200;

/** What has to be said of a seed; empty when it kept every promise. */
async function complaint(seed: number): Promise<readonly string[]> {
  const { breach } = await simulate(scenarioOf(seed));
  if (breach === null) return [];
  return [
    `seed ${String(seed)} broke ${breach.checker}: ${breach.what}; replay: npm run sim -- ${replayArguments(seed, wholeRun)}`,
  ];
}

async function complaints(seeds: Iterable<number>): Promise<readonly string[]> {
  const found: string[] = [];
  for (const seed of seeds) found.push(...(await complaint(seed)));
  return found;
}

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
    assert.deepEqual(await complaints(lines.map((line) => Number.parseInt(line, 10))), []);
  });

  test(`keeps every promise with ${String(seedsMax)} seeds`, async () => {
    assert.deepEqual(await complaints(Array.from({ length: seedsMax }, (_, index) => index + 1)), []);
  });

  test('keeps every promise when any single call to the store or to a runner fails, or is the last of its process', async () => {
    const { calls, breaches } = await everyCall(false);
    assert.deepEqual(breaches, []);
    assert.ok(calls > 150, `the story makes ${String(calls)} calls`);
  });

  test('does not fail for a reason that shortening loses', async () => {
    const breach = { checker: 'one-machine', what: '', atMs: 1_000 };
    const cut = await shorten({ ...scenarioOf(1), events: scenarioOf(1).events.slice(0, 2) }, breach);
    assert.deepEqual(cutScenario(scenarioOf(1), cut).events, scenarioOf(1).events.slice(0, 2));
  });
});
