/** When a leader looks again, on a clock that is as coarse as the kernel's. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeMachine, putAssignment, putMachine } from '../api/fake-fleetd.ts';
import type { FileHash } from '../core/unit.ts';
import type { MachineId } from '../core/machine.ts';
import type { UnitName } from '../core/unit-name.ts';
import { hashUnitFile, parseUnitFile } from '../core/unit-file.ts';
import type { Clock } from '../lib/clock.ts';
import { createLog } from '../lib/log.ts';
import { createManualClock } from '../lib/manual-clock.ts';
import type { ManualClock } from '../lib/manual-clock.ts';
import { seededRandom } from '../lib/random.ts';
import { keys } from '../store/keys.ts';
import { createMemoryStore } from '../store/memory-store.ts';
import { createMirror } from '../store/mirror.ts';
import { encodeRecord } from '../store/records.ts';
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

const text = '[Service]\nExecStart=/bin/sleep infinity\n';
const [one, two, three] = ['1', '2', '3'].map((digit) => digit.repeat(32) as MachineId) as [MachineId, MachineId, MachineId];
const unit = 'a.service' as UnitName;

/** Virtual milliseconds until the unit of a machine that vanished is assigned to another one. */
async function moveTakesMs(phaseMs: number): Promise<number> {
  const manual = createManualClock();
  const clock = coarse(manual, phaseMs);
  const store = createMemoryStore({ clock: manual });
  const stop = new AbortController();
  const log = createLog('test', 'error', () => undefined);
  const mirror = createMirror({ store, clock: manual, random: seededRandom(1), log });
  const parsed = parseUnitFile(text);
  assert.ok(parsed.ok);
  const hash = hashUnitFile(parsed.value) as FileHash;
  const record = { hash, desired: 'launched', generation: 1, restart: 0, changedAtMs: 0, changedBy: '', adoptOn: null, release: 0 } as const;
  await store.commit({ guards: [], changes: [
    ...[one, two, three].map((id) => putMachine(fakeMachine(id))),
    { kind: 'put', key: keys.unitFile(hash), value: text },
    { kind: 'put', key: keys.unit(unit), value: encodeRecord({ ...record }) },
    putAssignment(three, unit, { hash }),
  ] }, stop.signal);
  const loops = [mirror.run(stop.signal), runEngine(
    { store, mirror, machine: one, clock, random: seededRandom(1), log, report: createEngineReport(), ttlMs: 5_000 }, stop.signal)];
  const isMoved = (): boolean => mirror.snapshot().assignments.get(three)?.has(unit) !== true;
  await manual.runUntil(() => mirror.snapshot().leader !== null, 10_000);
  await manual.advance(1_000);
  await store.commit({ guards: [], changes: [{ kind: 'delete', key: keys.machine(three) }] }, stop.signal);
  const goneMs = manual.uptimeMs();
  await manual.runUntil(isMoved, 120_000);
  const tookMs = manual.uptimeMs() - goneMs;
  stop.abort(new Error('the test is over'));
  await Promise.allSettled(loops);
  return tookMs;
}

test('the unit of a machine that vanished moves when it is sure that only this one did, wherever in a tick of the clock that falls', async () => {
  for (let phaseMs = 0; phaseMs < tickMs; phaseMs += 1) {
    const tookMs = await moveTakesMs(phaseMs);
    assert.ok(tookMs < 5_000, `it took ${tookMs} ms with a phase of ${phaseMs} ms`);
  }
});
