import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { createLog } from '../lib/log.ts';
import { createManualClock, type ManualClock } from '../lib/manual-clock.ts';
import { seededRandom } from '../lib/random.ts';
import { keys } from './keys.ts';
import { createMemoryStore, type MemoryStore } from './memory-store.ts';
import { createRestingMirror, type RestingMirror } from './resting-mirror.ts';

let clock: ManualClock;
let store: MemoryStore;
let mirror: RestingMirror;
let stop: AbortController;
let running: Promise<void>;
let lists: number;

beforeEach(() => {
  clock = createManualClock();
  store = createMemoryStore({ clock });
  lists = 0;
  const counted = { ...store, list: (prefix: string, signal: AbortSignal) => {
    lists += 1;
    return store.list(prefix, signal);
  } };
  mirror = createRestingMirror({ store: counted, clock, random: seededRandom(1), log: createLog('mirror', 'error', () => undefined) });
  stop = new AbortController();
  running = mirror.run(stop.signal);
});

afterEach(async () => {
  stop.abort();
  await running;
  store.close();
});

async function write(): Promise<void> {
  const change = { kind: 'put', key: keys.unitFile('f' as never), value: '[Service]\nExecStart=/bin/true\n' } as const;
  await store.commit({ guards: [], changes: [change] }, stop.signal);
}

test('the store is not asked before somebody needs the mirror', async () => {
  await write();
  await clock.settle();
  assert.equal(lists, 0);
  assert.equal(mirror.isResting(), true);
  assert.equal(mirror.snapshot().revision, 0);
  assert.equal(mirror.freshness().current, false);
});

test('whoever holds it sees the store, and all at once cost one listing', async () => {
  await write();
  const releases = await Promise.all([mirror.hold(), mirror.hold()]);
  assert.equal(mirror.isResting(), false);
  assert.equal(mirror.freshness().current, true);
  assert.equal(mirror.snapshot().files.size, 1);
  assert.equal(lists, 1);
  for (const release of releases) release();
});

test('it stays a minute after the last release, keeps nothing afterwards, and begins anew', async () => {
  await write();
  const heard: number[] = [];
  mirror.subscribe(({ revision }) => heard.push(revision));
  const release = await mirror.hold();
  await clock.advance(300_000);
  assert.equal(mirror.snapshot().files.size, 1);
  release();
  release(); // Twice is once.
  await clock.advance(50_000);
  assert.equal(mirror.snapshot().files.size, 1);
  await clock.advance(80_000);
  assert.equal(mirror.isResting(), true);
  assert.equal(mirror.snapshot().files.size, 0);
  assert.equal(heard.at(-1), 0);
  (await mirror.hold())();
  assert.equal(mirror.snapshot().files.size, 1);
  assert.equal(lists, 2);
});

test('while the store does not answer, a hold answers after some seconds with nothing known', async () => {
  const silent = { ...store, list: (_: string, signal: AbortSignal) => new Promise<never>((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  }) };
  const waiting = createRestingMirror({ store: silent, clock, random: seededRandom(1), log: createLog('mirror', 'error', () => undefined) });
  const ended = waiting.run(stop.signal);
  const held = waiting.hold();
  await clock.advance(5_000);
  (await held)();
  assert.equal(waiting.snapshot().revision, 0);
  stop.abort();
  await ended;
});
