import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { activityOf } from './process-activity.ts';

/** What it has done when it is asleep, else null. */
const asleepAs = (pid: number): string | null => {
  const seen = activityOf(pid);
  return seen.state === 'asleep' ? seen.text : null;
};

/** Looks until `holds`, at most a minute. */
async function until(pid: number, holds: (activity: string | null) => boolean): Promise<string | null> {
  const endMs = performance.now() + 60_000;
  for (;;) {
    const activity = asleepAs(pid);
    if (holds(activity)) return activity;
    assert.ok(performance.now() < endMs, `not within a minute; last seen: ${activity}`);
    await sleep(5);
  }
}

async function withShell(script: string, body: (pid: number) => Promise<void>): Promise<void> {
  const child = spawn('/bin/sh', ['-c', script], { stdio: 'ignore', detached: true });
  const ended = once(child, 'exit');
  try {
    await body(child.pid ?? 0);
  } finally {
    process.kill(-(child.pid ?? 0), 'SIGKILL');
    await ended;
  }
}

test('a process that waits is asleep, with all its children, and has done nothing in between', async () => {
  await withShell('sleep 100 & wait', async (pid) => {
    const asleep = await until(pid, (activity) => activity?.match(/:/g)?.length === 2);
    assert.equal(asleepAs(pid), asleep);
  });
});

test('a process is not asleep while a child of it works', async () => {
  await withShell('(while :; do :; done) & wait', async (pid) => {
    await until(pid, (activity) => activity === null);
    const seen = Array.from({ length: 50 }, () => activityOf(pid).state);
    assert.deepEqual([...new Set(seen)], ['busy']);
  });
});

test('each time a process has run it looks different', async () => {
  await withShell('while :; do sleep 0.01; done', async (pid) => {
    const first = await until(pid, (activity) => activity !== null);
    await until(pid, (activity) => activity !== null && activity !== first);
  });
});

test('a process that has ended is gone', async () => {
  const child = spawn('/bin/true', { stdio: 'ignore' });
  await once(child, 'exit');
  assert.deepEqual(activityOf(child.pid ?? 0), { state: 'gone' });
});

test('a process that has ended and was not waited for is told apart', async () => {
  // sleep does not wait for the child that the shell has left it.
  await withShell('true & exec sleep 100', async (pid) => {
    const zombie = async (): Promise<boolean> => {
      const children = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).split(' ').filter((word) => word !== '');
      return children.length === 1 && activityOf(Number(children[0])).state === 'ended';
    };
    const endMs = performance.now() + 60_000;
    while (!(await zombie())) {
      assert.ok(performance.now() < endMs, 'not within a minute');
      await sleep(5);
    }
  });
});

test('what all processes have had of the processors counts, also while the main one waits', async () => {
  await withShell('(while :; do :; done) & wait', async (pid) => {
    const endMs = performance.now() + 60_000;
    for (;;) {
      const seen = activityOf(pid);
      if (seen.state === 'busy' && seen.ranMs > 50) break;
      assert.ok(performance.now() < endMs, JSON.stringify(seen));
      await sleep(5);
    }
  });
});
