import assert from 'node:assert/strict';
import { uptime } from 'node:os';
import { test } from 'node:test';
import { systemClock } from './system-clock.ts';

test('a sleep ends no earlier than asked, by the clock that cannot jump', async () => {
  const startMs = performance.now();
  await systemClock.sleep(20, new AbortController().signal);
  assert.ok(performance.now() - startMs >= 19);
});

test('an aborted sleep rejects with the reason itself, however long it was', async () => {
  const stop = new AbortController();
  const reason = new Error('stop');
  const sleeping = systemClock.sleep(10 ** 12, stop.signal);
  stop.abort(reason);
  await assert.rejects(sleeping, (error) => error === reason);
});

test('whoever sleeps for no time again and again holds up no timer, and can be stopped', async () => {
  let hasFired = false;
  setTimeout(() => { hasFired = true; }, 1);
  while (!hasFired) await systemClock.sleep(0, new AbortController().signal);
  const stop = new AbortController();
  const sleeping = systemClock.sleep(0, stop.signal);
  stop.abort(new Error('stop'));
  await assert.rejects(sleeping, /stop/);
});

test('uptime is the uptime of the machine, in milliseconds, and never goes back', () => {
  const beforeMs = uptime() * 1_000;
  let lastMs = 0;
  for (let round = 0; round < 1_000; round += 1) {
    const uptimeMs = systemClock.uptimeMs();
    assert.ok(Number.isInteger(uptimeMs) && uptimeMs >= lastMs);
    lastMs = uptimeMs;
  }
  // os.uptime() goes in steps of 10 ms.
  assert.ok(lastMs > beforeMs - 20 && lastMs <= uptime() * 1_000 + 20);
});

test('uptime tells times apart that are less than the 10 ms of os.uptime() away from one another', () => {
  const giveUpMs = performance.now() + 60_000;
  let lastMs = systemClock.uptimeMs();
  let leastStepMs = Infinity;
  while (leastStepMs > 2) {
    const uptimeMs = systemClock.uptimeMs();
    if (uptimeMs > lastMs) leastStepMs = Math.min(leastStepMs, uptimeMs - lastMs);
    lastMs = uptimeMs;
    assert.ok(performance.now() < giveUpMs, `no two times less than ${leastStepMs} ms away from one another`);
  }
});
