/**
 * The etcd store while etcd is harmed: whatever happens, a watcher hears every change once and in order, and callers
 * are told in one line what is wrong. Each test has its own etcd, so that they can wait side by side.
 */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import type { Clock } from '../../src/lib/clock.ts';
import { createLog } from '../../src/lib/log.ts';
import { seededRandom } from '../../src/lib/random.ts';
import { systemClock } from '../../src/lib/system-clock.ts';
import { openEtcdStore } from '../../src/store/etcd/etcd-store.ts';
import type { EtcdStore } from '../../src/store/etcd/etcd-store.ts';
import type { EtcdOptions } from '../../src/store/etcd/options.ts';
import { createFollower } from '../../src/store/follower.ts';
import { StoreCompacted, StoreUnavailable } from '../../src/store/store.ts';
import type { CommitChange, Revision, Store, StoreChange } from '../../src/store/store.ts';
import { startEtcd, startEtcdCluster, startNetwork } from './etcd-server.ts';
import type { EtcdServer } from './etcd-server.ts';

const testMs = 60_000;
const bound = (): AbortSignal => AbortSignal.timeout(testMs);
const quiet = createLog('test', 'error', () => undefined);
const closers: (() => Promise<unknown>)[] = [];
after(async () => {
  for (const close of closers.reverse()) await close();
});

function open(
  servers: readonly { readonly endpoint: string }[], more: Partial<EtcdOptions> = {}, clock: Clock = systemClock,
): EtcdStore {
  const endpoints = servers.map(({ endpoint }) => endpoint);
  const options = { endpoints, prefix: 'faults', requestTimeoutMs: 1_000, ...more };
  const store = openEtcdStore(options, { clock, random: seededRandom(1), log: quiet });
  closers.push(() => store.close());
  return store;
}

async function etcd(...options: Parameters<typeof startEtcd>): Promise<EtcdServer> {
  const server = await startEtcd(...options);
  closers.push(() => server.close());
  return server;
}

async function cluster(): Promise<readonly EtcdServer[]> {
  const servers = await startEtcdCluster(3);
  closers.push(...servers.map((server) => () => server.close()));
  return servers;
}

const keyAt = (index: number): string => `load/${String(index).padStart(5, '0')}`;
const keyOf = (change: StoreChange): string => (change.kind === 'put' ? change.entry.key : change.key);
const put = (key: string, value: string): CommitChange => ({ kind: 'put', key, value });
const allKeys = (count: number): string[] => Array.from({ length: count }, (_, index) => keyAt(index));

async function retrying<T>(call: () => Promise<T>, signal: AbortSignal): Promise<T> {
  while (true) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      await systemClock.sleep(20, signal);
    }
  }
}

/** Creates keys one after the other, each exactly once even when an answer got lost. */
interface Load {
  readonly written: () => number;
  /** Rejects when the load cannot go on. */
  readonly done: Promise<void>;
  stopAt(count: number): Promise<void>;
}

function startLoad(store: Store, signal: AbortSignal): Load {
  let written = 0;
  let last = Number.POSITIVE_INFINITY;
  const done = (async (): Promise<void> => {
    while (written < last) {
      const key = keyAt(written);
      const commit = { guards: [{ key, modRevision: 0 as const }], changes: [put(key, `${written}`)] };
      await retrying(() => store.commit(commit, signal), signal);
      written += 1;
    }
  })();
  done.catch(() => undefined); // Whoever waits for it throws it.
  return {
    written: () => written,
    done,
    stopAt(count): Promise<void> {
      last = count;
      return done;
    },
  };
}

/** What bare watches have heard under `load/`, and why they ended. */
interface Heard {
  readonly heard: readonly string[];
  readonly ended: readonly string[];
  until(count: number): Promise<void>;
}

/** Watches `load/`; a watch that ends is begun again at the last revision delivered. */
function startWatching(store: Store, from: Revision, signal: AbortSignal): Heard {
  const heard: string[] = [];
  const ended: string[] = [];
  let position = from;
  const watching = (async (): Promise<void> => {
    while (true) {
      try {
        for await (const batch of store.watch('load/', position, signal)) {
          assert.ok(batch.changes.length === 0 || batch.revision > position, 'a revision is delivered once');
          position = batch.revision;
          heard.push(...batch.changes.map(keyOf));
        }
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error;
        ended.push(error.message);
        await systemClock.sleep(20, signal);
      }
    }
  })();
  watching.catch(() => undefined); // until() throws it.
  return {
    heard,
    ended,
    until: (count) => Promise.race([holds(() => heard.length >= count, signal), watching]),
  };
}

async function holds(condition: () => boolean, signal: AbortSignal): Promise<void> {
  while (!condition()) await systemClock.sleep(10, signal);
}

/**
 * Writes through `writer`, watches through `watcher`, harms, and compares what was heard with what was written.
 * Returns why watches ended.
 */
async function underLoad(
  stores: { writer: Store; watcher: Store }, harm: (load: Load, ended: readonly string[]) => Promise<void>,
): Promise<readonly string[]> {
  const over = new AbortController();
  const signal = AbortSignal.any([bound(), over.signal]);
  const { revision } = await retrying(() => stores.watcher.list('load/', signal), signal);
  const watch = startWatching(stores.watcher, revision, signal);
  const followed: string[] = [];
  const needs = { store: stores.watcher, clock: systemClock, random: seededRandom(2), log: quiet };
  const follower = createFollower(needs, 'load/', (batch) => followed.push(...batch.changes.map(keyOf)));
  const following = follower.run(signal);
  const load = startLoad(stores.writer, signal);
  await Promise.race([holds(() => load.written() >= 50, signal), load.done]);
  await harm(load, watch.ended);
  const count = load.written() + 50;
  await load.stopAt(count);
  await watch.until(count);
  await holds(() => followed.length >= count, signal);
  over.abort();
  await following;
  assert.deepEqual(watch.heard, allKeys(count));
  assert.deepEqual(followed, allKeys(count));
  return watch.ended;
}

describe('nothing is lost and nothing is heard twice', { concurrency: 4, timeout: testMs + 5_000 }, () => {
  test('when etcd is restarted again and again', async () => {
    const server = await etcd();
    const ended = await underLoad({ writer: open([server]), watcher: open([server]) }, async () => {
      for (let round = 0; round < 3; round += 1) {
        await server.stop();
        await server.restart();
      }
    });
    assert.ok(ended.length > 0);
  });

  test('when etcd is killed again and again', async () => {
    const server = await etcd();
    const ended = await underLoad({ writer: open([server]), watcher: open([server]) }, async (load) => {
      for (let round = 0; round < 3; round += 1) {
        await server.kill();
        await server.restart();
        const before = load.written();
        await holds(() => load.written() > before, bound());
      }
    });
    assert.ok(ended.length >= 3);
  });

  test('when etcd is stopped for longer than a request may take, and goes on', async () => {
    const server = await etcd();
    const writer = open([server]);
    await underLoad({ writer, watcher: open([server]) }, async () => {
      await server.pause();
      await holds(() => !writer.health().connected, bound());
      server.resume();
    });
  });

  test('when the network is cut in the middle of a watch, in both directions, at any moment', async () => {
    const server = await etcd();
    const network = await startNetwork(server.endpoint);
    closers.push(() => network.close());
    const ended = await underLoad({ writer: open([network]), watcher: open([network]) }, async (load) => {
      for (let round = 0; round < 25; round += 1) {
        const before = load.written();
        await network.cut();
        await network.heal();
        await holds(() => load.written() > before + round * 3, bound());
      }
    });
    assert.ok(ended.length >= 10);
  });

  test('when the network swallows everything without a word: the pings notice', async () => {
    const server = await etcd();
    const network = await startNetwork(server.endpoint);
    closers.push(() => network.close());
    await underLoad({ writer: open([server]), watcher: open([network]) }, async (_, ended) => {
      network.swallow();
      await holds(() => ended.length > 0, bound());
      await network.heal();
    });
  });

  test('when history is compacted under a watch that keeps up', async () => {
    const server = await etcd();
    const store = open([server]);
    await underLoad({ writer: store, watcher: open([server]) }, async (load) => {
      for (let round = 0; round < 5; round += 1) {
        const { revision } = await store.list('load/', bound());
        await store.compact(revision, bound());
        await store.compact(revision, bound());
        const before = load.written();
        await holds(() => load.written() > before + 20, bound());
      }
    });
  });

  test('when the leader of three members is killed, and the member in use is killed', async () => {
    const servers = await cluster();
    const writer = open(servers);
    const watcher = open(servers);
    await underLoad({ writer, watcher }, async (load) => {
      const leader = await leaderOf(servers);
      await leader.kill();
      const before = load.written();
      await holds(() => load.written() > before + 20, bound());
      await leader.restart();
      const used = servers.find(({ endpoint }) => endpoint === watcher.health().endpoint);
      await used?.kill();
      const between = load.written();
      await holds(() => load.written() > between + 20, bound());
      await used?.restart();
    });
  });

  test('when leadership moves while all members live', async () => {
    const servers = await cluster();
    await underLoad({ writer: open(servers), watcher: open(servers) }, async (load) => {
      for (let round = 0; round < 3; round += 1) {
        const leader = await leaderOf(servers);
        const other = servers.find((server) => server !== leader);
        const [, memberId = ''] = (await other?.etcdctl('endpoint', 'status'))?.split(', ') ?? [];
        await leader.etcdctl('move-leader', memberId);
        const before = load.written();
        await holds(() => load.written() > before + 20, bound());
      }
    });
  });

  test('when a watch catches up on more than etcd sends in one piece', async () => {
    const store = open([await etcd()], { requestTimeoutMs: 5_000 });
    const { revision } = await store.list('', bound());
    const value = 'x'.repeat(300_000);
    for (let index = 0; index < 30; index += 1) {
      const changes = ['a', 'b', 'c', 'd'].map((name) => put(`load/${name}${index}`, value));
      await store.commit({ guards: [], changes }, bound());
    }
    const batches = [];
    for await (const batch of store.watch('load/', revision, bound())) {
      if (batch.changes.length > 0) batches.push(batch);
      if (batches.length === 30) break;
    }
    assert.deepEqual(batches.map((batch) => batch.changes.map(keyOf)), allOf(30));
  });
});

const allOf = (count: number): string[][] =>
  Array.from({ length: count }, (_, index) => ['a', 'b', 'c', 'd'].map((name) => `load/${name}${index}`));

async function leaderOf(servers: readonly EtcdServer[]): Promise<EtcdServer> {
  for (const server of servers) {
    const text = await server.etcdctl('endpoint', 'status').catch(() => '');
    if (text.split(', ')[4] === 'true') return server;
  }
  throw new Error('no member says that it leads');
}

/** Waits for the error that a call ends with, trying again while it succeeds or ends with another one. */
async function eventually(call: () => Promise<unknown>, message: RegExp): Promise<Error> {
  const signal = bound();
  let last: unknown = null;
  while (!signal.aborted) {
    try {
      await call();
    } catch (error) {
      last = error;
      if (error instanceof StoreUnavailable && message.test(error.message)) return error;
    }
    await systemClock.sleep(50, signal);
  }
  throw new Error(`never failed with ${String(message)}; last: ${String(last)}`);
}

const drain = async (batches: AsyncIterable<unknown>): Promise<void> => {
  for await (const batch of batches) assert.ok(batch);
};

describe('what callers are told', { concurrency: 4, timeout: testMs + 5_000 }, () => {
  test('a member without quorum ends its watches and refuses at once; with quorum it serves again', async () => {
    const [alone, ...others] = await cluster();
    assert.ok(alone !== undefined);
    const store = open([alone], { requestTimeoutMs: 5_000 });
    const { revision } = await store.list('', bound());
    const watching = assert.rejects(drain(store.watch('', revision, bound())), (error) =>
      error instanceof StoreUnavailable && error.message.includes('has no leader'));
    await Promise.all(others.map((server) => server.kill()));
    await watching;
    const noLeader = /^etcd at http:\/\/127\.0\.0\.1:\d+: it has no leader \(no quorum, or an election\)$/;
    await eventually(() => store.list('', bound()), noLeader);
    assert.equal(store.health().connected, false);
    await Promise.all(others.map((server) => server.restart()));
    await retrying(() => store.list('', bound()), bound());
    assert.equal(store.health().connected, true);
  });

  test('an endpoint that refuses connections is passed over; when all do, each is named with its reason', async () => {
    const server = await etcd();
    const dead = { endpoint: 'http://127.0.0.1:9' };
    const store = open([dead, server, dead]);
    await store.list('', bound());
    assert.equal(store.health().endpoint, server.endpoint);
    await assert.rejects(open([dead, { endpoint: 'http://127.0.0.1:10' }]).list('', bound()), (error) => {
      assert.ok(error instanceof StoreUnavailable);
      const reasons = error.message.split('; ').sort();
      assert.deepEqual(reasons, [
        'etcd at http://127.0.0.1:10: unreachable: connect ECONNREFUSED 127.0.0.1:10',
        'etcd at http://127.0.0.1:9: unreachable: connect ECONNREFUSED 127.0.0.1:9',
      ]);
      return true;
    });
  });

  test('a server that does not answer costs one request timeout, and the next member is used', async () => {
    const servers = await cluster();
    const store = open(servers);
    await store.list('', bound());
    const used = servers.find(({ endpoint }) => endpoint === store.health().endpoint);
    assert.ok(used !== undefined);
    const lease = await store.lease({ ttlMs: 60_000 }, bound());
    await used.pause();
    const message = `etcd at ${used.endpoint}: no answer in time`;
    await assert.rejects(lease.renew(bound()), { name: 'StoreUnavailable', message });
    assert.equal(await retrying(() => lease.renew(bound()), bound()), true);
    assert.notEqual(store.health().endpoint, used.endpoint);
    used.resume();
  });

  test('an etcd that was wiped is noticed: the watch says list again, a follower hears the difference', async () => {
    const server = await etcd();
    const store = open([server]);
    const write = async (key: string): Promise<Revision> =>
      (await retrying(() => store.commit({ guards: [], changes: [put(key, 'x')] }, bound()), bound())).revision;
    for (let index = 0; index < 20; index += 1) await write(`old/${index}`);
    const after = await write('kept');
    const model = new Set<string>();
    const stop = new AbortController();
    const needs = { store, clock: systemClock, random: seededRandom(3), log: quiet };
    const following = createFollower(needs, '', ({ changes }) => {
      for (const change of changes) {
        if (change.kind === 'put') model.add(change.entry.key);
        else model.delete(change.key);
      }
    }).run(stop.signal);
    await holds(() => model.size === 21, bound());
    await server.wipe();
    await write('kept');
    await assert.rejects(retrying(() => drain(store.watch('', after, bound())), bound()), StoreCompacted);
    await holds(() => model.size === 1 && model.has('kept'), bound());
    stop.abort();
    await following;
  });

  test('an etcd that was replaced by another one is noticed even when its revisions are further on', async () => {
    const [old, other] = [await etcd(), await etcd()];
    const network = await startNetwork(old.endpoint);
    closers.push(() => network.close());
    const store = open([network]);
    const { revision } = await store.list('', bound());
    const establish = async (after: Revision): Promise<void> => {
      for await (const batch of store.watch('', after, bound())) {
        assert.deepEqual(batch.changes, []);
        break;
      }
    };
    await establish(revision);
    for (let index = 0; index < 10; index += 1) await other.etcdctl('put', '/faults/a', `${index}`);
    network.leadTo(other.endpoint);
    await network.cut();
    await network.heal();
    await assert.rejects(retrying(() => establish(revision), bound()), StoreCompacted);
    await establish((await store.list('', bound())).revision);
  });

  test('a watch on which nothing happens is left alone, until nobody answers when it asks', async () => {
    const server = await etcd();
    const network = await startNetwork(server.endpoint);
    closers.push(() => network.close());
    let slept = 0;
    const hurried: Clock = {
      ...systemClock,
      async sleep(delayMs, signal): Promise<void> {
        await systemClock.sleep(delayMs / 5, signal);
        slept += 1;
      },
    };
    const store = open([network], { requestTimeoutMs: 15_000 }, hurried);
    const { revision } = await store.list('', bound());
    const batches = store.watch('', revision, bound())[Symbol.asyncIterator]();
    await batches.next();
    const next = batches.next();
    await holds(() => slept >= 4, bound());
    await server.etcdctl('put', '/faults/a', 'x');
    const { value: batch } = await next;
    assert.deepEqual(batch?.changes.map(keyOf), ['a']);
    const waiting = batches.next();
    network.swallow();
    const message = `etcd at ${network.endpoint}: no answer on the watch in time`;
    await assert.rejects(waiting, { name: 'StoreUnavailable', message });
  });

  test('a watch that etcd does not take up in time ends', async () => {
    const server = await etcd();
    const store = open([server]);
    const { revision } = await store.list('', bound());
    await server.pause();
    await assert.rejects(drain(store.watch('', revision, bound())),
      { name: 'StoreUnavailable', message: `etcd at ${server.endpoint}: no answer on the watch in time` });
    server.resume();
  });

  test('a full database says so, in commits and in the status, and still answers reads', async () => {
    const server = await etcd({ flags: ['--quota-backend-bytes=4194304'] });
    const store = open([server], { requestTimeoutMs: 5_000 });
    const value = 'x'.repeat(500_000);
    let index = 0;
    const full = /^etcd at \S+: its database is full \(alarm NOSPACE\): compact and defragment it, then run "[a-z ]+"$/;
    await eventually(() => store.commit({ guards: [], changes: [put(`big/${index++}`, value)] }, bound()), full);
    const status = await store.status(bound());
    assert.deepEqual(status.alarms, ['NOSPACE']);
    assert.ok(status.databaseBytes > 4_000_000 && status.databaseBytesInUse > 0 && status.raftTerm > 1);
    assert.equal(status.leaderId, status.memberId);
    assert.match(status.version, /^3\.\d+\.\d+/);
    assert.ok((await store.list('big/', bound())).entries.length > 0);
  });

  test('a listing far larger than one message is read in parts, at one revision', async () => {
    const store = open([await etcd()], { requestTimeoutMs: 10_000 });
    for (let part = 0; part < 10; part += 1) {
      const changes = Array.from({ length: 100 }, (_, index) => put(`small/${part}-${index}`, ''));
      await store.commit({ guards: [], changes }, bound());
    }
    for (let index = 0; index < 18; index += 1) {
      await store.commit({ guards: [], changes: [put(`z/${index}`, 'x'.repeat(1_200_000))] }, bound());
    }
    const { entries } = await store.list('', bound());
    assert.equal(entries.length, 1_018);
    assert.equal(entries.at(-1)?.value.length, 1_200_000);
  });

  test('closing ends what waits', async () => {
    const store = open([await etcd()]);
    const { revision } = await store.list('', bound());
    const batches = store.watch('', revision, bound())[Symbol.asyncIterator]();
    await batches.next();
    const waiting = assert.rejects(batches.next(), { name: 'StoreUnavailable', message: 'the store was closed' });
    await store.close();
    await waiting;
    await assert.rejects(store.list('', bound()), { name: 'StoreUnavailable', message: 'the store was closed' });
  });
});
