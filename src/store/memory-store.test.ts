import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createManualClock } from '../lib/manual-clock.ts';
import { createMemoryStore } from './memory-store.ts';
import type { StoreCall } from './memory-store.ts';
import { storeContract } from './store.contract.ts';
import type { StoreUnderTest } from './store.contract.ts';
import { StoreCompacted, StoreUnavailable } from './store.ts';
import type { Commit, Revision } from './store.ts';

const never = new AbortController().signal;
const putting = (key: string, value: string): Commit => ({ guards: [], changes: [{ kind: 'put', key, value }] });

storeContract('memory', async (): Promise<StoreUnderTest> => {
  const clock = createManualClock();
  const memory = createMemoryStore({ clock });
  const client = memory.client();
  return {
    store: client,
    other: memory.client(),
    leaseTtlMs: 5_000,
    expire: (lease) => clock.advance(lease.ttlMs),
    compact: async (revision) => memory.compact(revision),
    network: { cut: async () => client.cut(), heal: async () => client.heal() },
    close: async () => memory.close(),
  };
}, ['network']);

test('a lease ends exactly its ttl after the last renewal', async () => {
  const clock = createManualClock();
  const memory = createMemoryStore({ clock });
  const lease = await memory.lease({ ttlMs: 5_000 }, never);
  await memory.commit({ guards: [], changes: [{ kind: 'put', key: 'p', value: 'x', leaseId: lease.id }] }, never);
  await clock.advance(4_999);
  assert.equal(await lease.renew(never), true);
  await clock.advance(4_999);
  assert.equal((await memory.list('', never)).entries.length, 1);
  await clock.advance(1);
  assert.equal((await memory.list('', never)).entries.length, 0);
  assert.equal(await lease.renew(never), false);
  assert.equal(clock.sleepers(), 0);
});

test('a call can be failed before it takes effect, or after', async () => {
  const memory = createMemoryStore({ clock: createManualClock() });
  const calls: StoreCall[] = [];
  const client = memory.client((call) => {
    calls.push(call);
    return call.number === 1 ? { fails: 'before' } : call.number === 2 ? { fails: 'after' } : {};
  });
  await assert.rejects(client.commit(putting('a', '1'), never), StoreUnavailable);
  await assert.rejects(client.commit(putting('b', '1'), never), StoreUnavailable);
  const { entries } = await client.list('', never);
  assert.deepEqual(entries.map((entry) => entry.key), ['b']);
  assert.deepEqual(calls, [{ verb: 'commit', number: 1 }, { verb: 'commit', number: 2 }, { verb: 'list', number: 3 }]);
});

test('a slow call takes effect when its delay is over, and never when the client is cut off meanwhile', async () => {
  const clock = createManualClock();
  const memory = createMemoryStore({ clock });
  const slow = memory.client(() => ({ delayMs: 1_000 }));
  const done = slow.commit(putting('a', '1'), never);
  await clock.advance(999);
  assert.equal((await memory.list('', never)).entries.length, 0);
  await clock.advance(1);
  assert.equal((await done).committed, true);
  const lost = assert.rejects(slow.commit(putting('b', '1'), never), StoreUnavailable);
  await clock.advance(500);
  slow.cut();
  await lost;
  await clock.advance(10_000);
  assert.deepEqual((await memory.list('', never)).entries.map((entry) => entry.key), ['a']);
});

test('a lease can be ended at once, as if nobody had renewed it', async () => {
  const memory = createMemoryStore({ clock: createManualClock() });
  const lease = await memory.lease({ ttlMs: 5_000 }, never);
  memory.expireLease(lease.id);
  assert.equal(await lease.renew(never), false);
});

test('the history is bounded in revisions and in size, and the newest revision can always be watched from', async () => {
  for (const history of [{ revisionsMax: 20, charactersMax: 1_000_000 }, { revisionsMax: 1_000, charactersMax: 4_000 }]) {
    const memory = createMemoryStore({ clock: createManualClock(), history });
    for (let index = 0; index < 100; index += 1) await memory.commit(putting('a', 'x'.repeat(200)), never);
    await assert.rejects(memory.watch('', 50 as Revision, never)[Symbol.asyncIterator]().next(), StoreCompacted);
    await memory.watch('', 95 as Revision, never)[Symbol.asyncIterator]().next();
    await memory.commit(putting('a', 'x'.repeat(10_000)), never);
    await memory.watch('', 100 as Revision, never)[Symbol.asyncIterator]().next();
  }
});

test('a watch of a quiet prefix is told now and then how far it has come', async () => {
  const memory = createMemoryStore({ clock: createManualClock() });
  const watch = memory.watch('quiet/', 0 as Revision, never)[Symbol.asyncIterator]();
  await watch.next();
  for (let index = 0; index < 150; index += 1) await memory.commit(putting('a', `${index}`), never);
  assert.deepEqual((await watch.next()).value, { revision: 150, changes: [] });
});
