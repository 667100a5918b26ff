/**
 * What every store promises, as tests: the same suite runs on memory, SQLite and etcd.
 * Promises: a test uses only keys it wrote itself and makes no assumption about the number of a revision,
 * so that several suites may share one server under different key prefixes.
 */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { limits } from '../core/limits.ts';
import { createLog } from '../lib/log.ts';
import { seededRandom } from '../lib/random.ts';
import { systemClock } from '../lib/system-clock.ts';
import { createFollower } from './follower.ts';
import type { FollowBatch, Follower } from './follower.ts';
import { LeaseExpired, StoreCompacted, StoreUnavailable } from './store.ts';
import type { Commit, CommitChange, CommitOutcome, Guard, Lease, Revision, Store, StoreChange, WatchBatch } from './store.ts';

/** Longest that any single step of a test may take. */
const stepMs = 60_000;

/** A freshly opened, empty store and what a test can do to it. */
export interface StoreUnderTest {
  readonly store: Store;
  /** The same data through a second client that `cut` does not touch; may be `store` itself when there is no `cut`. */
  readonly other: Store;
  /** The shortest lease that makes sense here. */
  readonly leaseTtlMs: number;
  /** Returns once a lease that was not renewed from now on has run out: moves a manual clock, or waits. */
  expire(lease: Lease): Promise<void>;
  /** Throws the history before `revision` away. */
  compact(revision: Revision): Promise<void>;
  /** Cuts `store` off from its data (running calls and watches fail, new ones too) until `heal`. */
  readonly network?: { cut(): Promise<void>; heal(): Promise<void> };
  /** Kills what keeps the data, as a power cut would, and starts it again; `store` and `other` work again afterwards. */
  restart?(): Promise<void>;
  close(): Promise<void>;
}

const put = (key: string, value: string): CommitChange => ({ kind: 'put', key, value });
const remove = (key: string): CommitChange => ({ kind: 'delete', key });
const within = (): AbortSignal => AbortSignal.timeout(stepMs);

/** Commits and insists that the guards held. */
async function write(store: Store, changes: readonly CommitChange[], guards: readonly Guard[] = []): Promise<Revision> {
  const outcome = await store.commit({ guards, changes }, within());
  assert.equal(outcome.committed, true, 'the guards of this commit hold');
  return outcome.revision;
}

async function read(store: Store, prefix: string): Promise<Record<string, string>> {
  const listing = await store.list(prefix, within());
  return Object.fromEntries(listing.entries.map((entry) => [entry.key, entry.value]));
}

/** Batches of a watch, those without changes left out, until `enough` says so. */
async function watchUntil(
  store: Store, from: { prefix: string; after: Revision }, enough: (changes: readonly StoreChange[]) => boolean,
): Promise<WatchBatch[]> {
  const batches: WatchBatch[] = [];
  for await (const batch of store.watch(from.prefix, from.after, within())) {
    if (batch.changes.length > 0) batches.push(batch);
    if (enough(batches.flatMap((heard) => heard.changes))) break;
  }
  return batches;
}

/** "put a=1" or "delete a", sorted: the order inside one batch is not promised. */
function words(batch: WatchBatch | FollowBatch): string[] {
  return batch.changes
    .map((change) => (change.kind === 'put' ? `put ${change.entry.key}=${change.entry.value}` : `delete ${change.key}`))
    .sort();
}

const keyOf = (change: StoreChange): string => (change.kind === 'put' ? change.entry.key : change.key);
const numbered = (count: number, make: (index: number) => CommitChange): CommitChange[] =>
  Array.from({ length: count }, (_, index) => make(index));
const three = (index: number): string => String(index).padStart(3, '0');

/** What a running follower has heard, and a way to wait for more. */
interface Heard {
  readonly follower: Follower;
  readonly batches: FollowBatch[];
  readonly model: Map<string, string>;
  until(holds: () => boolean): Promise<void>;
}

/** Runs a follower of `prefix` while `body` works; checks that no revision is heard twice or out of order. */
async function following(store: Store, prefix: string, body: (heard: Heard) => Promise<void>): Promise<void> {
  const batches: FollowBatch[] = [];
  const model = new Map<string, string>();
  const waiting = new Set<() => void>();
  const needs = { store, clock: systemClock, random: seededRandom(1), log: createLog('test', 'error', () => undefined) };
  const follower = createFollower(needs, prefix, (batch) => {
    batches.push(batch);
    for (const change of batch.changes) {
      if (change.kind === 'put') model.set(change.entry.key, change.entry.value);
      else model.delete(change.key);
    }
    for (const look of waiting) look();
  });
  const until = async (holds: () => boolean): Promise<void> => {
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    const look = (): void => {
      if (holds()) resolve(undefined);
    };
    const timer = setTimeout(() => reject(new Error(`not heard in time; heard ${model.size} keys`)), stepMs);
    waiting.add(look);
    look();
    await promise.finally(() => {
      clearTimeout(timer);
      waiting.delete(look);
    });
  };
  const stop = new AbortController();
  const running = follower.run(stop.signal);
  try {
    await Promise.race([body({ follower, batches, model, until }), running]);
  } finally {
    stop.abort();
    await running;
  }
  const revisions = batches.map((batch) => batch.revision);
  assert.deepEqual(revisions, [...new Set(revisions)].sort((left, right) => left - right), 'revisions are heard once and in order');
}

/** Commits until it is known to have happened exactly once, as a caller must after an answer that did not come. */
async function writeStubbornly(store: Store, key: string, value: string): Promise<void> {
  const giveUp = within();
  const commit: Commit = { guards: [{ key, modRevision: 0 }], changes: [put(key, value)] };
  while (true) {
    try {
      await store.commit(commit, giveUp); // Refused by its guard: an earlier, unanswered attempt did happen.
      return;
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      await systemClock.sleep(20, giveUp);
    }
  }
}

/** Troubles that a kind of store can be put through. */
export type StoreTrouble = 'network' | 'restart';

/** Runs the contract on the stores that `open` makes; `troubles` are those they can have by their nature. */
export function storeContract(
  name: string, open: () => Promise<StoreUnderTest>, troubles: readonly StoreTrouble[] = ['network', 'restart'],
): void {
  describe(`store contract: ${name}`, () => {
    let under: StoreUnderTest;
    let store: Store;
    beforeEach(async () => {
      under = await open();
      store = under.store;
    });
    afterEach(() => under.close());
    const now = async (): Promise<Revision> => (await store.list('', within())).revision;

    describe('list', () => {
      test('an empty store has a revision and no entries', async () => {
        const listing = await store.list('', within());
        assert.deepEqual(listing.entries, []);
        assert.ok(Number.isSafeInteger(listing.revision) && listing.revision >= 0);
      });

      test('returns entries sorted by key, each with the revision that last wrote it', async () => {
        const first = await write(store, [put('b', '1'), put('a/2', '2'), put('a/10', '3'), put('B', '4'), put('a-', '5')]);
        const second = await write(store, [put('b', '6')]);
        const listing = await store.list('', within());
        assert.deepEqual(listing.entries, [
          { key: 'B', value: '4', modRevision: first, leaseId: null },
          { key: 'a-', value: '5', modRevision: first, leaseId: null },
          { key: 'a/10', value: '3', modRevision: first, leaseId: null },
          { key: 'a/2', value: '2', modRevision: first, leaseId: null },
          { key: 'b', value: '6', modRevision: second, leaseId: null },
        ]);
        assert.ok(listing.revision >= second);
      });

      test('a prefix is a prefix of the text of the key', async () => {
        await write(store, [put('units/a', '1'), put('units/b', '2'), put('units-x', '3'), put('unit', '4'), put('v', '5')]);
        assert.deepEqual(Object.keys(await read(store, 'units/')), ['units/a', 'units/b']);
        assert.deepEqual(Object.keys(await read(store, 'units')), ['units-x', 'units/a', 'units/b']);
        assert.deepEqual(Object.keys(await read(store, 'units/a')), ['units/a']);
        assert.deepEqual(Object.keys(await read(store, 'w')), []);
        assert.equal(Object.keys(await read(store, '')).length, 5);
      });

      test('shows one moment: what one commit wrote together is never seen apart', async () => {
        await write(store, [put('pair/a', '0'), put('pair/z', '0'), ...numbered(100, (index) => put(`pair/m${three(index)}`, 'x'))]);
        const writer = (async (): Promise<void> => {
          for (let turn = 1; turn <= 30; turn += 1) await write(under.other, [put('pair/a', `${turn}`), put('pair/z', `${turn}`)]);
        })();
        for (let turn = 0; turn < 30; turn += 1) {
          const seen = await read(store, 'pair/');
          assert.equal(seen['pair/a'], seen['pair/z']);
        }
        await writer;
      });

      test('a thousand entries come back whole', async () => {
        for (let part = 0; part < 10; part += 1) await write(store, numbered(100, (index) => put(`many/${part}-${three(index)}`, 'v'.repeat(2_000))));
        const { entries } = await store.list('many/', within());
        assert.equal(entries.length, 1_000);
        assert.ok(entries.every((entry) => entry.value.length === 2_000));
      });
    });

    describe('commit', () => {
      const cases: readonly { says: string; guard: (modRevision: Revision) => Guard; committed: boolean }[] = [
        { says: 'absent, and it is', guard: () => ({ key: 'none', modRevision: 0 }), committed: true },
        { says: 'absent, but it exists', guard: () => ({ key: 'some', modRevision: 0 }), committed: false },
        { says: 'unchanged, and it is', guard: (modRevision) => ({ key: 'some', modRevision }), committed: true },
        { says: 'unchanged, but it was written since', guard: (modRevision) => ({ key: 'some', modRevision: modRevision - 1 as Revision }), committed: false },
        { says: 'present, but it is absent', guard: (modRevision) => ({ key: 'none', modRevision }), committed: false },
      ];
      for (const { says, guard, committed } of cases) {
        test(`a guard that says ${says} ${committed ? 'lets the commit happen' : 'refuses it'}`, async () => {
          await write(store, [put('some', 'old')]);
          const modRevision = await write(store, [put('some', 'newer')]);
          const outcome = await store.commit({ guards: [guard(modRevision)], changes: [put('made', 'x')] }, within());
          assert.equal(outcome.committed, committed);
          assert.ok(committed ? outcome.revision > modRevision : outcome.revision >= modRevision);
          assert.deepEqual(await read(store, ''), committed ? { made: 'x', some: 'newer' } : { some: 'newer' });
        });
      }

      test('a guard on a deleted key sees it as absent', async () => {
        const modRevision = await write(store, [put('a', '1')]);
        await write(store, [remove('a')]);
        assert.equal((await store.commit({ guards: [{ key: 'a', modRevision }], changes: [put('b', '1')] }, within())).committed, false);
        await write(store, [put('a', '2')], [{ key: 'a', modRevision: 0 }]);
        assert.deepEqual(await read(store, ''), { a: '2' });
      });

      test('one guard of many that does not hold leaves everything as it was', async () => {
        const modRevision = await write(store, [put('a', '1'), put('b', '1')]);
        const guards: Guard[] = [{ key: 'a', modRevision }, { key: 'c', modRevision: 0 }, { key: 'b', modRevision: 0 }];
        const outcome = await store.commit({ guards, changes: [put('a', '2'), remove('b'), put('c', '2')] }, within());
        assert.equal(outcome.committed, false);
        assert.deepEqual(await read(store, ''), { a: '1', b: '1' });
      });

      test('guards compare what was there before the commit changes it', async () => {
        const modRevision = await write(store, [put('a', '1')]);
        await write(store, [remove('a'), put('b', '1')], [{ key: 'a', modRevision }, { key: 'b', modRevision: 0 }]);
        assert.deepEqual(await read(store, ''), { b: '1' });
      });

      test('everything one commit changes has its revision, and the next commit a greater one', async () => {
        const first = await write(store, [put('a', '1'), put('b', '1')]);
        const second = await write(store, [put('a', '2'), put('c', '2')]);
        assert.ok(second > first);
        const { entries } = await store.list('', within());
        assert.deepEqual(entries.map((entry) => [entry.key, entry.modRevision]), [['a', second], ['b', first], ['c', second]]);
      });

      test('deleting what is not there commits and is no change', async () => {
        const after = await write(store, [put('a', '1')]);
        assert.equal((await store.commit({ guards: [], changes: [remove('none')] }, within())).committed, true);
        await write(store, [put('b', '1')]);
        const batches = await watchUntil(store, { prefix: '', after }, (changes) => changes.length > 0);
        assert.deepEqual(batches.map(words), [['put b=1']]);
      });

      test('a commit with guards only answers whether they hold', async () => {
        const modRevision = await write(store, [put('a', '1')]);
        assert.equal((await store.commit({ guards: [{ key: 'a', modRevision }], changes: [] }, within())).committed, true);
        assert.equal((await store.commit({ guards: [{ key: 'a', modRevision: 0 }], changes: [] }, within())).committed, false);
      });

      test('a key in two changes of one commit is refused as a bug, and nothing is changed', async () => {
        await assert.rejects(store.commit({ guards: [], changes: [put('a', '1'), put('b', '1'), remove('a')] }, within()));
        assert.deepEqual(await read(store, ''), {});
      });

      test('values are any text: empty, many lines, quotes, every plane of Unicode', async () => {
        const values = ['', ' ', 'a\nb\r\n\tc', '"\'\\%_;--', 'zażółć gęślą jaźń', '单元 🚀 \u{10FFFD}', 'e\u0301 \u2028 \uFEFF'];
        await write(store, values.map((value, index) => put(`text/${index}`, value)));
        assert.deepEqual(Object.values(await read(store, 'text/')), values);
        const batches = await watchUntil(store, { prefix: 'text/', after: await now() - 1 as Revision }, (changes) => changes.length > 0);
        assert.deepEqual(batches.flatMap(words), values.map((value, index) => `put text/${index}=${value}`).sort());
      });

      test('a commit as large as the limit is taken, listed and watched', async () => {
        const after = await now();
        const value = 'x'.repeat(limits.storeBytesPerCommitMax / 2 - 1_000);
        await write(store, [put('large/a', value), put('large/b', value)]);
        assert.deepEqual(await read(store, 'large/'), { 'large/a': value, 'large/b': value });
        const [batch] = await watchUntil(store, { prefix: 'large/', after }, (changes) => changes.length === 2);
        assert.deepEqual(batch?.changes.map((change) => change.kind === 'put' && change.entry.value.length), [value.length, value.length]);
      });

      test('as many guards as the limit, and as many changes, go into one commit and one batch', async () => {
        const after = await now();
        const most = limits.storeOpsPerCommitMax;
        const half = most / 2;
        const changes = numbered(most, (index) => put(`op/${three(index)}`, `${index}`));
        const guards = changes.map((change): Guard => ({ key: change.key, modRevision: 0 }));
        const revision = await write(store, changes, guards);
        const batches = await watchUntil(store, { prefix: 'op/', after }, (heard) => heard.length === most);
        assert.deepEqual(batches.map((batch) => [batch.revision, batch.changes.length]), [[revision, most]]);
        const all = numbered(most, (index) => (index < half ? remove(`op/${three(index)}`) : put(`op/${three(index)}`, 'z')));
        await write(store, all);
        assert.deepEqual(Object.keys(await read(store, 'op/')), all.slice(half).map((change) => change.key));
      });

      test('of many that create the same key at once exactly one wins', async () => {
        const outcomes = await Promise.all(Array.from({ length: 50 }, (_, index) =>
          [store, under.other][index % 2]?.commit({ guards: [{ key: 'leader', modRevision: 0 }], changes: [put('leader', `${index}`)] }, within())));
        const winners = outcomes.flatMap((outcome, index) => (outcome?.committed === true ? [`${index}`] : []));
        assert.equal(winners.length, 1);
        assert.deepEqual(await read(store, ''), { leader: winners[0] });
      });

      test('many at once each get their own revision and are all there afterwards', async () => {
        const after = await now();
        const outcomes = await Promise.all(Array.from({ length: 300 }, (_, index): Promise<CommitOutcome> =>
          store.commit({ guards: [], changes: [put(`burst/${three(index)}`, `${index}`)] }, within())));
        assert.equal(new Set(outcomes.map((outcome) => outcome.revision)).size, 300);
        assert.equal(Object.keys(await read(store, 'burst/')).length, 300);
        const batches = await watchUntil(store, { prefix: 'burst/', after }, (changes) => changes.length === 300);
        assert.deepEqual(
          batches.map((batch) => batch.revision), outcomes.map((outcome) => outcome.revision).sort((left, right) => left - right));
      });

      test('read, guard, write loses no update among many writers', async () => {
        await write(store, [put('counter', '0')]);
        const countUp = async (client: Store): Promise<void> => {
          for (let done = 0; done < 10;) {
            const [entry] = (await client.list('counter', within())).entries;
            assert.ok(entry !== undefined);
            const guards = [{ key: 'counter', modRevision: entry.modRevision }];
            const outcome = await client.commit({ guards, changes: [put('counter', `${Number(entry.value) + 1}`)] }, within());
            if (outcome.committed) done += 1;
          }
        };
        await Promise.all([store, under.other, store, under.other].map(countUp));
        assert.deepEqual(await read(store, ''), { counter: '40' });
      });
    });

    describe('watch', () => {
      test('delivers every change after a revision, in order, one batch for each revision', async () => {
        await write(store, [put('w/before', '0')]);
        const after = await now();
        const revisions = [
          await write(store, [put('w/a', '1'), put('w/b', '1')]),
          await write(store, [put('w/a', '2'), remove('w/b')]),
          await write(store, [remove('w/a'), put('w/c', '3')]),
        ];
        const batches = await watchUntil(store, { prefix: 'w/', after }, (changes) => changes.length === 6);
        assert.deepEqual(batches.map(words), [['put w/a=1', 'put w/b=1'], ['delete w/b', 'put w/a=2'], ['delete w/a', 'put w/c=3']]);
        assert.deepEqual(batches.map((batch) => batch.revision), revisions);
        for (const { revision, changes } of batches) {
          for (const change of changes) assert.equal(change.kind === 'put' ? change.entry.modRevision : change.modRevision, revision);
        }
      });

      test('sees only keys under its prefix', async () => {
        const after = await now();
        await write(store, [put('x/1', 'a'), put('xy', 'b'), put('y/1', 'c')]);
        await write(store, [put('y/2', 'd')]);
        await write(store, [remove('x/1'), remove('xy')]);
        const batches = await watchUntil(store, { prefix: 'x/', after }, (changes) => changes.length === 2);
        assert.deepEqual(batches.map(words), [['put x/1=a'], ['delete x/1']]);
      });

      test('the first batch says that the watch is established, before anything happens', async () => {
        const after = await now();
        for await (const batch of store.watch('quiet/', after, within())) {
          assert.deepEqual(batch.changes, []);
          assert.ok(batch.revision >= after);
          break;
        }
      });

      test('hears at once what happens after it was established, also through another client', async () => {
        const heard: string[] = [];
        for await (const batch of store.watch('live/', await now(), within())) {
          heard.push(...words(batch));
          if (heard.length === 5) break;
          await write(under.other, [put(`live/${heard.length}`, 'x')]);
        }
        assert.deepEqual(heard, ['put live/0=x', 'put live/1=x', 'put live/2=x', 'put live/3=x', 'put live/4=x']);
      });

      test('begun again after any batch it goes on with the next one', async () => {
        const after = await now();
        for (let index = 0; index < 8; index += 1) await write(store, [put(`r/${index}`, `${index}`), put('r/last', `${index}`)]);
        const all = await watchUntil(store, { prefix: 'r/', after }, (changes) => changes.length === 16);
        for (const [index, batch] of all.slice(0, -1).entries()) {
          const rest = await watchUntil(store, { prefix: 'r/', after: batch.revision }, (changes) => changes.length === 16 - 2 * (index + 1));
          assert.deepEqual(rest.map(words), all.slice(index + 1).map(words));
        }
      });

      test('a slow reader misses nothing of a burst', async () => {
        const after = await now();
        const heard: string[] = [];
        for await (const batch of store.watch('slow/', after, within())) {
          if (heard.length === 0) {
            await Promise.all(Array.from({ length: 200 }, (_, index) => write(under.other, [put(`slow/${three(index)}`, 'v'.repeat(500))])));
          }
          heard.push(...batch.changes.map(keyOf));
          if (heard.length === 200) break;
        }
        assert.deepEqual(heard.sort(), numbered(200, (index) => remove(`slow/${three(index)}`)).map((change) => change.key));
      });

      test('a history thrown away is said, never skipped', async () => {
        const after = await write(store, [put('a', '1')]);
        await write(store, [put('a', '2')]);
        const last = await write(store, [put('a', '3')]);
        await under.compact(last);
        await assert.rejects(watchUntil(store, { prefix: '', after }, () => false), StoreCompacted);
        assert.deepEqual(await read(store, ''), { a: '3' });
        await write(store, [put('a', '4')]);
        const batches = await watchUntil(store, { prefix: '', after: last }, (changes) => changes.length > 0);
        assert.deepEqual(batches.map(words), [['put a=4']]);
      });

      test('a revision the store has not reached is refused: its history was replaced', async () => {
        await assert.rejects(watchUntil(store, { prefix: '', after: await now() + 1_000 as Revision }, () => false), StoreCompacted);
      });
    });

    describe('lease', () => {
      const grant = (resumeId?: string): Promise<Lease> =>
        store.lease({ ttlMs: under.leaseTtlMs, ...(resumeId === undefined ? {} : { resumeId }) }, within());
      const putUnder = (lease: Lease, key: string, value: string): CommitChange => ({ kind: 'put', key, value, leaseId: lease.id });

      test('an entry names its lease and lives while the lease is renewed', async () => {
        const lease = await grant();
        assert.ok(lease.ttlMs >= under.leaseTtlMs);
        const modRevision = await write(store, [putUnder(lease, 'p', 'here')]);
        assert.equal(await lease.renew(within()), true);
        assert.deepEqual((await store.list('p', within())).entries, [{ key: 'p', value: 'here', modRevision, leaseId: lease.id }]);
        const [batch] = await watchUntil(store, { prefix: 'p', after: modRevision - 1 as Revision }, (changes) => changes.length > 0);
        assert.deepEqual(batch?.changes, [{ kind: 'put', entry: { key: 'p', value: 'here', modRevision, leaseId: lease.id } }]);
      });

      test('expiry deletes its entries, which watchers see, and nothing else', async () => {
        const lease = await grant();
        const after = await write(store, [putUnder(lease, 'p/1', 'x'), putUnder(lease, 'p/2', 'x'), put('p/durable', 'x')]);
        const seen = watchUntil(under.other, { prefix: 'p/', after }, (changes) => changes.length === 2);
        await under.expire(lease);
        assert.deepEqual((await seen).flatMap(words).sort(), ['delete p/1', 'delete p/2']);
        assert.deepEqual(await read(store, 'p/'), { 'p/durable': 'x' });
        assert.equal(await lease.renew(within()), false);
        await lease.revoke(within());
      });

      test('lifetimes tells how long entries live at least, from the last renewal on, and leaves durable ones out', async () => {
        const [lease, long] = [await grant(), await store.lease({ ttlMs: 60_000 }, within())];
        await write(store, [putUnder(lease, 'p/1', 'x'), putUnder(lease, 'p/2', 'x'), putUnder(long, 'p/3', 'x'), put('p/durable', 'x'),
          putUnder(long, 'q', 'x')]);
        await long.renew(within());
        const found = await under.other.lifetimes('p/', within());
        assert.deepEqual([...found.keys()], ['p/1', 'p/2', 'p/3']);
        assert.equal(found.get('p/1'), found.get('p/2'));
        const inBounds = (key: string, { ttlMs }: Lease): boolean => (found.get(key) ?? -1) >= 0 && (found.get(key) ?? Infinity) <= ttlMs;
        assert.ok(inBounds('p/1', lease) && inBounds('p/3', long), JSON.stringify([...found]));
        assert.ok((found.get('p/3') ?? 0) > 30_000);
        await under.expire(lease);
        assert.equal((await store.lifetimes('p/', within())).get('p/1') ?? 0, 0, 'gone, or about to go');
        await long.revoke(within());
      });

      test('a put under an expired lease throws LeaseExpired and changes nothing', async () => {
        const lease = await grant();
        await lease.revoke(within());
        await assert.rejects(store.commit({ guards: [], changes: [put('a', '1'), putUnder(lease, 'p', 'x')] }, within()), LeaseExpired);
        assert.deepEqual(await read(store, ''), {});
        const refused = await store.commit({ guards: [{ key: 'a', modRevision: 1 as Revision }], changes: [putUnder(lease, 'p', 'x')] }, within());
        assert.equal(refused.committed, false);
      });

      test('revoke deletes its entries at once, and may be repeated', async () => {
        const lease = await grant();
        const after = await write(store, [putUnder(lease, 'p/1', 'x'), put('p/2', 'x')]);
        await lease.revoke(within());
        assert.deepEqual(await read(store, 'p/'), { 'p/2': 'x' });
        const batches = await watchUntil(store, { prefix: 'p/', after }, (changes) => changes.length > 0);
        assert.deepEqual(batches.map(words), [['delete p/1']]);
        assert.equal(await lease.renew(within()), false);
        await lease.revoke(within());
      });

      test('a lease is resumed by its id while it lives', async () => {
        const lease = await grant();
        await write(store, [putUnder(lease, 'p', 'x')]);
        const resumed = await under.other.lease({ ttlMs: under.leaseTtlMs, resumeId: lease.id }, within());
        assert.equal(resumed.id, lease.id);
        assert.equal(await resumed.renew(within()), true);
        await resumed.revoke(within());
        assert.deepEqual(await read(store, 'p'), {});
        assert.equal(await lease.renew(within()), false);
      });

      for (const gone of ['revoked', 'never known']) {
        test(`resuming a lease that was ${gone} grants a new one that works`, async () => {
          const old = await grant();
          await write(store, [putUnder(old, 'p/old', 'x')]);
          await old.revoke(within());
          const lease = await grant(gone === 'revoked' ? old.id : '1234567');
          await write(store, [putUnder(lease, 'p/new', 'x')]);
          assert.equal(await lease.renew(within()), true);
          assert.deepEqual(await read(store, 'p/'), { 'p/new': 'x' });
        });
      }

      test('the last put decides which lease an entry dies with, if any', async () => {
        const first = await grant();
        const second = await grant();
        assert.notEqual(first.id, second.id);
        const keys = ['p/first', 'p/freed', 'p/moved'];
        await write(store, keys.map((key) => putUnder(first, key, 'x')));
        await write(store, [put('p/freed', 'y'), putUnder(second, 'p/moved', 'y')]);
        await first.revoke(within());
        assert.deepEqual(await read(store, 'p/'), { 'p/freed': 'y', 'p/moved': 'y' });
        await second.revoke(within());
        assert.deepEqual(await read(store, 'p/'), { 'p/freed': 'y' });
      });

      test('an entry deleted and made again without its lease outlives it', async () => {
        const lease = await grant();
        await write(store, [putUnder(lease, 'p', 'x')]);
        await write(store, [remove('p')]);
        await write(store, [put('p', 'y')]);
        await lease.revoke(within());
        assert.deepEqual(await read(store, 'p'), { p: 'y' });
      });
    });

    describe('abort', () => {
      const reason = new Error('stopped by the test');
      const verbs: Readonly<Record<string, (signal: AbortSignal) => Promise<unknown>>> = {
        list: (signal) => store.list('', signal),
        commit: (signal) => store.commit({ guards: [], changes: [put('a', '1')] }, signal),
        lease: (signal) => store.lease({ ttlMs: under.leaseTtlMs }, signal),
        lifetimes: (signal) => store.lifetimes('', signal),
        renew: async (signal) => (await store.lease({ ttlMs: under.leaseTtlMs }, within())).renew(signal),
        revoke: async (signal) => (await store.lease({ ttlMs: under.leaseTtlMs }, within())).revoke(signal),
        watch: async (signal) => {
          for await (const batch of store.watch('', 0 as Revision, signal)) assert.ok(batch);
        },
      };
      for (const [verb, call] of Object.entries(verbs)) {
        test(`${verb} with an aborted signal throws its reason`, async () => {
          await assert.rejects(call(AbortSignal.abort(reason)), (error) => error === reason);
        });
      }

      test('a watch that waits ends with the reason of its signal', async () => {
        const stop = new AbortController();
        const watching = (async (): Promise<void> => {
          for await (const batch of store.watch('', await now(), stop.signal)) {
            assert.ok(batch);
            setTimeout(() => stop.abort(reason), 0);
          }
        })();
        await assert.rejects(watching, (error) => error === reason);
        await write(store, [put('a', '1')]);
        assert.deepEqual(await read(store, ''), { a: '1' });
      });

      test('a call aborted on its way ends with the reason or with its answer, and leaves the store in order', async () => {
        for (let index = 0; index < 20; index += 1) {
          const stop = new AbortController();
          const call = store.commit({ guards: [], changes: [put('a', `${index}`), put('b', `${index}`)] }, stop.signal);
          queueMicrotask(() => stop.abort(reason));
          await call.catch((error: unknown) => assert.equal(error, reason));
        }
        const { a, b } = await read(store, '');
        assert.equal(a, b);
      });
    });

    describe('follower', () => {
      test('hears what was there, then every change', async () => {
        await write(store, [put('f/a', '1'), put('f/b', '1'), put('g', '1')]);
        await following(store, 'f/', async ({ until, batches, model, follower }) => {
          await until(() => model.size === 2);
          await write(under.other, [put('f/c', '1'), remove('f/a')]);
          await until(() => model.has('f/c'));
          assert.deepEqual(batches.map(words), [['put f/a=1', 'put f/b=1'], ['delete f/a', 'put f/c=1']]);
          assert.equal(follower.freshness().current, true);
        });
      });
    });

    if (troubles.includes('network')) networkContract(() => under);
    if (troubles.includes('restart')) restartContract(() => under);
  });
}

const lastOf = (count: number): string => `f/${three(count - 1)}`;

async function writeMany(client: Store, from: number, to: number): Promise<void> {
  for (let index = from; index < to; index += 1) await writeStubbornly(client, `f/${three(index)}`, `${index}`);
}

function assertHeardOnce(batches: readonly FollowBatch[], count: number): void {
  const heard = batches.flatMap((batch) => batch.changes.map(keyOf));
  assert.deepEqual(heard, numbered(count, (index) => remove(`f/${three(index)}`)).map((change) => change.key));
}

function networkOf(under: StoreUnderTest): NonNullable<StoreUnderTest['network']> {
  assert.ok(under.network !== undefined, 'this store is said to have a network');
  return under.network;
}

async function restart(under: StoreUnderTest): Promise<void> {
  assert.ok(under.restart !== undefined, 'this store is said to be able to restart');
  await under.restart();
}

/** The part of the contract for stores that are reached over something that can be cut. */
function networkContract(opened: () => StoreUnderTest): void {
  describe('network', () => {
    test('cut off, every verb throws StoreUnavailable; healed, it works again and nothing acknowledged is lost', async () => {
      const under = opened();
      const network = networkOf(under);
      const lease = await under.store.lease({ ttlMs: 60_000 }, within());
      await write(under.store, [put('a', '1')]);
      await network.cut();
      await assert.rejects(under.store.list('', within()), StoreUnavailable);
      await assert.rejects(under.store.commit({ guards: [], changes: [put('b', '1')] }, within()), StoreUnavailable);
      await assert.rejects(under.store.lease({ ttlMs: 60_000 }, within()), StoreUnavailable);
      await assert.rejects(lease.renew(within()), StoreUnavailable);
      await assert.rejects(watchUntil(under.store, { prefix: '', after: 0 as Revision }, () => false), StoreUnavailable);
      await network.heal();
      await writeStubbornly(under.store, 'c', '1');
      const { a, c } = await read(under.store, '');
      assert.deepEqual({ a, c }, { a: '1', c: '1' });
      assert.equal(await lease.renew(within()), true);
    });

    test('a follower that is cut off again and again hears everything once', async () => {
      const under = opened();
      const network = networkOf(under);
      await following(under.store, 'f/', async ({ until, batches, model }) => {
        for (let round = 0; round < 3; round += 1) {
          await writeMany(under.other, round * 30, round * 30 + 10);
          if (round > 0) await until(() => model.has(`f/${three(round * 30)}`));
          await network.cut();
          await writeMany(under.other, round * 30 + 10, round * 30 + 20);
          await network.heal();
          await writeMany(under.other, round * 30 + 20, round * 30 + 30);
        }
        await until(() => model.has(lastOf(90)));
        assertHeardOnce(batches, 90);
      });
    });

    test('a follower whose history was compacted while it was away hears the difference', async () => {
      const under = opened();
      const network = networkOf(under);
      await write(under.other, [put('f/same', '1'), put('f/changed', '1'), put('f/gone', '1')]);
      await following(under.store, 'f/', async ({ until, batches, model }) => {
        await until(() => model.size === 3);
        await network.cut();
        await write(under.other, [put('f/changed', '2'), put('f/short', '1')]);
        await write(under.other, [remove('f/gone'), remove('f/short')]);
        await under.compact(await write(under.other, [put('f/new', '1')]));
        await network.heal();
        await until(() => model.has('f/new'));
        assert.deepEqual(batches.slice(1).flatMap(words), ['delete f/gone', 'put f/changed=2', 'put f/new=1']);
        await write(under.other, [put('f/later', '1')]);
        await until(() => model.has('f/later'));
      });
    });
  });
}

/** The part of the contract for stores that outlive the process that keeps their data. */
function restartContract(opened: () => StoreUnderTest): void {
  describe('restart', () => {
    test('what was acknowledged is there after a restart, and revisions go on growing', async () => {
      const under = opened();
      const lease = await under.store.lease({ ttlMs: 60_000 }, within());
      await write(under.store, [{ kind: 'put', key: 'p', value: 'x', leaseId: lease.id }]);
      const last = await write(under.store, [put('a', '1')]);
      await restart(under);
      await writeStubbornly(under.store, 'b', '1');
      const listing = await under.store.list('', within());
      assert.deepEqual(listing.entries.map((entry) => [entry.key, entry.value, entry.leaseId]),
        [['a', '1', null], ['b', '1', null], ['p', 'x', lease.id]]);
      assert.ok(listing.revision > last);
      const resumed = await under.store.lease({ ttlMs: 60_000, resumeId: lease.id }, within());
      assert.equal(resumed.id, lease.id, 'a lease survives the restart');
      await resumed.revoke(within());
      assert.deepEqual(Object.keys(await read(under.store, '')), ['a', 'b']);
    });

    test('a follower and a writer go through restarts without losing or repeating anything', async () => {
      const under = opened();
      await following(under.store, 'f/', async ({ until, batches, model }) => {
        const writing = writeMany(under.other, 0, 90);
        await until(() => model.size >= 20);
        await restart(under);
        await until(() => model.size >= 50);
        await restart(under);
        await writing;
        await until(() => model.has(lastOf(90)));
        assertHeardOnce(batches, 90);
      });
    });
  });
}
