import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { emptySnapshot } from '../cluster.ts';
import type { ClusterSnapshot } from '../cluster.ts';
import { noOptions } from '../fleet-section.ts';
import type { Machine, MachineId } from '../machine.ts';
import type { Decision } from '../schedule/decision.ts';
import { unchecked, unfenced, withoutPorts } from '../unit.ts';
import type { Assignment, FileHash, UnitStatus } from '../unit.ts';
import { parseUnitFile } from '../unit-file.ts';
import type { UnitFile } from '../unit-file.ts';
import type { UnitName } from '../unit-name.ts';
import { fenceDropIn } from './drop-in.ts';
import { holdFenced } from './hold-fenced.ts';
import { fenceAfterUpdate, fenceOf, goneInMs, tokenAt } from './placement.ts';
import { stopMs, whyNotFenceable } from './stop-time.ts';

const unit = 'db.service' as UnitName;
const [one, two] = ['one' as MachineId, 'two' as MachineId];

function fileOf(...lines: readonly string[]): UnitFile {
  const file = parseUnitFile(`[Service]\nExecStart=/bin/a\n${lines.join('\n')}\n`);
  assert.ok(file.ok);
  return file.value;
}

describe('the time systemd needs to stop a unit', () => {
  const table: readonly (readonly [lines: readonly string[], ms: number])[] = [
    [[], 90_000],
    [['TimeoutStopSec=5s'], 5_000],
    [['TimeoutSec=1min', 'TimeoutStopSec=5s'], 5_000],
    [['TimeoutStopSec=5s', 'TimeoutSec=7'], 7_000],
    [['TimeoutStopSec=5s', 'TimeoutStopSec='], 90_000],
    [['TimeoutStopSec=5s', 'ExecStop=/bin/b', 'ExecStop=/bin/c'], 15_000],
    [['TimeoutStopSec=5s', 'ExecStop=/bin/b', 'ExecStop='], 5_000],
    [['TimeoutStopSec=5s', 'ExecStopPost=/bin/b'], 15_000],
    [['TimeoutStopSec=5s', 'Type=oneshot'], 15_000],
  ];
  for (const [lines, ms] of table) {
    test(`is ${String(ms)} ms with ${lines.join(', ') || 'nothing said'}`, () => assert.equal(stopMs(fileOf(...lines)), ms));
  }
});

describe('a unit cannot have OnMachineLost=stop', () => {
  const start = 'OnMachineLost=stop needs a unit that is surely stopped within a known time: ';
  const table: readonly (readonly [name: string, lines: readonly string[], why: string])[] = [
    ['a.timer', [], 'a timer is not; only a service is'],
    ['a.service', ['TimeoutStopSec=infinity'], 'TimeoutStopSec=infinity: write a time up to 1h, so that the cluster knows how long to wait'],
    ['a.service', ['TimeoutSec=0'], 'TimeoutSec=0: write a time up to 1h, so that the cluster knows how long to wait'],
    ['a.service', ['KillMode=process'], 'KillMode=process: it leaves processes behind; use control-group or mixed'],
    ['a.service', ['SendSIGKILL=no'], 'SendSIGKILL=no: leave it out'],
  ];
  for (const [name, lines, why] of table) {
    test(`that is ${name} with ${lines.join(', ') || 'nothing said'}`, () => {
      assert.equal(whyNotFenceable(name as UnitName, fileOf(...lines))?.message, start + why);
    });
  }

  test('and can when it is killed in the end', () => {
    assert.equal(whyNotFenceable(unit, fileOf('KillMode=mixed', 'SendSIGKILL=yes', 'TimeoutStopSec=1h')), null);
  });
});

describe('the fence of a placement', () => {
  const file = fileOf('TimeoutStopSec=10s');
  const placing = { section: { ...noOptions, onMachineLost: 'stop' as const }, file, machine: { ttlMs: 30_000 }, token: 7, fences: [] };

  test('is none for a unit that is kept', () => {
    assert.deepEqual(fenceOf({ ...placing, section: noOptions }), unfenced);
  });

  test('is the lease time, the stop and a margin', () => {
    assert.deepEqual(fenceOf(placing), { fence: 7, lostAfterMs: 30_000, goneAfterMs: 42_800, leaving: false });
  });

  test('waits for LostAfter, and at least for the lease time', () => {
    const lostAfter = (lostAfterMs: number): number => fenceOf({ ...placing, section: { ...placing.section, lostAfterMs } }).lostAfterMs;
    assert.equal(lostAfter(60_000), 60_000);
    assert.equal(lostAfter(1_000), 30_000);
  });

  test('has a token greater than all before, also when the store went back in time', () => {
    assert.equal(fenceOf({ ...placing, fences: [3] }).fence, 7);
    assert.equal(fenceOf({ ...placing, fences: [3, 90] }).fence, 91);
  });

  test('keeps its token and the longer wait when the file changes', () => {
    const before = assignmentOf({ ...fenceOf({ ...placing, section: { ...placing.section, lostAfterMs: 99_000 } }) });
    const after = fenceAfterUpdate(before, fenceOf({ ...placing, token: 80 }));
    assert.deepEqual(after, { fence: 7, lostAfterMs: 30_000, goneAfterMs: before.goneAfterMs, leaving: false });
  });

  test('binds the unit to the fence, gives it the token, and writes down the time it is killed after', () => {
    const dropIns = fenceDropIn(assignmentOf(fenceOf(placing)), '[Service]\nExecStart=/bin/a\n');
    assert.deepEqual(dropIns['10-fleet-fence.conf']?.split('\n'), [
      '[Unit]', 'BindsTo=fleet-fence-30000.service', 'After=fleet-fence-30000.service', '', '[Service]', 'Environment=FLEET_FENCE=7',
      'TimeoutStopFailureMode=terminate', 'TimeoutStopSec=90000ms', 'TimeoutAbortSec=90000ms', '',
    ]);
  });
});

function assignmentOf(changes: Partial<Assignment>): Assignment {
  return {
    hash: 'h' as FileHash, desired: 'launched', restart: 0, reset: 0, ...withoutPorts, release: 0, why: '', assignedAtMs: 0, finished: false, ...unfenced, ...changes,
  };
}

describe('a unit of a machine that is gone', () => {
  const view = (changes: object): Parameters<typeof goneInMs>[2] =>
    ({ absences: new Map([[one, { sinceMs: 1_000, ttlMs: 30_000, left: false, ...changes }]]), currentSinceMs: 0, nowMs: 1_000 });
  const assignment = { goneAfterMs: 42_800 };

  test('has surely stopped when the whole time is over, counted from the last renewal there can have been', () => {
    assert.equal(goneInMs(assignment, one, view({})), 12_800);
    assert.equal(goneInMs(assignment, one, { ...view({}), nowMs: 13_800 }), 0);
  });

  test('is waited for from now when nobody saw the machine go', () => {
    assert.equal(goneInMs(assignment, one, view({ ttlMs: 0 })), 42_800);
    assert.equal(goneInMs(assignment, two, view({})), 42_800);
  });

  test('is waited for from the end of a gap in what this engine has heard', () => {
    assert.equal(goneInMs(assignment, one, { ...view({}), currentSinceMs: 5_000, nowMs: 6_000 }), 41_800);
    assert.equal(goneInMs(assignment, one, { ...view({ left: true }), currentSinceMs: 5_000, nowMs: 6_000 }), 41_800);
  });

  test('is not waited for when the machine said that it had stopped everything', () => {
    assert.equal(goneInMs(assignment, one, view({ left: true })), 0);
  });

  test('never runs on both: the engine moves it only after its machine has begun to stop it and had the time to', () => {
    const ms = fc.nat(200_000);
    fc.assert(fc.property(fc.tuple(ms, ms, ms, ms), ([ttlMs, lostAfterMs, timeoutMs, lateMs]) => {
      const file = fileOf(`TimeoutStopSec=${String(timeoutMs + 1)}ms`);
      const fence = fenceOf({
        section: { ...noOptions, onMachineLost: 'stop', lostAfterMs }, file, machine: { ttlMs: ttlMs + 1 }, token: 1, fences: [],
      });
      // The last renewal was sent at 0; the store drops the lease no sooner than a ttl later, and the engine hears of it later still.
      const sinceMs = ttlMs + 1 + lateMs;
      const absences = new Map([[one, { sinceMs, ttlMs: ttlMs + 1, left: false }]]);
      const movedAtMs = sinceMs + goneInMs(fence, one, { absences, currentSinceMs: 0, nowMs: sinceMs });
      assert.ok(movedAtMs >= fence.lostAfterMs + stopMs(file) + 2_000);
    }));
  });
});

describe('decisions about a fenced unit', () => {
  const assignment = assignmentOf({ fence: 7, lostAfterMs: 30_000, goneAfterMs: 42_800 });
  const move: Decision = { kind: 'move', unit, why: 'it has another machine', from: one, machine: two, content: assignmentOf({ fence: 8 }), unrest: false, cursors: new Map(), former: null };
  const unassign: Decision = { kind: 'unassign', unit, why: 'the unit was destroyed', machine: one, former: null };
  const status: UnitStatus = {
    load: 'not-found', active: 'inactive', sub: 'dead', hash: 'h' as FileHash, sinceMs: 0, result: '', exitStatus: null, succeeded: false, restarts: 0,
    mainPid: 0, restart: -1, reset: 0, problem: '', ...unchecked,
  };
  interface Scene { readonly present: boolean; readonly leaving?: boolean; readonly released?: number; readonly nowMs?: number }
  const held = (decision: Decision, { present, leaving = false, released = 0, nowMs = 1_000 }: Scene): string => {
    const snapshot: ClusterSnapshot = {
      ...emptySnapshot, machines: new Map(present ? [[one, {} as Machine]] : []),
      assignments: new Map([[one, new Map([[unit, { ...assignment, leaving }]])]]),
      statuses: new Map([[one, new Map([[unit, { ...status, released }]])]]),
    };
    const absences = new Map(present ? [] : [[one, { sinceMs: 1_000, ttlMs: 30_000, left: false }]]);
    const { decisions, againInMs } = holdFenced(
      [decision], snapshot, { absences, currentSinceMs: 0, nowMs });
    return [...decisions.map((each) => (each.kind === 'update' && each.content.leaving ? 'leave' : each.kind)), String(againInMs)].join(' ');
  };
  const table: readonly (readonly [what: string, decision: Decision, scene: Scene, expected: string])[] = [
    ['a move: the unit leaves first', move, { present: true }, 'leave null'],
    ['a move while it leaves: nothing', move, { present: true, leaving: true }, 'null'],
    ['a move after another placement was released: nothing', move, { present: true, leaving: true, released: 6 }, 'null'],
    ['a move once it is released', move, { present: true, leaving: true, released: 7 }, 'move null'],
    ['a unit that is destroyed leaves first', unassign, { present: true }, 'leave null'],
    ['its assignment goes once it is released', unassign, { present: true, leaving: true, released: 7 }, 'unassign null'],
    ['a lost machine may come back with it: the move waits', move, { present: false }, '12800'],
    ['a lost machine has stopped it by now', move, { present: false, nowMs: 13_800 }, 'move null'],
    ['destroyed on a lost machine: not to be started when that returns', unassign, { present: false }, 'leave 12800'],
    ['destroyed on a lost machine that has stopped it by now', unassign, { present: false, leaving: true, nowMs: 13_800 }, 'unassign null'],
  ];
  for (const [what, decision, scene, expected] of table) test(what, () => assert.equal(held(decision, scene), expected));
});

test('tokens go on growing in a store that counts its revisions from an earlier one, once a person has said that it is right', () => {
  const before = tokenAt({ ...emptySnapshot, revision: 5_000_000 });
  const restored = tokenAt({ ...emptySnapshot, revision: 3, storeAcceptance: { atMs: 1_700_000_000_000, by: '', of: [], reason: '' } });
  const again = tokenAt({ ...emptySnapshot, revision: 1, storeAcceptance: { atMs: 1_700_000_100_000, by: '', of: [], reason: '' } });
  assert.ok(before < restored && restored < again);
});
