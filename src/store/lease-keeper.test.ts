/** How a lease is kept: until when it is certain to live, and since when the store has answered every renewal in time. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createManualClock } from '../lib/manual-clock.ts';
import type { ManualClock } from '../lib/manual-clock.ts';
import { seededRandom } from '../lib/random.ts';
import { certainMs, holdLease, keepLease } from './lease-keeper.ts';
import type { HeldLease } from './lease-keeper.ts';
import { createMemoryStore } from './memory-store.ts';
import type { MemoryStore, StoreFault } from './memory-store.ts';

const ttlMs = 30_000;

interface Keeping {
  readonly clock: ManualClock;
  readonly store: MemoryStore;
  readonly held: HeldLease;
  /** What goes wrong with calls from now on. */
  fault: StoreFault;
  /** Whether the store has said that the lease is over. */
  isOver(): boolean;
  stop(): Promise<void>;
}

async function keeping(): Promise<Keeping> {
  const clock = createManualClock();
  const store = createMemoryStore({ clock });
  let fault: StoreFault = {};
  const needs = { store: store.client(() => fault), clock, random: seededRandom(1) };
  const stop = new AbortController();
  const held = await holdLease(needs, { ttlMs }, stop.signal);
  let over = false;
  const kept = keepLease(needs, held, stop.signal).then(() => { over = true; }, () => undefined);
  return {
    clock, store, held,
    get fault() { return fault; },
    set fault(next) { fault = next; },
    isOver: () => over,
    async stop(): Promise<void> {
      stop.abort();
      await kept;
      store.close();
    },
  };
}

describe('a lease that is kept', () => {
  test('is certain to live for its ttl from when the last confirmed renewal was sent', async () => {
    const one = await keeping();
    await one.clock.advance(9_999);
    assert.equal(certainMs(one.held, one.clock), ttlMs - 9_999);
    one.fault = { delayMs: 2_000 };
    await one.clock.advance(3_001);
    assert.equal(certainMs(one.held, one.clock), ttlMs - 3_000, 'counted from sending, although the answer took two seconds');
    await one.stop();
  });

  test('has been steady from its beginning on, however often it was renewed, also by a store that is slow and in time', async () => {
    const one = await keeping();
    one.fault = { delayMs: 9_000 };
    await one.clock.advance(10 * ttlMs);
    assert.equal(one.held.steadySinceMs, 0);
    await one.stop();
  });

  test('is steady again from the last renewal on that was refused, and no earlier because one is confirmed afterwards', async () => {
    const one = await keeping();
    one.fault = { fails: 'before' };
    await one.clock.advance(12_000);
    const lastRefusedMs = one.held.steadySinceMs;
    assert.ok(lastRefusedMs > 10_000 && lastRefusedMs <= 12_000, String(lastRefusedMs));
    one.fault = {};
    await one.clock.advance(3 * ttlMs);
    assert.ok(certainMs(one.held, one.clock) > 0);
    const since = one.held.steadySinceMs;
    assert.ok(since >= lastRefusedMs && since <= 12_000, String(since));
    await one.stop();
  });

  test('a renewal that was not answered in time ends steadiness when it was given up, not when it was sent', async () => {
    const one = await keeping();
    one.fault = { delayMs: ttlMs };
    await one.clock.advance(19_999);
    assert.equal(one.held.steadySinceMs, 0, 'sent after ten seconds, it may be answered for ten more');
    await one.clock.advance(1);
    assert.equal(one.held.steadySinceMs, 20_000);
    await one.stop();
  });

  test('ends by the word of the store alone', async () => {
    const one = await keeping();
    one.fault = { fails: 'before' };
    await one.clock.advance(25_000);
    assert.equal(one.isOver(), false);
    one.store.expireLease(one.held.lease.id);
    one.fault = {};
    await one.clock.advance(11_000);
    assert.equal(one.isOver(), true);
    await one.stop();
  });
});
