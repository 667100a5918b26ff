import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ProcessActivity } from '../core/process-activity.ts';
import type { UnitName } from '../core/unit-name.ts';
import type { FileHash } from '../core/unit.ts';
import { createManualClock } from '../lib/manual-clock.ts';
import type { ManualClock } from '../lib/manual-clock.ts';
import type { Observation } from '../runner/runner.ts';
import { createSettling } from './settling.ts';

const name = 'app.service' as UnitName;
const asleep = (text = ''): ProcessActivity => ({ state: 'asleep', text });

interface Scene {
  readonly clock: ManualClock;
  /** What its processes do. */
  does: ProcessActivity;
  readonly settled: () => number;
  /** Whether the machine may say what it observes. */
  mayTell(seen?: Partial<Observation>, count?: number): boolean;
  end(): Promise<void>;
}

function scene(): Scene {
  const clock = createManualClock();
  const stop = new AbortController();
  let changes = 0;
  const settling = createSettling({ clock, activity: () => made.does, changed: () => { changes += 1; } });
  const running = settling.run(stop.signal).catch(() => undefined);
  const made: Scene = {
    clock, does: { state: 'busy', ranMs: 1 }, settled: () => changes,
    mayTell(seen = {}, count = 1) {
      const observation: Observation = {
        name, hash: 'hash' as FileHash, renderedHash: '', restart: 0, reset: 0, load: 'loaded', active: 'active', sub: 'running', sinceMs: clock.nowMs(),
        result: 'success', exitStatus: null, succeeded: false, restarts: 0, mainPid: 7, needsReload: false, ...seen,
      };
      const others = Array.from({ length: count - 1 }, (_, index) => [`other@${index}.service` as UnitName, observation] as const);
      return !settling.look(new Map([[name, observation], ...others])).has(name);
    },
    async end() {
      stop.abort();
      await running;
    },
  };
  return made;
}

describe('a service that has just begun to run', () => {
  test('may be told of once its processes have slept for a while, and that is said', async () => {
    const at = scene();
    assert.equal(at.mayTell(), false);
    at.does = asleep();
    await at.clock.advance(5);
    assert.equal(at.mayTell(), false);
    assert.equal(at.settled(), 0);
    await at.clock.advance(10);
    assert.equal(at.settled(), 1);
    assert.equal(at.mayTell(), true);
    await at.end();
  });

  test('is waited for as long as its processes do something, but not longer than a tenth of a second', async () => {
    const at = scene();
    const beganMs = at.clock.nowMs();
    assert.equal(at.mayTell(), false);
    for (let step = 0; step < 9; step += 1) {
      at.does = asleep(`woke ${step} times`);
      await at.clock.advance(10);
      assert.equal(at.mayTell({ sinceMs: beganMs }), false, `after ${(step + 1) * 10} ms`);
    }
    await at.clock.advance(10);
    assert.equal(at.mayTell({ sinceMs: beganMs }), true);
    await at.end();
  });

  test('is told of after a tenth of a second when it computes', async () => {
    const at = scene();
    const sinceMs = at.clock.nowMs();
    at.does = { state: 'busy', ranMs: 60 };
    assert.equal(at.mayTell(), false);
    await at.clock.advance(99);
    assert.equal(at.mayTell({ sinceMs }), false);
    await at.clock.advance(1);
    assert.equal(at.mayTell({ sinceMs }), true);
    await at.end();
  });

  test('is not told of while its process has not begun its program, waits for a processor or has ended, for some seconds at most', async () => {
    const table = [[{ state: 'begins' }, 5_000], [{ state: 'busy', ranMs: 49 }, 5_000], [{ state: 'ended' }, 5_000], [{ state: 'gone' }, 1_000]] as const;
    for (const [does, limitMs] of table) {
      const { state } = does;
      const at = scene();
      at.does = does;
      const sinceMs = at.clock.nowMs();
      assert.equal(at.mayTell(), false);
      await at.clock.advance(limitMs - 100);
      assert.equal(at.mayTell({ sinceMs }), false, state);
      await at.clock.advance(100);
      assert.equal(at.mayTell({ sinceMs }), true, state);
      await at.end();
    }
  });

  test('is not told of when it is heard of late and has ended by then', async () => {
    const at = scene();
    at.does = { state: 'ended' };
    const sinceMs = at.clock.nowMs();
    await at.clock.advance(3_000);
    assert.equal(at.mayTell({ sinceMs }), false);
    at.does = asleep();
    await at.clock.advance(20);
    assert.equal(at.mayTell({ sinceMs }), true);
    await at.end();
  });

  test('is told of at once when it has ended', async () => {
    const at = scene();
    assert.equal(at.mayTell(), false);
    assert.equal(at.mayTell({ active: 'failed', sub: 'failed', mainPid: 0 }), true);
    await at.clock.advance(1_000);
    assert.equal(at.settled(), 0);
    await at.end();
  });

  test('is young again with another process', async () => {
    const at = scene();
    at.does = asleep();
    at.mayTell();
    await at.clock.advance(100);
    assert.equal(at.mayTell(), true);
    assert.equal(at.mayTell({ mainPid: 8 }), false);
    await at.end();
  });

  test('is not looked at among many, only given its time', async () => {
    const at = scene();
    at.does = asleep();
    assert.equal(at.mayTell({}, 100), false);
    await at.clock.advance(80);
    assert.equal(at.settled(), 0);
    await at.clock.advance(20);
    assert.equal(at.settled(), 1);
    await at.end();
  });
});

test('what has run for long, and what is no running service, is told of at once', async () => {
  const at = scene();
  assert.equal(at.mayTell({ sinceMs: at.clock.nowMs() - 5_000 }), true);
  assert.equal(at.mayTell({ active: 'active', sub: 'listening', mainPid: 0 }), true);
  assert.equal(at.mayTell({ active: 'activating', sub: 'start', mainPid: 9 }), true);
  await at.end();
});
