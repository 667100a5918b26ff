/** An API that is asked before its fleetd has heard of the cluster, or while that has just lost the store. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { createManualClock, type ManualClock } from '../lib/manual-clock.ts';
import { seededRandom } from '../lib/random.ts';
import type { MemoryClient } from '../store/memory-store.ts';
import { createMirror, type Mirror } from '../store/mirror.ts';
import { createApi, type Api } from './api.ts';
import { fakeMachine, putMachine, startFakeFleetd, type FakeFleetd } from './fake-fleetd.ts';

let clock: ManualClock;
let writer: FakeFleetd;
let client: MemoryClient;
let mirror: Mirror;
let api: Api;
let stop: AbortController;

beforeEach(async () => {
  clock = createManualClock();
  writer = await startFakeFleetd({ clock });
  await writer.write([putMachine(fakeMachine('a'.repeat(32)))]);
  client = writer.memory.client();
  mirror = createMirror({ store: client, clock, random: seededRandom(1), log: writer.needs.log });
  stop = new AbortController();
  api = createApi({ ...writer.needs, mirror, store: client }, stop.signal);
  await api.app.ready();
});

afterEach(async () => {
  stop.abort(new Error('the test is over'));
  await api.app.close();
  await writer.close();
});

test('a request waits for the first listing and is answered with it', async () => {
  const asked = ['/fleet/v2/machines', '/fleet/v1/machines'].map((url) => api.app.inject({ method: 'GET', url }));
  await clock.advance(1_000);
  const running = mirror.run(stop.signal);
  for (const answer of await Promise.all(asked)) {
    assert.equal(answer.statusCode, 200);
    assert.equal(answer.json<{ readonly machines: readonly unknown[] }>().machines.length, 1);
  }
  stop.abort(new Error('the test is over'));
  await running;
});

test('a store that is away holds up requests for some seconds after the start and no more', async () => {
  const early = api.app.inject({ method: 'GET', url: '/fleet/v2/machines' });
  assert.equal((await api.app.inject({ method: 'GET', url: '/healthz' })).statusCode, 200);
  await clock.advance(5_000);
  assert.equal((await early).statusCode, 503);
  assert.equal((await api.app.inject({ method: 'GET', url: '/fleet/v2/machines' })).statusCode, 503);
});

test('who wants to follow events is refused at once, and asks another fleetd', async () => {
  assert.equal((await api.app.inject({ method: 'GET', url: '/fleet/v2/events' })).statusCode, 503);
});

/** Follows the store until it is lost; answers how to end that. */
async function loseStore(): Promise<() => Promise<void>> {
  const running = mirror.run(stop.signal);
  await mirror.untilCurrent(stop.signal);
  client.cut();
  await clock.settle();
  return async () => {
    stop.abort(new Error('the test is over'));
    await running;
  };
}

const change = async (name: string): Promise<{ readonly statusCode: number }> => api.app.inject({
  method: 'POST', url: `/fleet/v2/port-pools/${name}`, headers: { 'content-type': 'application/json' }, payload: { range: '20001-20010' },
});

test('a change waits for a store that has just been lost, and is carried out; what is known is told at once', async () => {
  const end = await loseStore();
  const early = change('early');
  const old = api.app.inject({ method: 'GET', url: '/fleet/v1/machines' });
  assert.equal((await api.app.inject({ method: 'GET', url: '/fleet/v2/machines' })).statusCode, 200);
  await clock.advance(500);
  client.heal();
  await clock.advance(1_000);
  assert.equal((await early).statusCode, 200);
  assert.equal((await old).statusCode, 200);
  await end();
});

test('a change is refused when a lost store is away for longer, and later ones at once', async () => {
  const end = await loseStore();
  const early = change('early');
  await clock.advance(2_000);
  assert.equal((await early).statusCode, 503);
  assert.equal((await change('late')).statusCode, 503);
  await end();
});
