/** Requests that several APIs serve at once, one of them with a mirror that lags. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MachineId } from '../../core/machine.ts';
import type { MachineOrder } from '../../protocol/machines.ts';
import { fakeMachine, putMachine } from '../fake-fleetd.ts';
import type { DesiredState } from '../../core/unit.ts';
import type { UnitName } from '../../core/unit-name.ts';
import { createLog } from '../../lib/log.ts';
import { createManualClock, type ManualClock } from '../../lib/manual-clock.ts';
import { seededRandom } from '../../lib/random.ts';
import { createMemoryStore, type MemoryClient, type MemoryStore } from '../../store/memory-store.ts';
import { createMirror } from '../../store/mirror.ts';
import { keys } from '../../store/keys.ts';
import { trustful } from '../../store/trust.ts';
import type { Result } from '../../core/failure.ts';
import type { Decide, Outcome, WriteNeeds } from './decision.ts';
import { decideApply, decideDestroy } from './decide.ts';
import { decideMachineOrder } from './machine-order.ts';
import { commitDecision, type Change } from './single-commit.ts';
import { transact } from './transaction.ts';

const name = 'app.service' as UnitName;
const machine = '1'.repeat(32) as MachineId;
const never = new AbortController().signal;

/** An API over a client of the store. */
function apiOf(clock: ManualClock, store: MemoryClient): { readonly needs: WriteNeeds; stop(): void } {
  const stop = new AbortController();
  const log = createLog('api', 'error', () => undefined);
  const mirror = createMirror({ store, clock, random: seededRandom(1), log });
  void mirror.run(stop.signal);
  return { needs: { mirror, store, clock, log, trust: trustful, storeKind: 'etcd', machineId: 'aaa' }, stop: () => stop.abort() };
}

const wanting = (desired: DesiredState, { restart = false } = {}): Decide<unknown> => (basis) => decideApply(basis, {
  units: [{ name, text: '[Service]\nExecStart=/bin/true\n' }], desired, replace: 'never', restart, lenient: false, by: '',
});
const destroying: Decide<unknown> = (basis) => decideDestroy(basis, [name]);

type Api = 'prompt' | 'lagging' | 'losing';

interface Scene {
  readonly store: MemoryStore;
  /** The next commits of the losing API fail so. */
  readonly losses: ('before' | 'after')[];
  ask(api: Api, decide: Decide<unknown>): Promise<Result<Outcome<unknown>>>;
  order(api: Api, order: MachineOrder): Promise<Result<Change>>;
}

async function scene(story: (scene: Scene) => Promise<void>): Promise<void> {
  const clock = createManualClock();
  const store = createMemoryStore({ clock });
  const losses: Scene['losses'] = [];
  await store.commit({ guards: [], changes: [putMachine(fakeMachine(machine))] }, never);
  const apis = {
    prompt: apiOf(clock, store.client()),
    lagging: apiOf(clock, store.client(({ verb }) => (verb === 'batch' ? { delayMs: 2_000 } : {}))),
    losing: apiOf(clock, store.client(({ verb }) => {
      const fails = verb === 'commit' ? losses.shift() : undefined;
      return fails === undefined ? {} : { fails };
    })),
  };
  await clock.advance(10_000);
  const answered = async <T>(answer: Promise<T>): Promise<T> => {
    let isAnswered = false;
    void answer.then(() => { isAnswered = true; });
    await clock.runUntil(() => isAnswered, 60_000);
    return answer;
  };
  await story({
    store, losses,
    ask: (api, decide) => answered(transact(apis[api].needs, decide, never)),
    order: (api, order) => answered(commitDecision(apis[api].needs, (basis) => decideMachineOrder(basis, machine, order), never)),
  });
  for (const { stop } of Object.values(apis)) stop();
  store.close();
}

test('a machine that a lagging mirror does not show cordoned yet is uncordoned, not answered to be so', async () => {
  await scene(async ({ order }) => {
    assert.equal(changed(await order('prompt', { action: 'cordon' })), true);
    assert.equal(changed(await order('lagging', { action: 'uncordon' })), true);
    assert.equal(changed(await order('lagging', { action: 'uncordon' })), false);
  });
});

const changed = (answer: Result<Change>): boolean | null => (answer.ok ? answer.value.changed : null);

const stored = async (store: MemoryStore): Promise<number> => (await store.list('units/', never)).entries.length;

test('a unit that a lagging mirror still shows launched is launched again, not answered launched, once it was destroyed', async () => {
  await scene(async ({ store, ask }) => {
    assert.equal((await ask('lagging', wanting('launched'))).ok, true);
    assert.equal((await ask('prompt', destroying)).ok, true);
    assert.equal((await ask('lagging', wanting('launched'))).ok, true);
    assert.equal(await stored(store), 1);
  });
});

test('a unit that a lagging mirror does not show yet is destroyed, not answered unknown', async () => {
  await scene(async ({ store, ask }) => {
    assert.equal((await ask('prompt', wanting('launched'))).ok, true);
    const answer = await ask('lagging', destroying);
    assert.deepEqual(answer.ok && answer.value.answer, { destroyed: [name], unknown: [] });
    assert.equal(await stored(store), 0);
  });
});

test('what comes into a store that was wiped a moment ago is not answered to be done', async () => {
  await scene(async ({ store, ask }) => {
    assert.equal((await ask('prompt', wanting('launched'))).ok, true);
    assert.equal((await ask('prompt', wanting('loaded'))).ok, true);
    store.putBack();
    const answer = await ask('prompt', wanting('launched'));
    assert.match(answer.ok ? 'done' : answer.failure.message, /answers with revision \d+, and had come to \d+: it was wiped or put back/);
  });
});

const restarts = async (store: MemoryStore): Promise<number> =>
  (JSON.parse((await store.list(keys.unit(name), never)).entries[0]?.value ?? '{}') as { readonly restart: number }).restart;

test('a change whose answer is lost is tried again and happens once, whether the store had carried it out or not', async () => {
  for (const lost of [['before'], ['after'], ['after', 'before'], ['before', 'after', 'before']] as const) {
    await scene(async ({ store, losses, ask }) => {
      assert.equal((await ask('prompt', wanting('launched'))).ok, true);
      const before = await restarts(store);
      losses.push(...lost);
      const answer = await ask('losing', wanting('launched', { restart: true }));
      assert.equal(answer.ok, true, lost.join(' '));
      assert.equal(await restarts(store), before + 1, lost.join(' '));
      losses.push(...lost);
      const gone = await ask('losing', destroying);
      assert.deepEqual(gone.ok && gone.value.answer, { destroyed: [name], unknown: [] });
    });
  }
});

test('an order whose answer is lost is tried again', async () => {
  await scene(async ({ losses, order }) => {
    losses.push('after');
    assert.equal((await order('losing', { action: 'cordon' })).ok, true);
  });
});

test('a store whose answers stay away is said after two seconds', async () => {
  await scene(async ({ losses, ask }) => {
    losses.push(...Array.from({ length: 40 }, () => 'before' as const));
    const answer = await ask('losing', wanting('launched'));
    assert.match(answer.ok ? 'done' : answer.failure.message, /told to fail/);
    assert(losses.length >= 40 - 20, 'with pauses');
  });
});
