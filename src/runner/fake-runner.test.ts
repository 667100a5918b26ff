import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { UnitName } from '../core/unit-name.ts';
import type { Clock } from '../lib/clock.ts';
import { seededRandom } from '../lib/random.ts';
import { createFakeMachine, rebootFakeMachine } from './fake-machine.ts';
import type { FakeBehaviour, FakeMachineState } from './fake-machine.ts';
import { createFakeRunner } from './fake-runner.ts';
import { fenceContract } from './fence.contract.ts';
import { contractTexts, renderContractUnit, runnerContract } from './runner.contract.ts';
import type { RunnerUnderTest } from './runner.contract.ts';
import { RunnerUnavailable } from './runner.ts';
import type { Observation, UnitRunner } from './runner.ts';

const realClock: Clock = {
  nowMs: () => Date.now(),
  uptimeMs: () => performance.now(),
  sleep: async (delayMs, signal) => {
    await sleep(delayMs, undefined, { signal });
  },
};

const openFake = async (): Promise<RunnerUnderTest> => {
  const machine = createFakeMachine();
  const open = (): UnitRunner => createFakeRunner({ clock: realClock, random: seededRandom(1), machine });
  return { runner: open(), reopen: async () => open(), close: async () => undefined };
};
runnerContract('the fake runner', openFake);
fenceContract('the fake runner', openFake, realClock);

const app = 'app.service' as UnitName;
const signal = new AbortController().signal;

/** A machine with one scripted unit, started at uptime 0, and a clock that is moved by hand. */
async function scripted(behaviour: FakeBehaviour): Promise<{
  machine: FakeMachineState; runner: UnitRunner; at: (uptimeMs: number) => Promise<Observation | undefined>;
}> {
  let uptimeMs = 0;
  const clock: Clock = { nowMs: () => 1_000_000 + uptimeMs, uptimeMs: () => uptimeMs, sleep: () => new Promise(() => undefined) };
  const machine = createFakeMachine();
  machine.behaviours.set(app, behaviour);
  const runner = createFakeRunner({ clock, random: { next: () => 0.5 }, machine });
  assert.deepEqual(await runner.load([renderContractUnit(app, contractTexts.sleeper)], signal), []);
  await runner.start([{ name: app, restart: 0 }], signal);
  return {
    machine, runner,
    async at(moment) {
      uptimeMs = moment;
      return (await runner.observe(signal)).get(app);
    },
  };
}

test('a unit that starts slowly is activating until its time has come', async () => {
  const { at } = await scripted({ startMs: 500 });
  assert.equal((await at(499))?.active, 'activating');
  const active = await at(10_000);
  assert.equal(active?.active, 'active');
  assert.equal(active.sinceMs, 1_000_500);
});

test('a unit that hangs in stopping stays deactivating', async () => {
  const { runner, at } = await scripted({ stopMs: Infinity });
  await at(1);
  await runner.stop([app], signal);
  assert.equal((await at(1_000_000))?.active, 'deactivating');
});

test('a flapping unit counts its restarts, also those nobody watched', async () => {
  const { at } = await scripted({ runMs: 100, exitStatus: 1, restartAfterMs: 100 });
  const seen = await at(1_050);
  assert.equal(seen?.restarts, 5);
  assert.equal(seen.active, 'active');
});

test('a unit that ends with a status is failed with it', async () => {
  const { at } = await scripted({ runMs: 10, exitStatus: 9 });
  const seen = await at(10);
  assert.deepEqual([seen?.active, seen?.result, seen?.exitStatus], ['failed', 'exit-code', 9]);
});

test('a refused load is a problem of that unit alone', async () => {
  const { machine, runner } = await scripted({});
  machine.behaviours.set('no.service' as UnitName, { refusesLoad: 'the name is taken' });
  const units = ['no.service', 'yes.service'].map((name) => renderContractUnit(name, contractTexts.sleeper));
  assert.deepEqual(await runner.load(units, signal), [{ name: 'no.service', why: 'the name is taken' }]);
  assert.deepEqual([...(await runner.observe(signal)).keys()], [app, 'yes.service']);
});

test('the fault switches make calls throw RunnerUnavailable and change nothing', async () => {
  const { machine, runner, at } = await scripted({});
  machine.faults.unavailable = true;
  await assert.rejects(runner.stop([app], signal), RunnerUnavailable);
  machine.faults.unavailable = false;
  machine.faults.failCall = machine.calls + 1;
  await assert.rejects(runner.stop([app], signal), RunnerUnavailable);
  assert.equal((await at(1))?.active, 'active');
});

test('a reboot forgets units and keeps scripts', async () => {
  const { machine, runner } = await scripted({ startMs: 500 });
  rebootFakeMachine(machine);
  assert.equal((await runner.observe(signal)).size, 0);
  assert.equal(machine.behaviours.size, 1);
});
