/** An API whose mirror rests while nobody asks. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { createManualClock, type ManualClock } from '../lib/manual-clock.ts';
import { seededRandom } from '../lib/random.ts';
import { createRestingMirror, type RestingMirror } from '../store/resting-mirror.ts';
import { createApi, type Api } from './api.ts';
import { fakeMachine, putMachine, startFakeFleetd, type FakeFleetd } from './fake-fleetd.ts';

let clock: ManualClock;
let writer: FakeFleetd;
let mirror: RestingMirror;
let api: Api;
let stop: AbortController;
let running: Promise<void>;

beforeEach(async () => {
  clock = createManualClock();
  writer = await startFakeFleetd({ clock });
  mirror = createRestingMirror({ store: writer.memory, clock, random: seededRandom(1), log: writer.needs.log });
  stop = new AbortController();
  running = mirror.run(stop.signal);
  api = createApi({ ...writer.needs, mirror, rest: mirror }, stop.signal);
  await api.app.ready();
});

afterEach(async () => {
  stop.abort(new Error('the test is over'));
  await api.app.close();
  await running;
  await writer.close();
});

const get = async (url: string) => api.app.inject({ method: 'GET', url });

test('a request wakes the mirror and is answered from what the store holds then', async () => {
  await writer.write([putMachine(fakeMachine('a'.repeat(32)))]);
  for (const [url, field] of [['/fleet/v2/machines', 'machines'], ['/fleet/v1/machines', 'machines'], ['/v1-alpha/machines', 'machines']] as const) {
    const answer = await get(url);
    assert.equal(answer.statusCode, 200);
    assert.equal(answer.json<Record<string, readonly unknown[]>>()[field]?.length, 1);
  }
  await clock.advance(130_000);
  assert.equal(mirror.isResting(), true);
  await writer.write([putMachine(fakeMachine('b'.repeat(32)))]);
  assert.equal((await get('/fleet/v2/machines')).json<{ readonly machines: readonly unknown[] }>().machines.length, 2);
});

test('a change is stored and seen by the answer to it', async () => {
  const unit = { name: 'a.service', text: '[Service]\nExecStart=/bin/true\n' };
  const applied = await api.app.inject({ method: 'POST', url: '/fleet/v2/apply', payload: { units: [unit], desired: 'launched' } });
  assert.equal(applied.statusCode, 200);
  assert.equal((await get('/fleet/v2/units/a.service')).statusCode, 200);
});

test('who only asks whether this fleetd is well does not wake it, and hears that it is', async () => {
  assert.deepEqual([(await get('/readyz')).statusCode, (await get('/healthz')).statusCode], [200, 200]);
  assert.match((await get('/metrics')).body, /^fleet_mirror_resting 1$/m);
  assert.equal((await get('/debug/state')).json<{ readonly store: { readonly resting: boolean } }>().store.resting, true);
  assert.equal(mirror.isResting(), true);
});

test('events that were told before it rested are not told as new afterwards', async () => {
  await writer.write([putMachine(fakeMachine('a'.repeat(32)))]);
  const { revision } = (await get('/fleet/v2/machines')).json<{ readonly revision: number }>();
  await clock.advance(130_000);
  await writer.write([putMachine(fakeMachine('b'.repeat(32)))]);
  const answer = await get(`/fleet/v2/events?from=${revision}`);
  assert.equal(answer.json<{ readonly error: { readonly reason: string } }>().error.reason, 'REVISION_COMPACTED');
});
