/** A store that is behind what was heard of it is asked again before that counts; meanwhile nothing is decided by what it says. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { MachineId } from '../core/machine.ts';
import { createLog } from '../lib/log.ts';
import { createManualClock } from '../lib/manual-clock.ts';
import type { ManualClock } from '../lib/manual-clock.ts';
import { seededRandom } from '../lib/random.ts';
import { keys } from './keys.ts';
import type { LedgerContents } from './ledger.ts';
import { createMemoryStore } from './memory-store.ts';
import type { MemoryStore } from './memory-store.ts';
import { createMirror, type Mirror } from './mirror.ts';
import { encodeRecord } from './records.ts';
import type { Revision, Store } from './store.ts';
import { createStoreTrust } from './trust.ts';
import type { StoreTrust } from './trust.ts';

const never = new AbortController().signal;
const machine = 'aaa' as MachineId;

interface Trusting {
  /** How long answers to lists are on their way. */
  readonly answers: { lateMs: number };
  readonly clock: ManualClock;
  readonly store: MemoryStore;
  readonly trust: StoreTrust;
  readonly trusted: Store;
  readonly log: readonly string[];
  /** How often the store was asked to list. */
  asks(): number;
  /** Some change of a key nobody minds, and one of another key. */
  change(): Promise<void>;
  changeElsewhere(): Promise<void>;
  readonly mirror: Mirror;
  /** Has the mirror list anew: it was cut off, and what it has missed is compacted. */
  relist(): Promise<void>;
  stop(): Promise<void>;
}

/** A machine that knows its store: the cluster has a name, and has come to some revision. */
async function trusting(): Promise<Trusting> {
  const clock = createManualClock();
  const store = createMemoryStore({ clock });
  const disk = new Map<string, string>();
  const lines: string[] = [];
  const log = createLog('store', 'info', (line) => lines.push(line));
  let asks = 0;
  const direct = store.client(({ verb }) => {
    if (verb === 'list') asks += 1;
    return {};
  });
  const answers = { lateMs: 0 };
  const late = (of: Store): Store => ({
    ...of,
    async list(prefix, signal) {
      const listing = await of.list(prefix, signal);
      if (answers.lateMs > 0) await clock.sleep(answers.lateMs, signal);
      return listing;
    },
  });
  const client = late(direct);
  const heardBy = store.client();
  const put = async (key: string, value: string): Promise<void> => {
    await store.commit({ guards: [], changes: [{ kind: 'put', key, value }] }, never);
    await clock.settle();
  };
  const memory = {
    read: (name: string) => Promise.resolve(disk.get(name) ?? null),
    write: (name: string, text: string) => Promise.resolve(void disk.set(name, text)),
  };
  const trust = createStoreTrust({ store: client, memory, machine, clock, log });
  await trust.recall();
  const mirror = createMirror({ store: trust.mirrored(late(heardBy)), clock, random: seededRandom(1), log });
  trust.follow(mirror);
  const stop = new AbortController();
  const running = mirror.run(stop.signal);
  await put(keys.schema, encodeRecord({ version: 1, cluster: 'mine', createdAtMs: 0 }));
  await put('some/key', '1');
  await put('some/key', '2');
  await clock.advance(1_000);
  return {
    answers, clock, store, trust, trusted: trust.trusted(client), log: lines,
    asks: () => asks,
    change: () => put('another/key', 'x'),
    changeElsewhere: () => put('some/key', 'elsewhere'),
    mirror,
    async relist(): Promise<void> {
      heardBy.cut();
      await put('some/key', 'unheard');
      store.compact(store.copy().revision);
      heardBy.heal();
    },
    async stop(): Promise<void> {
      stop.abort();
      await Promise.all([running, clock.advance(60_000)]);
      store.close();
    },
  };
}

/** How a promise ends, looked at without waiting for it. */
function watched<T>(work: Promise<T>): { readonly ended: () => boolean; readonly how: Promise<string> } {
  let isEnded = false;
  const how = work.then(() => 'believed', (error: unknown) => (error as Error).message).finally(() => { isEnded = true; });
  return { ended: () => isEnded, how };
}

/** The store with the last change taken away, as an etcd that has yet to catch up has it. */
async function behind(one: Trusting): Promise<{ readonly older: LedgerContents; readonly newest: LedgerContents }> {
  const older = one.store.copy();
  await one.change();
  await one.clock.advance(1_000);
  return { older, newest: one.store.copy() };
}

describe('what was heard while an answer was on its way', () => {
  test('does not make it late', async () => {
    const one = await trusting();
    one.answers.lateMs = 100;
    const asked = watched(one.trusted.list('', never));
    await one.clock.advance(50);
    await one.change();
    await one.clock.advance(350);
    assert.equal(asked.ended(), true);
    assert.equal(await asked.how, 'believed');
    await one.stop();
  });

  test('is no doubt for a mirror that lists anew, whoever heard it', async () => {
    const one = await trusting();
    one.answers.lateMs = 100;
    const stop = new AbortController();
    const following = (async () => { for await (const batch of one.trusted.watch('', one.mirror.snapshot().revision as Revision, stop.signal)) void batch; })();
    await one.clock.advance(1_000);
    await one.relist();
    for (let step = 0; step < 100; step += 1) {
      await one.clock.advance(50);
      await one.change();
    }
    await one.clock.advance(5_000);
    assert.equal(one.trust.doubt(), null);
    assert.equal(one.mirror.freshness().current, true);
    stop.abort();
    await following.catch(() => undefined);
    await one.stop();
  });
});

describe('an answer that is behind what was heard', () => {
  test('is no doubt when the store catches up within a second and a half, and nothing is logged', async () => {
    const one = await trusting();
    const { older, newest } = await behind(one);
    one.store.putBack(older);
    const asked = watched(one.trusted.list('', never));
    await one.clock.advance(1_400);
    assert.equal(asked.ended(), false, 'it is not believed meanwhile');
    one.store.putBack(newest);
    await one.clock.advance(600);
    assert.equal(await asked.how, 'believed');
    assert.equal(one.trust.doubt(), null);
    assert.deepEqual(one.log.filter((line) => line.includes('older backup')), []);
    await one.stop();
  });

  test('is a doubt once four answers have been, and not asked for again then', async () => {
    const one = await trusting();
    const { older } = await behind(one);
    one.store.putBack(older);
    const before = one.asks();
    const asked = watched(one.trusted.list('', never));
    await one.clock.advance(1_499);
    assert.equal(asked.ended(), false);
    await one.clock.advance(1);
    assert.match(await asked.how, /put back from an older backup/);
    assert.equal(one.trust.doubt()?.kind, 'older');
    // Each time the name of the cluster, the machine's registration and the acceptance.
    assert.equal(one.asks() - before, 4 * 3);
    const again = watched(one.trusted.list('', never));
    await one.clock.settle();
    assert.match(await again.how, /put back from an older backup/, 'one that is doubted is not waited for');
    assert.equal(one.asks() - before, 5 * 3);
    await one.stop();
  });

  test('is not heard by the mirror while it may catch up, and nobody is told of it', async () => {
    const one = await trusting();
    const { older, newest } = await behind(one);
    one.store.putBack(older);
    await one.clock.advance(1_000);
    assert.equal(one.mirror.freshness().current, false, 'engine and API keep their hands off');
    assert.equal(one.mirror.snapshot().revision, newest.revision);
    assert.equal(one.trust.spoken(), null);
    assert.deepEqual(one.log.filter((line) => line.includes('units go on')), []);
    one.store.putBack(newest);
    await one.clock.advance(5_000);
    assert.equal(one.trust.doubt(), null);
    assert.equal(one.mirror.freshness().current, true);
    await one.stop();
  });

  test('is a doubt also when others, who say that they doubt that store, have brought it to where the right one was', async () => {
    for (const askedMs of [0, 700]) {
      const one = await trusting();
      const older = one.store.copy();
      await one.change();
      await one.change();
      await one.clock.advance(1_000);
      one.store.putBack(older);
      await one.clock.advance(askedMs);
      await one.changeElsewhere();
      await one.changeElsewhere();
      const asked = watched(one.trusted.list('', never));
      await one.clock.advance(5_000);
      assert.match(await asked.how, /put back from an older backup/);
      assert.equal(one.trust.doubt()?.kind, 'older');
      await one.stop();
    }
  });

  test('shows nothing against the right store, whatever was heard of the one that stood in its place', async () => {
    const one = await trusting();
    const right = one.store.copy();
    one.store.putBack();
    await one.change();
    await one.clock.advance(400);
    assert.equal(one.mirror.freshness().current, false);
    assert.ok(one.mirror.snapshot().revision >= right.revision, 'what it knows is of the right one');
    one.store.putBack(right);
    const asked = watched(one.trusted.list('', never));
    await one.clock.advance(5_000);
    assert.equal(await asked.how, 'believed');
    assert.equal(one.trust.doubt(), null);
    await one.stop();
  });

  test('becomes a doubt that is told when a check confirms it', async () => {
    const one = await trusting();
    const { older } = await behind(one);
    one.store.putBack(older);
    await one.clock.advance(500);
    const checked = one.trust.check(never);
    await one.clock.advance(2_000);
    assert.equal((await checked)?.kind, 'older');
    assert.equal(one.trust.spoken()?.cluster, 'mine');
    assert.equal(one.log.filter((line) => line.includes('put back from an older backup; units go on')).length, 1);
    await one.stop();
  });
});
