import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLog } from '../lib/log.ts';
import { createManualClock } from '../lib/manual-clock.ts';
import { seededRandom } from '../lib/random.ts';
import { createFollower } from './follower.ts';
import { createMemoryStore } from './memory-store.ts';

/** What a follower asks of the store before and after a lost connection, and the keys it hears of. */
async function overLostConnection(prefix: string): Promise<{ readonly asked: readonly string[]; readonly heard: readonly string[] }> {
  const clock = createManualClock();
  const store = createMemoryStore({ clock });
  const asked: string[] = [];
  const client = store.client(({ verb }) => {
    if (verb === 'list' || verb === 'watch') asked.push(verb);
    return {};
  });
  const heard: string[] = [];
  const stop = new AbortController();
  const log = createLog('store', 'error', () => undefined);
  const follower = createFollower({ store: client, clock, random: seededRandom(1), log }, prefix, ({ changes }) => {
    heard.push(...changes.map((change) => (change.kind === 'put' ? change.entry.key : `-${change.key}`)));
  });
  const put = async (key: string): Promise<void> => {
    await store.commit({ guards: [], changes: [{ kind: 'put', key, value: '{}' }] }, stop.signal);
    await clock.advance(1_000);
  };
  const running = follower.run(stop.signal);
  await put('part/one');
  client.cut();
  await put('part/two');
  await store.commit({ guards: [], changes: [{ kind: 'delete', key: 'part/one' }] }, stop.signal);
  client.heal();
  await clock.advance(10_000);
  stop.abort(new Error('the test is over'));
  await running;
  store.close();
  return { asked, heard };
}

test('after a lost connection a follower of everything goes on where it was, and one of a part lists that again', async () => {
  const all = await overLostConnection('');
  assert.deepEqual(all.asked.filter((verb) => verb === 'list'), ['list']);
  assert.deepEqual(all.heard, ['part/one', 'part/two', '-part/one']);
  const part = await overLostConnection('part/');
  assert(part.asked.filter((verb) => verb === 'list').length > 1);
  assert.deepEqual(part.heard, ['part/one', '-part/one', 'part/two']);
});
