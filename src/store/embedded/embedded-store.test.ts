import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createLog } from '../../lib/log.ts';
import { DatabaseSync } from 'node:sqlite';
import { createManualClock } from '../../lib/manual-clock.ts';
import { seededRandom } from '../../lib/random.ts';
import { systemClock } from '../../lib/system-clock.ts';
import { storeContract } from '../store.contract.ts';
import type { StoreUnderTest } from '../store.contract.ts';
import { StoreCompacted, StoreUnavailable } from '../store.ts';
import type { Commit, Revision, Store } from '../store.ts';
import { openDatabase } from './database.ts';
import { openEmbeddedStore } from './embedded-store.ts';
import type { EmbeddedStore, EmbeddedStoreNeeds } from './embedded-store.ts';

const never = new AbortController().signal;
const within = (): AbortSignal => AbortSignal.timeout(60_000);
let folder = '';
let files = 0;
const newFile = (): string => join(folder, `${files += 1}`, 'store.db');

const needsFor = (file: string, more: Partial<EmbeddedStoreNeeds> = {}): EmbeddedStoreNeeds =>
  ({ file, clock: systemClock, random: seededRandom(1), log: createLog('store', 'error', () => undefined), ...more });
const putting = (key: string, value: string): Commit => ({ guards: [], changes: [{ kind: 'put', key, value }] });
const keysOf = async (store: Store): Promise<string[]> => (await store.list('', within())).entries.map((entry) => entry.key);
const sqlite = (file: string, statement: string): string => execFileSync('sqlite3', [file, statement], { encoding: 'utf8' });

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'fleet-embedded-'));
});
after(() => rmSync(folder, { recursive: true }));

storeContract('embedded', async (): Promise<StoreUnderTest> => {
  const clock = createManualClock();
  const file = newFile();
  let store = await openEmbeddedStore(needsFor(file, { clock }));
  const facade: Store = {
    list: (prefix, signal) => store.list(prefix, signal),
    watch: (prefix, from, signal) => store.watch(prefix, from, signal),
    commit: (commit, signal) => store.commit(commit, signal),
    lease: (request, signal) => store.lease(request, signal),
    lifetimes: (prefix, signal) => store.lifetimes(prefix, signal),
  };
  return {
    store: facade,
    other: facade,
    leaseTtlMs: 5_000,
    expire: (lease) => clock.advance(lease.ttlMs),
    compact: async (revision) => store.compact(revision),
    async restart(): Promise<void> {
      await store.close();
      store = await openEmbeddedStore(needsFor(file, { clock }));
    },
    close: () => store.close(),
  };
}, ['restart']);

/** Opens the store, hands it to `body` and closes it. */
async function withStore<T>(needs: EmbeddedStoreNeeds, body: (store: EmbeddedStore) => Promise<T>): Promise<T> {
  const store = await openEmbeddedStore(needs);
  try {
    return await body(store);
  } finally {
    await store.close();
  }
}

/** Gives a command mounts of its own; who is not root needs to be it in a user namespace, which there is none of under chroot(1). */
const withOwnMounts = ['unshare', '--mount', ...(process.getuid?.() === 0 ? [] : ['--map-root-user'])];

/** A Node process that runs `body` with `store` opened on `file`; `said` gives its lines as they come. */
function runWriter(file: string, body: string, prepare = ''): { child: ChildProcess; said: string[] } {
  const at = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);
  const program = `
    import { openEmbeddedStore } from ${at('./embedded-store.ts')};
    import { systemClock } from ${at('../../lib/system-clock.ts')};
    import { seededRandom } from ${at('../../lib/random.ts')};
    import { createLog } from ${at('../../lib/log.ts')};
    const say = (line) => process.stdout.write(line + '\\n');
    const never = new AbortController().signal;
    const put = (key, value) => store.commit({ guards: [], changes: [{ kind: 'put', key, value }] }, never);
    const log = createLog('store', 'debug', say);
    const store = await openEmbeddedStore({ file: ${JSON.stringify(file)}, clock: systemClock, random: seededRandom(1), log });
    ${body}`;
  const node = [process.execPath, '--disable-warning=ExperimentalWarning', '--input-type=module', '--eval', program];
  const [command = '', ...args] = prepare === '' ? node : [...withOwnMounts, 'sh', '-c', `${prepare} && exec "$@"`, 'sh', ...node];
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const said: string[] = [];
  let rest = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    said.push(...lines);
    child.emit('said');
  });
  child.once('exit', () => child.emit('said'));
  return { child, said };
}

async function untilSaid({ child, said }: { child: ChildProcess; said: string[] }, count: number): Promise<void> {
  while (said.length < count) {
    assert.equal(child.exitCode, null, 'the writer still runs');
    await once(child, 'said', { signal: within() });
  }
}

describe('embedded store', () => {
  test('the file can be read with sqlite3 while the store is open', async () => {
    const file = newFile();
    await withStore(needsFor(file), async (store) => {
      const lease = await store.lease({ ttlMs: 60_000 }, never);
      await store.commit(putting('a', 'one'), never);
      await store.commit({ guards: [], changes: [{ kind: 'put', key: 'b', value: 'zażółć', leaseId: lease.id }] }, never);
      assert.equal(sqlite(file, 'SELECT key, value, mod_revision, lease_id FROM entries ORDER BY key'), 'a|one|1|\nb|zażółć|2|1\n');
    });
  });

  test('nobody but its owner can read the file', async () => {
    const file = newFile();
    await withStore(needsFor(file), async (store) => {
      await store.commit(putting('a', 'secret'), never);
      for (const path of [file, `${file}-wal`, `${file}-lock`]) assert.equal(statSync(path).mode & 0o777, 0o600, path);
    });
  });

  test('after a restart a watch from the newest revision goes on, one from before is told to list again', async () => {
    const file = newFile();
    const revision = await withStore(needsFor(file), async (store) => {
      await store.commit(putting('a', '1'), never);
      return (await store.commit(putting('a', '2'), never)).revision;
    });
    await withStore(needsFor(file), async (store) => {
      assert.equal((await store.list('', never)).revision, revision);
      await assert.rejects(store.watch('', revision - 1 as Revision, never)[Symbol.asyncIterator]().next(), StoreCompacted);
      const watch = store.watch('', revision, never)[Symbol.asyncIterator]();
      await watch.next();
      const next = await store.commit(putting('b', '1'), never);
      assert.equal(next.revision, revision + 1);
      assert.equal(((await watch.next()).value as { revision: Revision }).revision, next.revision);
    });
  });

  test('after a restart a lease has its whole ttl again, and ends when nobody renews it', async () => {
    const file = newFile();
    const clock = createManualClock();
    await withStore(needsFor(file, { clock }), async (store) => {
      const lease = await store.lease({ ttlMs: 5_000 }, never);
      await store.commit({ guards: [], changes: [{ kind: 'put', key: 'p', value: 'x', leaseId: lease.id }] }, never);
      await clock.advance(4_000);
    });
    await withStore(needsFor(file, { clock }), async (store) => {
      const { revision } = await store.list('', never);
      await clock.advance(4_000);
      assert.deepEqual(await keysOf(store), ['p']);
      await clock.advance(1_000);
      for await (const batch of store.watch('', revision, within())) if (batch.changes.length > 0) break;
      assert.deepEqual(await keysOf(store), []);
    });
    await withStore(needsFor(file, { clock }), async (store) => {
      assert.deepEqual(await keysOf(store), []);
      assert.equal((await store.lease({ ttlMs: 5_000, resumeId: '1' }, never)).id, '2', 'lease ids are never given twice');
    });
    assert.equal(clock.sleepers(), 0);
  });

  test('a lease whose asker gave up while it was written ends all the same', async () => {
    const clock = createManualClock();
    const file = newFile();
    await withStore(needsFor(file, { clock }), async (store) => {
      const giveUp = new AbortController();
      const asking = store.lease({ ttlMs: 5_000 }, giveUp.signal);
      await Promise.resolve();
      giveUp.abort(new Error('gave up'));
      await assert.rejects(asking, /gave up/);
      await store.commit(putting('a', '1'), never);
      await clock.advance(5_000);
      await store.commit(putting('a', '2'), never);
      assert.equal(sqlite(file, 'SELECT count(*) FROM leases'), '0\n');
    });
  });

  test('many commits share few syncs', async () => {
    const file = newFile();
    await withStore(needsFor(file), async (store) => {
      await store.commit(putting('first', ''), never);
      const before = statSync(`${file}-wal`).size;
      await Promise.all(Array.from({ length: 500 }, (_, index) => store.commit(putting(`k${index}`, 'x'), never)));
      const pages = (statSync(`${file}-wal`).size - before) / 4_120; // A frame of the log is a page and its header.
      assert.ok(pages < 200, `${pages} pages were written for 500 commits`);
    });
  });

  test('a closed store answers StoreUnavailable, ends its watches, and can be opened again at once', async () => {
    const file = newFile();
    const store = await openEmbeddedStore(needsFor(file));
    const watching = (async (): Promise<void> => {
      for await (const batch of store.watch('', 0 as Revision, never)) assert.ok(batch);
    })();
    const ended = assert.rejects(watching, StoreUnavailable);
    const last = store.commit(putting('a', '1'), never);
    await store.close();
    await ended;
    await last;
    await assert.rejects(store.list('', never), { name: 'StoreUnavailable', message: `the store ${file} was closed` });
    await withStore(needsFor(file), async (again) => assert.deepEqual(await keysOf(again), ['a']));
  });

  test('a second opener is refused, in this process and from another', async () => {
    const file = newFile();
    const message = `the store ${file} is open in another process: is a second fleetd running with the same data directory?`;
    await withStore(needsFor(file), async (store) => {
      await store.commit(putting('a', '1'), never);
      await assert.rejects(openEmbeddedStore(needsFor(file)), { name: 'StoreUnavailable', message });
      await store.commit(putting('b', '1'), never);
    });
    const writer = runWriter(file, `say('open'); setInterval(() => undefined, 1_000);`);
    await untilSaid(writer, 1);
    await assert.rejects(openEmbeddedStore(needsFor(file)), { name: 'StoreUnavailable', message });
    writer.child.kill('SIGKILL');
    await once(writer.child, 'exit');
    await withStore(needsFor(file), async (store) => assert.deepEqual(await keysOf(store), ['a', 'b']));
  });

  test('kill -9 in the middle of writing loses nothing that was acknowledged', async () => {
    const file = newFile();
    const acknowledged = new Set<string>();
    for (let round = 0; round < 4; round += 1) {
      const writer = runWriter(file, `
        const work = async (lane) => {
          for (let turn = 0; ; turn += 1) {
            const key = 'round${round}/' + lane + '/' + turn;
            await put(key, 'v'.repeat(300));
            say(key);
          }
        };
        await Promise.all(Array.from({ length: 10 }, (_, lane) => work(lane)));`);
      await untilSaid(writer, 400 + round * 137);
      writer.child.kill('SIGKILL');
      await once(writer.child, 'close');
      for (const key of writer.said) acknowledged.add(key);
      await withStore(needsFor(file), async (store) => {
        const found = new Set(await keysOf(store));
        assert.deepEqual([...acknowledged].filter((key) => !found.has(key)), []);
        assert.ok((await store.list('', never)).revision >= acknowledged.size);
      });
    }
  });

  test('any cut of the log after an acknowledged commit keeps that commit, and every commit is whole or absent', async () => {
    const file = newFile();
    const copy = join(folder, 'cut.db');
    const ends: number[] = [];
    await withStore(needsFor(file), async (store) => {
      for (let index = 0; index < 12; index += 1) {
        const changes = ['a', 'b'].map((side) => ({ kind: 'put', key: `${index}/${side}`, value: side.repeat(3_000) }) as const);
        await store.commit({ guards: [], changes }, never);
        ends.push(statSync(`${file}-wal`).size);
      }
      execFileSync('cp', [file, copy]); // A process of its own: closing the file here would drop the locks held on it.
      execFileSync('cp', [`${file}-wal`, join(folder, 'cut.wal')]);
    });
    for (let cut = ends[0] ?? 0; cut <= (ends.at(-1) ?? 0); cut += 1_013) {
      execFileSync('cp', [copy, `${copy}-cut`]);
      execFileSync('cp', [join(folder, 'cut.wal'), `${copy}-cut-wal`]);
      truncateSync(`${copy}-cut-wal`, cut);
      const whole = ends.filter((end) => end <= cut).length;
      const database = openDatabase({ file: `${copy}-cut`, bytesMax: 10_000_000 });
      const { revision, entries } = database.load();
      database.close();
      assert.deepEqual([cut, revision, entries.length], [cut, whole, 2 * whole]);
      for (const suffix of ['', '-wal', '-shm', '-lock']) rmSync(`${copy}-cut${suffix}`, { force: true });
    }
  });

  const unusable: readonly { says: string; make: (file: string) => void; why: RegExp }[] = [
    { says: 'no SQLite file', make: (file) => writeFileSync(file, 'units = []\n'.repeat(100)), why: /^\S+store\.db is not a store of fleet \(not a SQLite file\): move it away/ },
    { says: 'of some other program', make: (file) => sqlite(file, 'CREATE TABLE bookmarks (url)'), why: /store\.db is a SQLite file of some other program/ },
    { says: 'of a newer fleet', make: (file) => sqlite(file, 'PRAGMA user_version = 7'), why: /store\.db was written by a newer fleet \(layout 7, this one knows 1\)/ },
    { says: 'damaged', make: damage, why: /store\.db is damaged \(.+\): move it away and put a copy back, or save what is left with "sqlite3 \S+ \.recover"/ },
    { says: 'a folder', make: (file) => {
      rmSync(file, { force: true });
      mkdirSync(file);
    }, why: /the store \S+store\.db cannot be opened/ },
  ];
  for (const { says, make, why } of unusable) {
    test(`a file that is ${says} is refused with one sentence that names it`, async () => {
      const file = newFile();
      if (says === 'of a newer fleet' || says === 'damaged') {
        await withStore(needsFor(file), async (store) => {
          for (let index = 0; index < 50; index += 1) await store.commit(putting(`k${index}`, 'x'.repeat(3_000)), never);
        });
      } else mkdirSync(join(file, '..'));
      make(file);
      await assert.rejects(openEmbeddedStore(needsFor(file)), (error: Error) => {
        assert.ok(error instanceof StoreUnavailable);
        assert.match(error.message, why);
        assert.ok(!error.message.includes('\n'));
        return true;
      });
    });
  }

  test('a disk that takes no changes is said until it takes them again, also when nobody writes', async () => {
    const file = newFile();
    const clock = createManualClock();
    const lines: string[] = [];
    const store = await openEmbeddedStore(needsFor(file, { clock, log: createLog('store', 'info', (line) => lines.push(line)) }));
    assert.equal(store.trouble(), null);
    const other = new DatabaseSync(file);
    other.exec('BEGIN IMMEDIATE');
    await assert.rejects(store.commit(putting('a', '1'), within()), StoreUnavailable);
    assert.match(store.trouble() ?? '', /is locked by another program/);
    other.exec('ROLLBACK');
    other.close();
    await clock.advance(5_000);
    // What changes nothing is not written; it is answered after what was tried before it.
    await store.commit({ guards: [{ key: 'a', modRevision: 7 as Revision }], changes: [] }, within());
    assert.equal(store.trouble(), null);
    assert.deepEqual(await keysOf(store), [], 'what was refused stays refused');
    assert.equal(lines.length, 2, lines.join());
    await store.close();
  });

  test('a store that may not grow any more refuses commits, keeps what it has, and takes commits again once there is space', async () => {
    const file = newFile();
    await withStore(needsFor(file, { bytesMax: 400_000 }), async (store) => {
      const full = await fill(store);
      assert.match(full.error.message, /^no space for the store \S+store\.db: free some on its disk/);
      assert.deepEqual(await keysOf(store), full.keys);
      await store.commit({ guards: [], changes: full.keys.slice(0, 5).map((key) => ({ kind: 'delete', key })) }, never);
      await store.commit(putting('again', 'x'), never);
      assert.deepEqual(await keysOf(store), ['again', ...full.keys.slice(5)]);
    });
    await withStore(needsFor(file), async (store) => assert.ok((await keysOf(store)).includes('again')));
  });

  test('a reader that holds the file with sqlite3 does not stop commits', async () => {
    const file = newFile();
    await withStore(needsFor(file), async (store) => {
      await store.commit(putting('a', '1'), never);
      const reader = spawn('sqlite3', [file], { stdio: ['pipe', 'pipe', 'inherit'] });
      reader.stdin.write('BEGIN; SELECT count(*) FROM entries;\n');
      await once(reader.stdout, 'data', { signal: within() });
      await Promise.all(Array.from({ length: 20 }, (_, index) => store.commit(putting(`k${index}`, 'x'.repeat(10_000)), within())));
      reader.stdin.end();
      await once(reader, 'exit');
    });
  });

  test('a file damaged while it is open is told once in the log and by every call, and opened again when it is whole', async () => {
    const file = newFile();
    const lines: string[] = [];
    const log = createLog('store', 'info', (line) => lines.push(line));
    await withStore(needsFor(file, { log }), async (store) => {
      await store.commit(putting('a', '1'), never);
      const watching = (async (): Promise<void> => {
        for await (const batch of store.watch('', 0 as Revision, never)) assert.ok(batch);
      })();
      const ended = assert.rejects(watching, StoreUnavailable);
      sqlite(file, 'ALTER TABLE entries RENAME TO away');
      await assert.rejects(store.commit(putting('b', '1'), never), StoreUnavailable);
      await assert.rejects(store.list('', never), /the store \S+ cannot be used: no such table/);
      await ended;
      sqlite(file, 'ALTER TABLE away RENAME TO entries');
      const giveUp = within();
      while (await store.commit(putting('c', '1'), never).then(() => false, () => true)) await systemClock.sleep(50, giveUp);
      assert.deepEqual(await keysOf(store), ['a', 'c']);
    });
    assert.equal(lines.length, 2);
    assert.match(lines[0] ?? '', /^ERROR store: the store \S+ cannot be used: no such table.*; opening it again until that works/);
    assert.match(lines[1] ?? '', /^INFO store: the store is open again/);
  });

  test('a place where no file can be made is told as such', async () => {
    const file = newFile();
    mkdirSync(join(file, '..'));
    writeFileSync(file, '');
    await assert.rejects(openEmbeddedStore(needsFor(join(file, 'store.db'))), /the store \S+ cannot be used: E[A-Z]+: .*mkdir '\S+store\.db'/);
  });

  const smallDisks = spawnSync('env', [...withOwnMounts, 'true']).status === 0;
  test('a full disk refuses commits and loses nothing; freed, commits work again', { skip: smallDisks ? false : 'this user may not mount a small disk' }, async () => {
    const disk = join(folder, 'disk');
    mkdirSync(disk);
    const writer = runWriter(join(disk, 'store.db'), `
      import { writeFileSync, rmSync } from 'node:fs';
      import { execFileSync } from 'node:child_process';
      const acknowledged = [];
      let why = '';
      for (let index = 0; why === '' && index < 1_000; index += 1) {
        await put('k' + index, 'x'.repeat(20_000)).then(() => acknowledged.push('k' + index), (error) => { why = error.name + ': ' + error.message; });
      }
      say(why);
      const found = (await store.list('', never)).entries.map((entry) => entry.key);
      say(String(acknowledged.length > 10 && acknowledged.every((key) => found.includes(key)) && found.length === acknowledged.length));
      execFileSync('mount', ['-o', 'remount,size=8m', ${JSON.stringify(disk)}]);
      let again = 'no';
      for (let turn = 0; again === 'no' && turn < 100; turn += 1) {
        await put('again', 'x').then(() => { again = 'yes'; }, () => systemClock.sleep(50, never));
      }
      say(again);
      await store.close();`, `mount -t tmpfs -o size=2m tmpfs ${disk}`);
    await once(writer.child, 'close', { signal: within() });
    const [why = '', kept, again] = writer.said.filter((line) => !/^(ERROR|WARNING|INFO) /.test(line));
    assert.match(why, /^StoreUnavailable: no space for the store \S+: free some on its disk/);
    assert.deepEqual([kept, again], ['true', 'yes']);
    assert.ok(!existsSync(join(disk, 'store.db')), 'the small disk was seen by the writer only');
  });
});

/** Commits until there is no space; what was acknowledged, and how it was refused. */
async function fill(store: Store): Promise<{ keys: string[]; error: Error }> {
  const keys: string[] = [];
  for (let index = 0; index < 1_000; index += 1) {
    const key = `k${String(index).padStart(4, '0')}`;
    try {
      await store.commit(putting(key, 'x'.repeat(20_000)), never);
      keys.push(key);
    } catch (error) {
      assert.ok(error instanceof StoreUnavailable);
      return { keys, error };
    }
  }
  throw new Error('the store took more than it may');
}

/** Writes rubbish over pages in the middle of the file. */
function damage(file: string): void {
  execFileSync('dd', ['if=/dev/urandom', `of=${file}`, 'bs=4096', 'seek=3', 'count=8', 'conv=notrunc', 'status=none']);
}
