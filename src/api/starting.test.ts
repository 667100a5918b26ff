/** An API that is asked before its fleetd has heard of the cluster. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { createManualClock, type ManualClock } from '../lib/manual-clock.ts';
import { seededRandom } from '../lib/random.ts';
import { createMirror, type Mirror } from '../store/mirror.ts';
import { createApi, type Api } from './api.ts';
import { fakeMachine, putMachine, startFakeFleetd, type FakeFleetd } from './fake-fleetd.ts';

let clock: ManualClock;
let writer: FakeFleetd;
let mirror: Mirror;
let api: Api;
let stop: AbortController;

beforeEach(async () => {
  clock = createManualClock();
  writer = await startFakeFleetd({ clock });
  await writer.write([putMachine(fakeMachine('a'.repeat(32)))]);
  mirror = createMirror({ store: writer.memory, clock, random: seededRandom(1), log: writer.needs.log });
  stop = new AbortController();
  api = createApi({ ...writer.needs, mirror }, stop.signal);
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
