/**
 * What every unit runner promises, as tests: the fake, the supervisor and systemd run the same ones.
 * Promises: uses only Type=simple and Type=oneshot services with /bin/sleep, /bin/true and /bin/sh, waits only on changes(),
 * and leaves no unit behind, failed tests included.
 */
import { strict as assert } from 'node:assert';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { notStarted, outdated } from '../core/unit.ts';
import type { FileHash } from '../core/unit.ts';
import type { UnitName } from '../core/unit-name.ts';
import { createBell } from '../lib/wakeups.ts';
import type { Observation, RenderedUnit, UnitRunner } from './runner.ts';

/** A runner over a directory of its own, and how to crash it. */
export interface RunnerUnderTest {
  readonly runner: UnitRunner;
  /** Drops the runner as a crash does, without stopping anything, and opens a new one over the same directory. */
  reopen(): Promise<UnitRunner>;
  /** Ends the runner opened last; the contract has stopped and unloaded its units before. */
  close(): Promise<void>;
}

/** The longest a unit may take to get where a test waits for it; a slow machine must not fail a test. */
const WAIT_MS_MAX = 60_000;

/** Unit texts of the contract by what they do. */
export const contractTexts = {
  sleeper: '[Unit]\nDescription=sleeper\n\n[Service]\nType=simple\nExecStart=/bin/sleep 1000\n',
  otherSleeper: '[Unit]\nDescription=other sleeper\n\n[Service]\nType=simple\nExecStart=/bin/sleep 2000\n',
  failing: "[Unit]\nDescription=failing\n\n[Service]\nType=simple\nExecStart=/bin/sh -c 'exit 3'\n",
  worker: '[Unit]\nDescription=worker\n\n[Service]\nType=oneshot\nExecStart=/bin/true\n',
  failingWorker: "[Unit]\nDescription=failing worker\n\n[Service]\nType=oneshot\nExecStart=/bin/sh -c 'exit 4'\n",
  broken: '[Unit]\nDescription=no command\n\n[Service]\nType=simple\n',
} as const;

/** A rendering of `text` under `name`, with the hashes an agent would give it. */
export function renderContractUnit(name: string, text: string): RenderedUnit {
  const sha1 = (of: string): string => createHash('sha1').update(of).digest('hex');
  return { name: name as UnitName, text, hash: sha1(text) as FileHash, dropIns: {}, renderedHash: sha1(`rendered ${text}`) };
}

/** A runner that is watched: waits end when changes() has told of what they wait for. */
export interface Watched {
  readonly runner: UnitRunner;
  /** The observation of `name` once `holds` says yes; fails the test when that does not happen in time. */
  until(name: UnitName, holds: (seen: Observation) => boolean): Promise<Observation>;
  /** All names changes() has told of so far. */
  readonly told: ReadonlySet<UnitName>;
  end(): Promise<void>;
}

function watched(runner: UnitRunner): Watched {
  const ending = new AbortController();
  const bell = createBell();
  const told = new Set<UnitName>();
  const following = (async (): Promise<void> => {
    try {
      for await (const names of runner.changes(ending.signal)) {
        for (const name of names) told.add(name);
        bell.wake();
      }
    } catch (error) {
      if (!ending.signal.aborted) throw error;
    }
  })();
  // A broken changes() is reported by end(); the waits that hang on it are woken to look a last time.
  following.catch(() => bell.wake());
  return {
    runner, told,
    async until(name, holds): Promise<Observation> {
      const late = AbortSignal.timeout(WAIT_MS_MAX);
      let seen: Observation | undefined;
      for (;;) {
        seen = (await runner.observe(late)).get(name);
        if (seen !== undefined && holds(seen)) return seen;
        await bell.wait(late).catch(() => assert.fail(`${name} does not get there; last seen: ${JSON.stringify(seen)}`));
      }
    },
    async end(): Promise<void> {
      ending.abort();
      await following;
    },
  };
}

/** What one test is given: a runner with nothing loaded, a signal for its calls, names that are its own. */
export interface Bench extends Watched {
  readonly signal: AbortSignal;
  readonly name: (of: string) => UnitName;
  /** Loads one unit, which must succeed. */
  load(of: string, text: string): Promise<UnitName>;
  /** Crashes the runner, opens a new one and watches that. */
  reopen(): Promise<Watched>;
}

const isDown = (seen: Observation): boolean => seen.active === 'inactive' || seen.active === 'failed';

async function removeEverything(bench: Watched): Promise<void> {
  const late = AbortSignal.timeout(WAIT_MS_MAX);
  const names = [...(await bench.runner.observe(late)).keys()];
  await bench.runner.stop(names, late);
  for (const name of names) await bench.until(name, isDown);
  await bench.runner.unload(names, late);
}

let benches = 0;

/** Gives a test its bench, and takes everything away afterwards. */
export async function withBench(open: () => Promise<RunnerUnderTest>, body: (bench: Bench) => Promise<void>): Promise<void> {
  const underTest = await open();
  benches += 1;
  const own = benches;
  const signal = AbortSignal.timeout(4 * WAIT_MS_MAX);
  let current = watched(underTest.runner);
  const name = (of: string): UnitName => `fleet-contract-${String(own)}-${of}.service` as UnitName;
  const bench: Bench = {
    ...current, signal, name,
    async load(of, text) {
      assert.deepEqual(await current.runner.load([renderContractUnit(name(of), text)], signal), []);
      return name(of);
    },
    async reopen() {
      await current.end();
      current = watched(await underTest.reopen());
      return current;
    },
  };
  try {
    await body(bench);
  } finally {
    try {
      await removeEverything(current);
    } finally {
      await current.end();
      await underTest.close();
    }
  }
}

const observed = async (of: Watched, name: UnitName, signal: AbortSignal): Promise<Observation> => {
  const seen = (await of.runner.observe(signal)).get(name);
  assert.ok(seen, `${name} is not observed`);
  return seen;
};

/** Registers the contract's tests for one implementation; `open` gives each test a runner that has nothing loaded. */
export function runnerContract(implementation: string, open: () => Promise<RunnerUnderTest>): void {
  const promise = (sentence: string, body: (bench: Bench) => Promise<void>): void => {
    test(sentence, () => withBench(open, body));
  };

  describe(`${implementation} keeps the contract of unit runners: loading`, () => {
    promise('a loaded unit is observed with its hashes and does not run', async (bench) => {
      const rendered = renderContractUnit(bench.name('sleeper'), contractTexts.sleeper);
      assert.deepEqual(await bench.runner.load([rendered], bench.signal), []);
      const seen = await observed(bench, rendered.name, bench.signal);
      assert.deepEqual(
        { hash: seen.hash, renderedHash: seen.renderedHash, load: seen.load, active: seen.active, mainPid: seen.mainPid },
        { hash: rendered.hash, renderedHash: rendered.renderedHash, load: 'loaded', active: 'inactive', mainPid: 0 });
      assert.deepEqual({ restart: seen.restart, succeeded: seen.succeeded, needsReload: seen.needsReload },
        { restart: notStarted, succeeded: false, needsReload: false });
    });

    promise('nothing is observed before something is loaded, nor after it is unloaded', async (bench) => {
      assert.equal((await bench.runner.observe(bench.signal)).size, 0);
      const name = await bench.load('sleeper', contractTexts.sleeper);
      assert.deepEqual(await bench.runner.unload([name], bench.signal), []);
      assert.equal((await bench.runner.observe(bench.signal)).size, 0);
    });

    promise('the same rendering loaded again leaves a running unit alone', async (bench) => {
      const name = await bench.load('sleeper', contractTexts.sleeper);
      await bench.runner.start([{ name, restart: 7 }], bench.signal);
      const before = await bench.until(name, (seen) => seen.active === 'active');
      await bench.load('sleeper', contractTexts.sleeper);
      assert.deepEqual(await observed(bench, name, bench.signal), before);
    });

    promise('another rendering of a running unit takes effect with its next start, not before', async (bench) => {
      const name = await bench.load('sleeper', contractTexts.sleeper);
      await bench.runner.start([{ name, restart: 0 }], bench.signal);
      const before = await bench.until(name, (seen) => seen.active === 'active');
      await bench.load('sleeper', contractTexts.otherSleeper);
      const loaded = await observed(bench, name, bench.signal);
      assert.equal(loaded.mainPid, before.mainPid);
      assert.equal(loaded.restart, outdated, 'the new rendering has not been started');
      assert.equal(loaded.hash, renderContractUnit(name, contractTexts.otherSleeper).hash);
      await bench.runner.reload(bench.signal);
      await bench.runner.restart([{ name, restart: 1 }], bench.signal);
      const after = await bench.until(name, (seen) => seen.active === 'active' && seen.mainPid !== before.mainPid);
      assert.equal(after.needsReload, false);
    });

    promise('a stopped unit counts as not started, also when it had failed before', async (bench) => {
      const running = await bench.load('sleeper', contractTexts.sleeper);
      const failing = await bench.load('failing', contractTexts.failing);
      await bench.runner.start([{ name: running, restart: 2 }, { name: failing, restart: 2 }], bench.signal);
      await bench.until(running, (seen) => seen.active === 'active' && seen.restart === 2);
      await bench.until(failing, (seen) => seen.active === 'failed' && seen.restart === 2);
      await bench.runner.stop([running, failing], bench.signal);
      await bench.until(running, (seen) => seen.active === 'inactive' && seen.restart === notStarted);
      assert.equal((await observed(bench, failing, bench.signal)).restart, notStarted);
    });

    promise('a failure that is forgotten leaves the unit inactive, not started, and remembered as reset', async (bench) => {
      const name = await bench.load('failing', contractTexts.failing);
      await bench.runner.start([{ name, restart: 2 }], bench.signal);
      await bench.until(name, (seen) => seen.active === 'failed');
      assert.deepEqual(await bench.runner.resetFailed([{ name, reset: 1 }], bench.signal), []);
      const after = await bench.until(name, (seen) => seen.active === 'inactive');
      assert.deepEqual([after.sub, after.result, after.exitStatus, after.restart, after.reset], ['dead', 'success', null, 2, 1]);
      const second = await bench.reopen();
      assert.equal((await observed(second, name, bench.signal)).reset, 1);
      await second.runner.start([{ name, restart: 3 }], bench.signal);
      await second.until(name, (seen) => seen.active === 'failed' && seen.restart === 3 && seen.reset === 1);
    });

    promise('there is nothing to forget of a unit that runs, was never started or is not there', async (bench) => {
      const running = await bench.load('sleeper', contractTexts.sleeper);
      const idle = await bench.load('idle', contractTexts.sleeper);
      await bench.runner.start([{ name: running, restart: 0 }], bench.signal);
      const before = await bench.until(running, (seen) => seen.active === 'active');
      const requests = [running, idle, bench.name('absent')].map((name) => ({ name, reset: 4 }));
      assert.deepEqual(await bench.runner.resetFailed(requests, bench.signal), []);
      assert.deepEqual(await observed(bench, running, bench.signal), { ...before, reset: 4 });
      const { active, restart, reset } = await observed(bench, idle, bench.signal);
      assert.deepEqual([active, restart, reset], ['inactive', notStarted, 4]);
    });

    promise('another rendering keeps what is known of resets', async (bench) => {
      const name = await bench.load('sleeper', contractTexts.sleeper);
      await bench.runner.resetFailed([{ name, reset: 3 }], bench.signal);
      await bench.load('sleeper', contractTexts.otherSleeper);
      assert.equal((await observed(bench, name, bench.signal)).reset, 3);
    });

    promise('a running unit is not unloaded: it goes on, and the problem says so', async (bench) => {
      const name = await bench.load('sleeper', contractTexts.sleeper);
      await bench.runner.start([{ name, restart: 0 }], bench.signal);
      const before = await bench.until(name, (seen) => seen.active === 'active');
      const problems = await bench.runner.unload([name], bench.signal);
      assert.deepEqual(problems.map((problem) => problem.name), [name]);
      assert.equal((await observed(bench, name, bench.signal)).mainPid, before.mainPid);
    });

    promise('unloading or stopping what is not there is done already', async (bench) => {
      assert.deepEqual(await bench.runner.stop([bench.name('absent')], bench.signal), []);
      assert.deepEqual(await bench.runner.unload([bench.name('absent')], bench.signal), []);
    });
  });

  describe(`${implementation} keeps the contract of unit runners: running`, () => {
    promise('a started unit becomes active with a main process, a stopped one has none', async (bench) => {
      const name = await bench.load('sleeper', contractTexts.sleeper);
      assert.deepEqual(await bench.runner.start([{ name, restart: 3 }], bench.signal), []);
      const running = await bench.until(name, (seen) => seen.active === 'active');
      assert.equal(running.sub, 'running');
      assert.ok(running.mainPid > 1);
      assert.equal(running.restart, 3);
      assert.equal(running.result, 'success');
      assert.equal(running.exitStatus, null);
      assert.ok(Math.abs(running.sinceMs - Date.now()) < 3_600_000, 'since when is a moment of this test');
      assert.deepEqual(await bench.runner.stop([name], bench.signal), []);
      const stopped = await bench.until(name, (seen) => seen.active === 'inactive');
      assert.equal(stopped.sub, 'dead');
      assert.equal(stopped.mainPid, 0);
      assert.equal(stopped.succeeded, false);
    });

    promise('starting a unit that runs leaves its process alone and records the restart generation', async (bench) => {
      const name = await bench.load('sleeper', contractTexts.sleeper);
      await bench.runner.start([{ name, restart: 1 }], bench.signal);
      const before = await bench.until(name, (seen) => seen.active === 'active');
      await bench.runner.start([{ name, restart: 2 }], bench.signal);
      const after = await observed(bench, name, bench.signal);
      assert.deepEqual([after.mainPid, after.restart], [before.mainPid, 2]);
    });

    promise('a restart gives a running unit a new process and records its generation', async (bench) => {
      const name = await bench.load('sleeper', contractTexts.sleeper);
      await bench.runner.start([{ name, restart: 0 }], bench.signal);
      const before = await bench.until(name, (seen) => seen.active === 'active');
      assert.deepEqual(await bench.runner.restart([{ name, restart: 1 }], bench.signal), []);
      const after = await bench.until(name, (seen) => seen.active === 'active' && seen.mainPid !== before.mainPid);
      assert.ok(after.mainPid > 1);
      assert.equal(after.restart, 1);
    });

    promise('a restart starts a unit that does not run', async (bench) => {
      const name = await bench.load('sleeper', contractTexts.sleeper);
      assert.deepEqual(await bench.runner.restart([{ name, restart: 5 }], bench.signal), []);
      assert.equal((await bench.until(name, (seen) => seen.active === 'active')).restart, 5);
    });

    promise('a unit whose command fails is failed with exit-code and the exit status', async (bench) => {
      const name = await bench.load('failing', contractTexts.failing);
      await bench.runner.start([{ name, restart: 0 }], bench.signal);
      const seen = await bench.until(name, (at) => at.active === 'failed');
      assert.deepEqual([seen.sub, seen.result, seen.exitStatus, seen.mainPid, seen.succeeded],
        ['failed', 'exit-code', 3, 0, false]);
    });

    promise('a oneshot that has run is remembered as succeeded', async (bench) => {
      const name = await bench.load('worker', contractTexts.worker);
      await bench.runner.start([{ name, restart: 0 }], bench.signal);
      const seen = await bench.until(name, (at) => at.succeeded);
      assert.equal(seen.active, 'inactive');
    });

    promise('a oneshot that fails has not succeeded, also when it did so before', async (bench) => {
      const name = await bench.load('worker', contractTexts.worker);
      await bench.runner.start([{ name, restart: 0 }], bench.signal);
      await bench.until(name, (at) => at.succeeded);
      await bench.load('worker', contractTexts.failingWorker);
      await bench.runner.reload(bench.signal);
      await bench.runner.start([{ name, restart: 0 }], bench.signal);
      const seen = await bench.until(name, (at) => at.active === 'failed');
      assert.deepEqual([seen.succeeded, seen.result, seen.exitStatus], [false, 'exit-code', 4]);
    });

    promise('changes() tells of a unit that was started', async (bench) => {
      const name = await bench.load('sleeper', contractTexts.sleeper);
      await bench.runner.start([{ name, restart: 0 }], bench.signal);
      await bench.until(name, (seen) => seen.active === 'active');
      assert.ok(bench.told.has(name), `told of ${[...bench.told].join(', ')}`);
    });
  });

  describe(`${implementation} keeps the contract of unit runners: trouble`, () => {
    promise('a new runner over the same directory observes the same and stops nothing', async (bench) => {
      const sleeper = await bench.load('sleeper', contractTexts.sleeper);
      const worker = await bench.load('worker', contractTexts.worker);
      const failing = await bench.load('failing', contractTexts.failing);
      const idle = await bench.load('idle', contractTexts.sleeper);
      await bench.runner.start([{ name: sleeper, restart: 4 }, { name: worker, restart: 2 }, { name: failing, restart: 0 }],
        bench.signal);
      await bench.until(sleeper, (seen) => seen.active === 'active');
      await bench.until(worker, (seen) => seen.succeeded);
      await bench.until(failing, (seen) => seen.active === 'failed');
      const before = await bench.runner.observe(bench.signal);
      assert.deepEqual([...before.keys()].sort(), [failing, idle, sleeper, worker].sort());
      const second = await bench.reopen();
      assert.deepEqual(new Map([...await second.runner.observe(bench.signal)].sort()), new Map([...before].sort()));
    });

    promise('a oneshot that ended while no runner was there is observed as succeeded', async (bench) => {
      const name = await bench.load('worker', contractTexts.worker.replace('/bin/true', '/bin/sleep 0.5'));
      await bench.runner.start([{ name, restart: 0 }], bench.signal);
      const second = await bench.reopen();
      await second.until(name, (seen) => seen.succeeded);
    });

    promise('one unit that cannot be started is a problem of its own', async (bench) => {
      const good = await bench.load('good', contractTexts.sleeper);
      const bad = bench.name('broken');
      await bench.runner.load([renderContractUnit(bad, contractTexts.broken)], bench.signal);
      const absent = bench.name('absent');
      const problems = await bench.runner.start(
        [{ name: bad, restart: 0 }, { name: absent, restart: 0 }, { name: good, restart: 0 }], bench.signal);
      assert.deepEqual(problems.map((problem) => problem.name).sort(), [absent, bad].sort());
      for (const problem of problems) assert.match(problem.why, /^[^\n]+$/);
      await bench.until(good, (seen) => seen.active === 'active');
    });

    promise('a call whose signal is aborted ends with the reason of the signal', async (bench) => {
      const reason = new Error('enough');
      const aborted = AbortSignal.abort(reason);
      await assert.rejects(bench.runner.observe(aborted), reason);
      const ending = new AbortController();
      const waiting = (async (): Promise<void> => {
        for await (const names of bench.runner.changes(ending.signal)) void names;
      })();
      ending.abort(reason);
      await assert.rejects(waiting, reason);
    });
  });
}
