/**
 * fleetctl on etcd itself (`--driver=etcd`, or a key prefix no API here serves): the API runs inside fleetctl, on a socket of its own.
 * Promises: the same decisions and guards as through a fleetd, because it is the same code; the socket lies in a directory only the
 * user can enter and is gone afterwards. Status and journal stay with the machines: without a peer identity in the store nobody answers.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createApi } from '../api/api.ts';
import type { EtcdDriverOptions } from '../cli/environment.ts';
import { createClient, type FleetClient } from '../client/client.ts';
import { socketEndpoint } from '../client/endpoint.ts';
import type { MachineId } from '../core/machine.ts';
import { createLog } from '../lib/log.ts';
import { systemClock } from '../lib/system-clock.ts';
import { version } from '../lib/version.ts';
import { openEtcdStore } from '../store/etcd/etcd-store.ts';
import { checkEtcdOptions } from '../store/etcd/options.ts';
import { createMirror } from '../store/mirror.ts';
import { trustful } from '../store/trust.ts';
import type { Revision } from '../store/store.ts';

/** Opens etcd, waits until it has answered once and serves the API to this process. Throws an Error with one line for people. */
export async function openEtcdDriver(options: EtcdDriverOptions, signal: AbortSignal): Promise<FleetClient> {
  const { endpoints, keyPrefix, timeoutMs, tls = {}, serverName } = options;
  const named = serverName === undefined ? {} : { serverName };
  const checked = checkEtcdOptions({ endpoints, prefix: keyPrefix, requestTimeoutMs: timeoutMs, tls, ...named });
  if (!checked.ok) throw new Error(checked.failure.message);
  const needs = { clock: systemClock, random: { next: Math.random }, log: createLog('etcd', 'error', (line) => process.stderr.write(`${line}\n`)) };
  const store = openEtcdStore(checked.value, needs);
  const stop = new AbortController();
  const mirror = createMirror({ store, ...needs });
  const following = mirror.run(stop.signal);
  const close = async (): Promise<void> => {
    stop.abort();
    await following;
    await store.close();
  };
  try {
    await mirror.reached(1 as Revision, AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]));
  } catch {
    const why = mirror.freshness().why;
    await close();
    const what = why === '' ? `etcd at ${endpoints.join(', ')} does not answer within ${timeoutMs / 1_000} s` : why;
    throw new Error(`${what}; look whether it runs there, or name another endpoint with --endpoint`);
  }
  const api = createApi({
    mirror, rest: null, store, clock: systemClock, log: needs.log, version, keyPrefix, machineId: 'fleetctl' as MachineId, storeKind: 'etcd',
    local: new Map(), peers: null, presence: () => null, trust: trustful, trouble: () => null, storeHealth: () => null, storeTroubles: () => [],
    reports: new Map(), tokenLimit: 100,
  }, stop.signal);
  await api.app.ready();
  const directory = await mkdtemp(join(tmpdir(), 'fleetctl-'));
  const socket = join(directory, 'api.sock');
  const server = createServer();
  api.attach(server);
  await new Promise<void>((resolve, reject) => { server.once('error', reject).listen(socket, resolve); });
  const client = createClient({ endpoints: [socketEndpoint(socket)], timeoutMs, tls: {}, ...needs });
  return {
    ...client,
    async close() {
      await client.close();
      await api.app.close();
      server.close();
      server.closeAllConnections();
      await close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
