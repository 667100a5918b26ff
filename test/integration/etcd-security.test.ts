/**
 * The etcd store behind TLS with client certificates and behind user name and password, on real etcd servers.
 */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createLog } from '../../src/lib/log.ts';
import { seededRandom } from '../../src/lib/random.ts';
import { systemClock } from '../../src/lib/system-clock.ts';
import { openEtcdStore } from '../../src/store/etcd/etcd-store.ts';
import type { EtcdStore } from '../../src/store/etcd/etcd-store.ts';
import { checkEtcdOptions } from '../../src/store/etcd/options.ts';
import type { EtcdOptions, EtcdTls } from '../../src/store/etcd/options.ts';
import { StoreUnavailable } from '../../src/store/store.ts';
import type { Store } from '../../src/store/store.ts';
import { makeCertificates, startEtcd } from './etcd-server.ts';
import type { Certificates, EtcdServer } from './etcd-server.ts';

const bound = (): AbortSignal => AbortSignal.timeout(60_000);
const stores: EtcdStore[] = [];
let folder: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fleet-tls-'));
});
after(async () => {
  for (const store of stores) await store.close();
  await rm(folder, { recursive: true, force: true });
});

function open(server: EtcdServer, more: Partial<EtcdOptions>): EtcdStore {
  const options = { endpoints: [server.endpoint], prefix: '/guarded/', requestTimeoutMs: 2_000, ...more };
  assert.equal(checkEtcdOptions(options).ok, true);
  const log = createLog('test', 'error', () => undefined);
  const store = openEtcdStore(options, { clock: systemClock, random: seededRandom(1), log });
  stores.push(store);
  return store;
}

/** Every verb once, and a watch that hears the commit. */
async function useEverything(store: Store): Promise<void> {
  const lease = await store.lease({ ttlMs: 60_000 }, bound());
  const { revision } = await store.list('', bound());
  const put = { kind: 'put', key: 'a', value: '1', leaseId: lease.id } as const;
  const outcome = await store.commit({ guards: [], changes: [put] }, bound());
  for await (const batch of store.watch('', revision, bound())) {
    if (batch.changes.length === 0) continue;
    assert.equal(batch.revision, outcome.revision);
    break;
  }
  assert.equal(await lease.renew(bound()), true);
  await lease.revoke(bound());
}

describe('TLS with client certificates', { timeout: 40_000 }, () => {
  let server: EtcdServer;
  let certificates: Certificates;
  before(async () => {
    certificates = await makeCertificates(folder);
    server = await startEtcd({ certificates });
  });
  after(() => server.close());

  test('a client with a certificate of the authority is served', async () => {
    const { ca, cert, key } = certificates;
    await useEverything(open(server, { tls: { ca, cert, key } }));
  });

  const refused: readonly { says: string; tls: () => Promise<EtcdTls>; message: RegExp }[] = [
    {
      says: 'a client without a certificate',
      tls: async () => ({ ca: certificates.ca }),
      message: /certificate required|bad certificate/,
    },
    {
      says: 'an etcd whose authority is unknown',
      tls: async () => ({}),
      message: /unreachable: .*(self-signed|unable to (verify|get))/,
    },
    {
      says: 'a certificate of another authority',
      async tls() {
        const elsewhere = join(folder, 'elsewhere');
        await mkdir(elsewhere);
        const { cert, key } = await makeCertificates(elsewhere);
        return { ca: certificates.ca, cert, key };
      },
      message: /certificate/,
    },
  ];
  for (const { says, tls, message } of refused) {
    test(`${says} is refused, and the message says why`, async () => {
      const store = open(server, { tls: await tls() });
      await assert.rejects(store.list('', bound()), (error) => {
        assert.ok(error instanceof StoreUnavailable);
        assert.match(error.message, message);
        assert.match(error.message, /^etcd at https:\/\/127\.0\.0\.1:\d+: [^\n]+$/);
        return true;
      });
    });
  }
});

describe('user name and password', { timeout: 40_000 }, () => {
  let server: EtcdServer;
  const root = ['--user=root:toor'];
  before(async () => {
    server = await startEtcd();
    await server.etcdctl('user', 'add', 'root:toor');
    await server.etcdctl('user', 'grant-role', 'root', 'root');
    await server.etcdctl('user', 'add', 'fleet:secret');
    await server.etcdctl('role', 'add', 'fleet');
    await server.etcdctl('role', 'grant-permission', '--prefix=true', 'fleet', 'readwrite', '/guarded/');
    await server.etcdctl('user', 'grant-role', 'fleet', 'fleet');
    await server.etcdctl('auth', 'enable');
  });
  after(() => server.close());
  const user = { username: 'fleet', password: 'secret' };

  test('a user who may use the key prefix is served', async () => {
    await useEverything(open(server, user));
  });

  test('a token that etcd no longer takes is renewed without anybody noticing', async () => {
    const store = open(server, user);
    await useEverything(store);
    // Both change the users, and so make every token old; the new password is the same one.
    await server.etcdctl(...root, 'user', 'delete', 'fleet');
    await server.etcdctl(...root, 'user', 'add', 'fleet:secret');
    await server.etcdctl(...root, 'user', 'grant-role', 'fleet', 'fleet');
    const answers = await Promise.all(Array.from({ length: 10 }, () => store.list('', bound())));
    assert.equal(answers.length, 10);
    await useEverything(store);
  });

  test('a watch refused for an old token works when it is begun again', async () => {
    const store = open(server, user);
    const { revision } = await store.list('', bound());
    await server.etcdctl(...root, 'user', 'delete', 'fleet');
    await server.etcdctl(...root, 'user', 'add', 'fleet:secret');
    await server.etcdctl(...root, 'user', 'grant-role', 'fleet', 'fleet');
    for (let attempt = 0; ; attempt += 1) {
      try {
        for await (const batch of store.watch('', revision, bound())) {
          assert.deepEqual(batch.changes, []);
          break;
        }
        break;
      } catch (error) {
        assert.ok(error instanceof StoreUnavailable && attempt === 0, `refused twice: ${String(error)}`);
      }
    }
  });

  test('an etcd that asks nobody for a password serves a client that has one', async () => {
    const openServer = await startEtcd();
    try {
      await useEverything(open(openServer, user));
    } finally {
      await openServer.close();
    }
  });

  const refused: readonly { says: string; more: Partial<EtcdOptions>; reason: string }[] = [
    {
      says: 'a wrong password',
      more: { ...user, password: 'wrong' },
      reason: 'it refuses the user name or the password',
    },
    { says: 'no user name', more: {}, reason: 'it wants a user name and a password' },
    {
      says: 'another key prefix',
      more: { ...user, prefix: '/other' },
      reason: 'the user may not read and write under the key prefix',
    },
  ];
  for (const { says, more, reason } of refused) {
    test(`${says} is refused, and the message says why`, async () => {
      const store = open(server, more);
      const message = `etcd at ${server.endpoint}: ${reason}`;
      const commit = { guards: [], changes: [{ kind: 'put', key: 'a', value: '1' } as const] };
      await assert.rejects(store.list('', bound()), { name: 'StoreUnavailable', message });
      await assert.rejects(store.commit(commit, bound()), { name: 'StoreUnavailable', message });
    });
  }
});
