/**
 * What every runner's fence promises, as tests: the fake's, the supervisor's and systemd's run the same ones.
 * Promises: fences of these tests last a few seconds; what is measured is the order of things, never how long they take.
 */
import { strict as assert } from 'node:assert';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { fenceDropIn } from '../core/fence/drop-in.ts';
import { unfenced, withoutPorts } from '../core/unit.ts';
import type { Assignment, FileHash } from '../core/unit.ts';
import type { UnitName } from '../core/unit-name.ts';
import type { Clock } from '../lib/clock.ts';
import { contractTexts, withBench } from './runner.contract.ts';
import type { Bench, RunnerUnderTest, Watched } from './runner.contract.ts';
import type { Observation, RenderedUnit } from './runner.ts';

/** The time the fences of these tests are for; their moments are given by each test. */
const lostAfterMs = 4_000;
const signal = new AbortController().signal;

const assignment: Assignment = {
  hash: '' as FileHash, desired: 'launched', restart: 0, reset: 0, ...withoutPorts, why: '', assignedAtMs: 0, finished: false, ...unfenced,
  fence: 7, lostAfterMs,
};

function fenced(name: UnitName): RenderedUnit {
  const text = contractTexts.sleeper;
  const dropIns = fenceDropIn(assignment, text);
  const hash = createHash('sha1').update(text).digest('hex') as FileHash;
  return { name, text, hash, dropIns, renderedHash: `fenced ${hash}` };
}

const isUp = ({ active }: Observation): boolean => active === 'active';
const isDown = ({ active }: Observation): boolean => active === 'inactive' || active === 'failed';

/** Registers the tests for one implementation; `clock` is the one its moments are on. */
export function fenceContract(implementation: string, open: () => Promise<RunnerUnderTest>, clock: Clock): void {
  const promise = (sentence: string, body: (bench: Bench) => Promise<void>): void => {
    test(sentence, () => withBench(open, async (bench) => {
      let { fence } = bench.runner;
      const reopen = async (): Promise<Watched> => {
        const again = await bench.reopen();
        ({ fence } = again.runner);
        return again;
      };
      try {
        await body({ ...bench, reopen });
      } finally {
        await fence.lower(lostAfterMs, signal);
      }
    }));
  };
  const inMs = (ms: number): { lostAfterMs: number; untilMs: number } => ({ lostAfterMs, untilMs: clock.uptimeMs() + ms });
  const stands = async ({ runner }: Pick<Watched, 'runner'>): Promise<boolean> => (await runner.fence.standing(signal)).has(lostAfterMs);
  /** Raises the fence and starts a unit behind it. */
  const started = async (bench: Bench, ms: number): Promise<UnitName> => {
    const unit = fenced(bench.name('fenced'));
    assert.deepEqual(await bench.runner.load([unit], signal), []);
    assert.equal(await bench.runner.fence.raise(inMs(ms), signal), null);
    assert.deepEqual(await bench.runner.start([{ name: unit.name, restart: 0 }], signal), []);
    await bench.until(unit.name, isUp);
    return unit.name;
  };

  describe(`${implementation} keeps the contract of fences`, () => {
    promise('no fence stands before it is raised, and one that was raised stands', async (bench) => {
      assert.equal(await stands(bench), false);
      assert.equal(await bench.runner.fence.raise(inMs(60_000), signal), null);
      assert.equal(await stands(bench), true);
    });

    promise('when the last moment it was told is over it falls, and what is behind it stops', async (bench) => {
      const name = await started(bench, lostAfterMs);
      await bench.until(name, isDown);
      assert.equal(await stands(bench), false);
    });

    promise('told of later moments it goes on standing, and its unit runs on with its process', async (bench) => {
      const name = await started(bench, lostAfterMs);
      const { mainPid } = await bench.until(name, isUp);
      const endMs = clock.uptimeMs() + 2 * lostAfterMs;
      while (clock.uptimeMs() < endMs) {
        bench.runner.fence.extend(inMs(lostAfterMs));
        await clock.sleep(lostAfterMs / 10, signal);
      }
      assert.equal((await bench.runner.observe(signal)).get(name)?.mainPid, mainPid);
    });

    promise('once fallen, no later moment brings it back, and nothing starts behind it until it is raised', async (bench) => {
      const name = await started(bench, lostAfterMs);
      await bench.until(name, isDown);
      bench.runner.fence.extend(inMs(60_000));
      await bench.runner.start([{ name, restart: 1 }], signal);
      bench.runner.fence.extend(inMs(60_000));
      await bench.until(name, isDown);
      assert.equal(await stands(bench), false);
      assert.equal(await bench.runner.fence.raise(inMs(60_000), signal), null);
      assert.deepEqual(await bench.runner.start([{ name, restart: 2 }], signal), []);
      await bench.until(name, isUp);
    });

    promise('it stands without a runner, and a new one finds it standing', async (bench) => {
      const name = await started(bench, 60_000);
      const again = await bench.reopen();
      assert.equal(await stands(again), true);
      await again.until(name, isUp);
    });

    promise('lowered, it takes what is behind it with it', async (bench) => {
      const name = await started(bench, 60_000);
      assert.equal(await bench.runner.fence.lower(lostAfterMs, signal), null);
      await bench.until(name, isDown);
      assert.equal(await stands(bench), false);
    });
  });
}
