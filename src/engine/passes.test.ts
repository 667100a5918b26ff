/** When a leader looks again, on a clock that is as coarse as the kernel's, and what it looks at before it decides. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeMachine, putAssignment, putMachine } from '../api/fake-fleetd.ts';
import type { FileHash } from '../core/unit.ts';
import type { MachineId } from '../core/machine.ts';
import type { UnitName } from '../core/unit-name.ts';
import { parseUnitFile } from '../core/unit-file.ts';
import { hashUnitFile } from '../core/unit-hash.ts';
import type { Clock } from '../lib/clock.ts';
import { createLog } from '../lib/log.ts';
import { createManualClock } from '../lib/manual-clock.ts';
import type { ManualClock } from '../lib/manual-clock.ts';
import { seededRandom } from '../lib/random.ts';
import { keys } from '../store/keys.ts';
import { createMemoryStore } from '../store/memory-store.ts';
import { createMirror } from '../store/mirror.ts';
import type { Mirror } from '../store/mirror.ts';
import { encodeRecord } from '../store/records.ts';
import type { CommitChange } from '../store/store.ts';
import { runEngine } from './engine.ts';
import { createEngineReport } from './report.ts';

/** The granularity of /proc/uptime. */
const tickMs = 10;

/** A clock that shows whole ticks, and on which reading takes its time: one millisecond. `phaseMs` is where in a tick it begins. */
function coarse(clock: ManualClock, phaseMs: number): Clock {
  let readingMs = phaseMs;
  return {
    nowMs: () => clock.nowMs(),
    uptimeMs() {
      readingMs += 1;
      return Math.floor((clock.uptimeMs() + readingMs) / tickMs) * tickMs;
    },
    // By a clock of whole ticks a sleep may seem to end early.
    sleep: (delayMs, signal) => clock.sleep(Math.max(0, delayMs - tickMs + 3), signal),
  };
}

/** The lease time: within it most machines have to vanish to be waited for. */
const ttlMs = 5_000;
const text = '[Service]\nExecStart=/bin/sleep infinity\n';
const [one, two, three] = ['1', '2', '3'].map((digit) => digit.repeat(32) as MachineId) as [MachineId, MachineId, MachineId];
const unit = 'a.service' as UnitName;

interface Scene {
  readonly manual: ManualClock;
  readonly mirror: Mirror;
  /** Makes and deletes keys. */
  change(...changes: readonly CommitChange[]): Promise<void>;
  close(): Promise<void>;
}

/** Three machines, one engine, and a unit on the third of them; its commits take `commitMs`, and `changes` are in the store before it. */
async function begin({ clockOf = (manual: ManualClock): Clock => manual, commitMs = 0, changes = [] as readonly CommitChange[] } = {}): Promise<Scene> {
  const manual = createManualClock();
  const clock = clockOf(manual);
  const store = createMemoryStore({ clock: manual });
  const stop = new AbortController();
  const log = createLog('test', 'error', () => undefined);
  const mirror = createMirror({ store, clock: manual, random: seededRandom(1), log });
  const parsed = parseUnitFile(text);
  assert.ok(parsed.ok);
  const hash = hashUnitFile(parsed.value) as FileHash;
  const record = { hash, desired: 'launched', generation: 1, restart: 0, reset: 0, changedAtMs: 0, changedBy: '', adoptOn: null, release: 0 } as const;
  const change = async (...made: readonly CommitChange[]): Promise<void> => {
    await store.commit({ guards: [], changes: made }, stop.signal);
  };
  await change(
    ...[one, two, three].map((id) => putMachine(fakeMachine(id))),
    { kind: 'put', key: keys.unitFile(hash), value: text },
    { kind: 'put', key: keys.unit(unit), value: encodeRecord({ ...record }) },
    putAssignment(three, unit, { hash }),
    ...changes,
  );
  const slow = store.client(({ verb }) => (verb === 'commit' ? { delayMs: commitMs } : {}));
  const loops = [mirror.run(stop.signal), runEngine(
    { store: slow, mirror, machine: one, clock, random: seededRandom(1), log, report: createEngineReport(), ttlMs }, stop.signal)];
  return {
    manual, mirror, change,
    async close(): Promise<void> {
      stop.abort(new Error('the test is over'));
      await Promise.allSettled([manual.advance(ttlMs), ...loops]);
    },
  };
}

const gone = (key: string): CommitChange => ({ kind: 'delete', key });
const isMoved = ({ mirror }: Scene): boolean => mirror.snapshot().assignments.get(three)?.has(unit) !== true;
const isLed = ({ mirror }: Scene) => (): boolean => mirror.snapshot().leader?.machine === one;

/** Virtual milliseconds until the unit of a machine that vanished is assigned to another one. */
async function moveTakesMs(phaseMs: number): Promise<number> {
  const scene = await begin({ clockOf: (manual) => coarse(manual, phaseMs) });
  const { manual } = scene;
  await manual.runUntil(isLed(scene), 10_000);
  await manual.advance(1_000);
  await scene.change(gone(keys.machine(three)));
  const goneMs = manual.uptimeMs();
  await manual.runUntil(() => isMoved(scene), 120_000);
  const tookMs = manual.uptimeMs() - goneMs;
  await scene.close();
  return tookMs;
}

test('the unit of a machine that vanished moves when it is sure that only this one did, wherever in a tick of the clock that falls', async () => {
  for (let phaseMs = 0; phaseMs < tickMs; phaseMs += 1) {
    const tookMs = await moveTakesMs(phaseMs);
    assert.ok(tookMs < 5_000, `it took ${tookMs} ms with a phase of ${phaseMs} ms`);
  }
});

test('machines that vanish while the roster is written count before anything is decided', async () => {
  const leader: CommitChange = { kind: 'put', key: keys.leader, value: encodeRecord({ machine: two, sinceMs: 0 }) };
  const scene = await begin({ commitMs: 200, changes: [leader] });
  const { manual, mirror } = scene;
  await manual.advance(1_000);
  await scene.change(gone(keys.machine(three)));
  // Long enough ago to be sure that it was lost alone, had nothing else happened.
  await manual.advance(ttlMs - 1_000);
  await scene.change(gone(keys.leader));
  await manual.runUntil(isLed(scene), 10_000);
  await scene.change(gone(keys.machine(two)));
  await manual.advance(60_000);
  assert.equal(isMoved(scene), false);
  assert.deepEqual(mirror.snapshot().hold?.missing, [two, three]);
  await scene.close();
});
