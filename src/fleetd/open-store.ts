/** Opens the store a fleetd uses: etcd or the embedded one. Promises: wrong certificates or endpoints are a failure, not a crash later. */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../config.ts';
import { failure, success, type Result } from '../core/failure.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { Random } from '../lib/random.ts';
import { openEmbeddedStore } from '../store/embedded/embedded-store.ts';
import { openEtcdStore, type EtcdStore } from '../store/etcd/etcd-store.ts';
import { checkEtcdOptions, type EtcdOptions } from '../store/etcd/options.ts';
import type { Store } from '../store/store.ts';
import { chooseStore } from './store-choice.ts';

export interface StoreNeeds {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export interface OpenStore {
  readonly kind: 'etcd' | 'embedded';
  readonly store: Store;
  /** The same store, when it is etcd. */
  readonly etcd: EtcdStore | null;
  /** Why an embedded store takes no changes; null when it does. */
  trouble(): string | null;
  close(): Promise<void>;
}

export async function openStore(config: Config, needs: StoreNeeds): Promise<Result<OpenStore>> {
  const choice = await chooseStore(config);
  if (choice.kind === 'embedded') {
    needs.log.warning(`this machine is a fleet of its own, with the embedded store in ${config.dataDirectory}: ${choice.why}`);
    await mkdir(config.dataDirectory, { recursive: true });
    try {
      const store = await openEmbeddedStore({ file: join(config.dataDirectory, 'fleet.db'), ...needs });
      return success({ kind: 'embedded', store, etcd: null, trouble: store.trouble, close: () => store.close() });
    } catch (error) {
      return failure('STORE_UNAVAILABLE', (error as Error).message);
    }
  }
  const options = await etcdOptions(config, choice.endpoints);
  if (!options.ok) return options;
  needs.log.info(`the store is etcd at ${choice.endpoints.join(', ')}: ${choice.why}`, { prefix: config.etcdKeyPrefix });
  const store = openEtcdStore(options.value, needs);
  return success({ kind: 'etcd', store, etcd: store, trouble: () => null, close: () => store.close() });
}

async function etcdOptions(config: Config, endpoints: readonly string[]): Promise<Result<EtcdOptions>> {
  const files = { ca: config.etcdCaFile, cert: config.etcdCertFile, key: config.etcdKeyFile };
  const tls: { ca?: string; cert?: string; key?: string } = {};
  for (const [name, path] of Object.entries(files)) {
    if (path === '') continue;
    try {
      tls[name as keyof typeof tls] = await readFile(path, 'utf8');
    } catch (error) {
      return failure('CONFIG_INVALID', `etcd_${name}file=${path} cannot be read: ${(error as Error).message}`);
    }
  }
  return checkEtcdOptions({
    endpoints, prefix: config.etcdKeyPrefix, requestTimeoutMs: config.etcdRequestTimeoutMs, tls,
    ...(config.etcdUsername === '' ? {} : { username: config.etcdUsername }),
    ...(config.etcdPassword === '' ? {} : { password: config.etcdPassword }),
  });
}
