/** How soon what is observed gets into the store, and how seldom it is written. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MachineId } from '../core/machine.ts';
import type { FileHash, UnitStatus } from '../core/unit.ts';
import type { UnitName } from '../core/unit-name.ts';
import { createManualClock } from '../lib/manual-clock.ts';
import type { ManualClock } from '../lib/manual-clock.ts';
import { keys } from '../store/keys.ts';
import { createMemoryStore } from '../store/memory-store.ts';
import type { Presence } from './presence.ts';
import { createAgentReport } from './report.ts';
import { createReporter } from './reporter.ts';

const machine = 'm1' as MachineId;
const ttlMs = 60_000;
const name = 'app.service' as UnitName;

function statusOf(mainPid: number): UnitStatus {
  return {
    hash: 'hash' as FileHash, load: 'loaded', active: 'active', sub: 'running', sinceMs: 0, result: 'success', exitStatus: null, succeeded: false,
    restarts: 0, mainPid, restart: 0, reset: 0, released: 0, fencedAtMs: 0, problem: '', health: 'none', healthWhy: '', draining: false, ports: {}, portsInDoubt: false,
  };
}

interface Scene {
  readonly clock: ManualClock;
  /** Observes the unit with that main process; units are still unless it is said otherwise. */
  see(mainPid: number, isStill?: boolean): void;
  /** What the store holds is not known any more. */
  forget(): void;
  /** How many commits have been made so far. */
  commits(): number;
  /** How many the store has not answered in time. */
  failedCommits(): number;
  end(): Promise<void>;
}

async function scene({ commitMs = 0 } = {}): Promise<Scene> {
  const clock = createManualClock();
  const memory = createMemoryStore({ clock });
  const store = memory.client(({ verb }) => (verb === 'commit' ? { delayMs: commitMs } : {}));
  const never = new AbortController();
  const { id: leaseId } = await memory.lease({ ttlMs }, never.signal);
  const { revision } = await memory.commit({ guards: [], changes: [{ kind: 'put', key: keys.machine(machine), value: '{}', leaseId }] }, never.signal);
  const holding = { leaseId, guard: { key: keys.machine(machine), modRevision: revision } };
  const presence = { holding: () => holding, subscribe: () => undefined, doubt: () => undefined } as unknown as Presence;
  const report = createAgentReport();
  const reporter = createReporter({ store, clock, presence, machine, ttlMs, report });
  const running = reporter.run(never.signal).catch((error: unknown) => assert.ok(never.signal.aborted, String(error)));
  return {
    clock,
    see: (mainPid, isStill = true) => reporter.update(new Map([[name, statusOf(mainPid)]]), { early: new Set(), isStill }),
    commits: () => report.statusCommits,
    failedCommits: () => report.failedStatusCommits,
    forget: reporter.forget,
    async end() {
      never.abort();
      await running;
    },
  };
}

test('what is seen a moment after a look that found nothing new is written at once', async () => {
  const at = await scene();
  at.see(1);
  await at.clock.advance(1_000);
  assert.equal(at.commits(), 1);
  at.see(1);
  await at.clock.advance(1);
  at.see(2);
  await at.clock.advance(1);
  assert.equal(at.commits(), 2);
  await at.end();
});

test('a few changes after a time of quiet follow one another soon, many are written together', async () => {
  const at = await scene();
  await at.clock.advance(1_000);
  const changes = 400;
  for (let pid = 1; pid <= changes; pid += 1) {
    at.see(pid);
    await at.clock.advance(5);
    if (pid === 4) assert.equal(at.commits(), 4);
  }
  // Two seconds at one commit in 50 ms, and the few that come sooner: those there were, and one more for each eighth of a second.
  assert.ok(at.commits() <= 40 + 4 + 16 + 1, `${at.commits()} commits`);
  assert.ok(at.commits() >= 40, `${at.commits()} commits`);
  await at.end();
});

test('what is told of units on their way waits for them, but not for long', async () => {
  const at = await scene();
  await at.clock.advance(1_000);
  at.see(1, false);
  await at.clock.advance(10);
  at.see(2, false);
  await at.clock.advance(10);
  assert.equal(at.commits(), 0);
  at.see(3);
  await at.clock.advance(0);
  assert.equal(at.commits(), 1);
  await at.clock.advance(1_000);
  at.see(4, false);
  await at.clock.advance(49);
  assert.equal(at.commits(), 1);
  await at.clock.advance(1);
  assert.equal(at.commits(), 2);
  await at.end();
});

test('what is to be forgotten while a commit is on its way is read again, and nothing breaks', async () => {
  const at = await scene({ commitMs: 500 });
  at.see(1);
  await at.clock.advance(100);
  at.forget();
  await at.clock.advance(5_000);
  assert.equal(at.commits(), 1);
  at.see(2);
  await at.clock.advance(5_000);
  assert.equal(at.commits(), 2);
  await at.end();
});

test('a store is given as much time for an answer as the lease allows for', async () => {
  for (const { commitMs, failed } of [{ commitMs: ttlMs / 3 - 1, failed: 0 }, { commitMs: ttlMs / 3 + 1, failed: 1 }]) {
    const at = await scene({ commitMs });
    at.see(1);
    await at.clock.advance(commitMs + 1);
    assert.deepEqual([at.commits(), at.failedCommits()], [1 - failed, failed]);
    await at.end();
  }
});
