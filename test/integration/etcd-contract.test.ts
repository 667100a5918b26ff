/**
 * The store's contract on a real etcd: one server for the whole file, a key prefix of its own for each test.
 */
import { after, before } from 'node:test';
import { createLog } from '../../src/lib/log.ts';
import { seededRandom } from '../../src/lib/random.ts';
import { systemClock } from '../../src/lib/system-clock.ts';
import { openEtcdStore } from '../../src/store/etcd/etcd-store.ts';
import type { EtcdStore } from '../../src/store/etcd/etcd-store.ts';
import { storeContract } from '../../src/store/store.contract.ts';
import { startEtcd, startNetwork } from './etcd-server.ts';
import type { EtcdServer } from './etcd-server.ts';

let server: EtcdServer;
let prefixes = 0;

before(async () => {
  server = await startEtcd();
});
after(() => server.close());

function open(endpoint: string): EtcdStore {
  const options = { endpoints: [endpoint], prefix: `contract/${prefixes}`, requestTimeoutMs: 5_000 };
  const log = createLog('test', 'error', () => undefined);
  return openEtcdStore(options, { clock: systemClock, random: seededRandom(1), log });
}

storeContract('etcd', async () => {
  prefixes += 1;
  const network = await startNetwork(server.endpoint);
  const store = open(network.endpoint);
  const other = open(server.endpoint);
  return {
    store,
    other,
    leaseTtlMs: 2_000,
    async expire(lease): Promise<void> {
      // The entries tell when: etcd deletes the entries of an expired lease half a second or so after its time.
      const signal = AbortSignal.timeout(60_000);
      const lives = async (): Promise<boolean> =>
        (await other.list('', signal)).entries.some((entry) => entry.leaseId === lease.id);
      while (await lives()) await systemClock.sleep(50, signal);
    },
    compact: (revision) => other.compact(revision, AbortSignal.timeout(60_000)),
    network,
    async restart(): Promise<void> {
      await server.kill();
      await server.restart();
    },
    async close(): Promise<void> {
      await Promise.all([store.close(), other.close()]);
      await network.close();
    },
  };
});
