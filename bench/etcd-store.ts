/**
 * Measures the etcd store against a real etcd on loopback: commits one after the other and 64 in flight, watch and
 * listing.
 * Run: node_modules/.bin/node bench/etcd-store.ts [seconds]. Compare figures of one run with each other only.
 */
import assert from 'node:assert/strict';
import { createLog } from '../src/lib/log.ts';
import { seededRandom } from '../src/lib/random.ts';
import { systemClock } from '../src/lib/system-clock.ts';
import { openEtcdStore } from '../src/store/etcd/etcd-store.ts';
import type { CommitChange, Store } from '../src/store/store.ts';
import { startEtcd } from '../test/integration/etcd-server.ts';

const seconds = Number(process.argv[2] ?? '5');
const never = new AbortController().signal;
const value = JSON.stringify({ state: 'launched', hash: 'a'.repeat(40), filler: 'x'.repeat(150) });
const put = (key: string): CommitChange => ({ kind: 'put', key, value });

async function putsPerSecond(store: Store, inFlight: number): Promise<number> {
  const startMs = performance.now();
  const endMs = startMs + seconds * 1_000;
  let done = 0;
  await Promise.all(Array.from({ length: inFlight }, async (_, lane) => {
    while (performance.now() < endMs) {
      await store.commit({ guards: [], changes: [put(`bench/${lane}/${done % 1_000}`)] }, never);
      done += 1;
    }
  }));
  return done / ((performance.now() - startMs) / 1_000);
}

async function watchSpeed(store: Store, entries: number): Promise<number> {
  const { revision } = await store.list('', never);
  await Promise.all(Array.from({ length: 16 }, async (_, lane) => {
    for (let index = lane; index < entries; index += 16) {
      await store.commit({ guards: [], changes: [put(`watched/${index}`)] }, never);
    }
  }));
  const startMs = performance.now();
  let heard = 0;
  for await (const batch of store.watch('watched/', revision, never)) {
    heard += batch.changes.length;
    if (heard >= entries) break;
  }
  assert.equal(heard, entries);
  return entries / ((performance.now() - startMs) / 1_000);
}

const server = await startEtcd();
const options = { endpoints: [server.endpoint], prefix: 'bench', requestTimeoutMs: 10_000 };
const log = createLog('bench', 'error', (line) => process.stderr.write(`${line}\n`));
const store = openEtcdStore(options, { clock: systemClock, random: seededRandom(1), log });
try {
  for (const inFlight of [1, 1, 64, 64]) {
    const cpuBefore = process.cpuUsage();
    const rate = await putsPerSecond(store, inFlight);
    const cpu = process.cpuUsage(cpuBefore);
    const busy = (cpu.user + cpu.system) / 1e6 / seconds;
    const cost = `${(busy * 100).toFixed(0)} % of one core here, ${(busy * 1e6 / rate).toFixed(0)} µs each`;
    process.stdout.write(`${inFlight} in flight: ${rate.toFixed(0)} commits/s, ${cost}\n`);
  }
  process.stdout.write(`watch catching up: ${(await watchSpeed(store, 10_000)).toFixed(0)} changes/s\n`);
  const startMs = performance.now();
  const { entries } = await store.list('', never);
  process.stdout.write(`list: ${entries.length} entries in ${(performance.now() - startMs).toFixed(0)} ms\n`);
} finally {
  await store.close();
  await server.close();
}
