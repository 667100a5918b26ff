/** Requests that several APIs serve at once, one of them with a mirror that lags. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DesiredState } from '../../core/unit.ts';
import type { UnitName } from '../../core/unit-name.ts';
import { createLog } from '../../lib/log.ts';
import { createManualClock, type ManualClock } from '../../lib/manual-clock.ts';
import { seededRandom } from '../../lib/random.ts';
import { createMemoryStore, type MemoryClient, type MemoryStore } from '../../store/memory-store.ts';
import { createMirror } from '../../store/mirror.ts';
import type { Result } from '../../core/failure.ts';
import type { Decide, Outcome, WriteNeeds } from './decision.ts';
import { decideApply, decideDestroy } from './decide.ts';
import { transact } from './transaction.ts';

const name = 'app.service' as UnitName;
const never = new AbortController().signal;

/** An API over a client of the store. */
function apiOf(clock: ManualClock, store: MemoryClient): { readonly needs: WriteNeeds; stop(): void } {
  const stop = new AbortController();
  const log = createLog('api', 'error', () => undefined);
  const mirror = createMirror({ store, clock, random: seededRandom(1), log });
  void mirror.run(stop.signal);
  return { needs: { mirror, store, clock, log, machineId: 'aaa' }, stop: () => stop.abort() };
}

const wanting = (desired: DesiredState): Decide<unknown> => (basis) => decideApply(basis, {
  units: [{ name, text: '[Service]\nExecStart=/bin/true\n' }], desired, replace: 'never', restart: false, lenient: false, by: '',
});
const destroying: Decide<unknown> = (basis) => decideDestroy(basis, [name]);

interface Scene {
  readonly store: MemoryStore;
  ask(api: 'prompt' | 'lagging', decide: Decide<unknown>): Promise<Result<Outcome<unknown>>>;
}

async function scene(story: (scene: Scene) => Promise<void>): Promise<void> {
  const clock = createManualClock();
  const store = createMemoryStore({ clock });
  const apis = {
    prompt: apiOf(clock, store.client()),
    lagging: apiOf(clock, store.client(({ verb }) => (verb === 'batch' ? { delayMs: 2_000 } : {}))),
  };
  await clock.advance(10_000);
  await story({
    store,
    async ask(api, decide) {
      const answer = transact(apis[api].needs, decide, never);
      let isAnswered = false;
      void answer.then(() => { isAnswered = true; });
      await clock.runUntil(() => isAnswered, 60_000);
      return answer;
    },
  });
  for (const { stop } of Object.values(apis)) stop();
  store.close();
}

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
