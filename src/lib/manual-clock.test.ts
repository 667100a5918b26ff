import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createManualClock } from './manual-clock.ts';

const never = new AbortController().signal;

test('sleeps end in the order of their deadlines, equal ones in the order they began', async () => {
  const clock = createManualClock();
  const ended: string[] = [];
  const sleep = async (name: string, delayMs: number): Promise<void> => {
    await clock.sleep(delayMs, never);
    ended.push(`${name}@${clock.uptimeMs()}`);
  };
  const all = Promise.all([sleep('c', 30), sleep('a', 10), sleep('b', 10), sleep('now', 0)]);
  await clock.advance(29);
  assert.deepEqual(ended, ['now@0', 'a@10', 'b@10']);
  await clock.advance(1);
  await all;
  assert.deepEqual(ended, ['now@0', 'a@10', 'b@10', 'c@30']);
});

test('a sleep begun while time moves still ends at its own moment', async () => {
  const clock = createManualClock();
  const at: number[] = [];
  const ticking = (async (): Promise<void> => {
    for (let tick = 0; tick < 4; tick += 1) {
      await clock.sleep(10, never);
      at.push(clock.uptimeMs());
    }
  })();
  await clock.advance(100);
  await ticking;
  assert.deepEqual(at, [10, 20, 30, 40]);
  assert.equal(clock.uptimeMs(), 100);
});

test('an aborted sleep rejects with the reason and is forgotten', async () => {
  const clock = createManualClock();
  const stop = new AbortController();
  const reason = new Error('stop');
  const sleeping = clock.sleep(10, stop.signal);
  stop.abort(reason);
  await assert.rejects(sleeping, (error) => error === reason);
  await assert.rejects(clock.sleep(10, stop.signal), (error) => error === reason);
  assert.equal(clock.sleepers(), 0);
});

test('running until a condition stops at the sleep that makes it true, and gives up at the limit', async () => {
  const clock = createManualClock();
  let done = false;
  void clock.sleep(5_000, never).then(() => {
    done = true;
  });
  void clock.sleep(9_000, never);
  await clock.runUntil(() => done, 60_000);
  assert.equal(clock.uptimeMs(), 5_000);
  await assert.rejects(clock.runUntil(() => false, 1_000), /1000 ms of virtual time/);
});

test('the wall clock may jump without uptime noticing', () => {
  const clock = createManualClock(1_000);
  clock.stepWallClock(-500);
  assert.equal(clock.nowMs(), 500);
  assert.equal(clock.uptimeMs(), 0);
});
