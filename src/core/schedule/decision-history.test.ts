/** What is written down about a unit when its assignments change. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emptySnapshot } from '../cluster.ts';
import type { ClusterSnapshot } from '../cluster.ts';
import { emptyUnitHistory } from '../history.ts';
import type { UnitHistory } from '../history.ts';
import { limits } from '../limits.ts';
import type { MachineId } from '../machine.ts';
import { unfenced, withoutPorts } from '../unit.ts';
import type { Assignment, FileHash, UnitRecord } from '../unit.ts';
import type { UnitName } from '../unit-name.ts';
import type { AssignmentContent, Decision } from './decision.ts';
import { eventsOfUnit, historiesAfter } from './decision-history.ts';

const app = 'app.service' as UnitName;
const [aaa, bbb] = ['aaa', 'bbb'] as [MachineId, MachineId];
const content: AssignmentContent = { hash: 'h' as FileHash, desired: 'launched', restart: 0, reset: 0, ...withoutPorts, why: 'it fits', finished: false, ...unfenced };
const placed: Assignment = { ...content, assignedAtMs: 1_000 };
const clusterWith = (history?: UnitHistory): ClusterSnapshot => ({
  ...emptySnapshot, units: new Map([[app, {} as UnitRecord]]), assignments: new Map([[aaa, new Map([[app, placed]])]]),
  unitHistories: new Map(history === undefined ? [] : [[app, history]]),
});
const noPorts = { cursors: new Map(), former: null };
const move: Decision & { kind: 'move' } = { kind: 'move', unit: app, why: 'its machine is gone', from: aaa, machine: bbb, content, unrest: true, ...noPorts };
const brief = (history: UnitHistory | null | undefined): readonly string[] =>
  (history?.events ?? []).map(({ atMs, what, machine, why }) => `${String(atMs)} ${what} ${machine}: ${why}`);

test('a move writes down the placement that ends and the move with its reason', () => {
  const history = historiesAfter(clusterWith(), [move], 5_000).get(app);
  assert.deepEqual(brief(history), ['1000 placed aaa: it fits', '5000 moved bbb: its machine is gone']);
  assert.deepEqual(history?.unrest, { moves: 1, lastAtMs: 5_000 });
});

test('moves in a row are counted, and from the third on the history says how long the next one waits', () => {
  const history = historiesAfter(clusterWith({ ...emptyUnitHistory, unrest: { moves: 2, lastAtMs: 4_000 } }), [move], 5_000).get(app);
  assert.deepEqual(history?.unrest, { moves: 3, lastAtMs: 5_000 });
  assert.equal(brief(history).at(-1), '5000 waits bbb: should it have to move once more: it had to move 3 times in a row, ' +
    'so it is not placed anew before 1970-01-01T00:00:35.000Z; a restart ends the wait');
});

test('moves that are far apart are counted from one again, those a person asked for not at all', () => {
  const before = { ...emptyUnitHistory, unrest: { moves: 7, lastAtMs: 1_000 } };
  assert.deepEqual(historiesAfter(clusterWith(before), [move], 700_000).get(app)?.unrest, { moves: 1, lastAtMs: 700_000 });
  assert.deepEqual(historiesAfter(clusterWith(before), [{ ...move, unrest: false }], 2_000).get(app)?.unrest, before.unrest);
});

test('a placement that began with a move is not written down twice', () => {
  const moved = { ...emptyUnitHistory, events: [{ atMs: 1_000, what: 'moved', machine: aaa, why: 'gone; it fits', count: 1 }] };
  const off: Decision = { kind: 'unassign', unit: app, why: 'the unit is wanted inactive', machine: aaa, former: null };
  assert.deepEqual(brief(historiesAfter(clusterWith(moved), [off], 5_000).get(app)),
    ['1000 moved aaa: gone; it fits', '5000 removed aaa: the unit is wanted inactive']);
});

test('a first placement writes nothing, and is told from its assignment', () => {
  const assign: Decision = { kind: 'assign', unit: app, why: 'it fits', machine: bbb, content, cursors: new Map() };
  assert.equal(historiesAfter(clusterWith(), [assign], 5_000).size, 0);
  assert.deepEqual(eventsOfUnit(clusterWith(), app), [{ atMs: 1_000, what: 'placed', machine: aaa, why: 'it fits', count: 1 }]);
});

test('of a unit that is destroyed its success is forgotten; of many such units only some are remembered', () => {
  const off = (unit: UnitName): Decision => ({ kind: 'unassign', unit, why: 'the unit was destroyed', machine: aaa, former: null });
  const success = { hash: 'h' as FileHash, restart: 0, machine: aaa, atMs: 1 };
  const gone = { ...clusterWith({ ...emptyUnitHistory, succeeded: success }), units: new Map<UnitName, UnitRecord>() };
  assert.equal(historiesAfter(gone, [off(app)], 5_000).get(app)?.succeeded, null);
  const many = Array.from({ length: limits.goneHistoriesMax + 5 }, (_, index) => off(`u${String(index)}.service` as UnitName));
  const empty = { ...emptySnapshot, assignments: gone.assignments };
  assert.equal(historiesAfter(empty, many, 5_000).size, limits.goneHistoriesMax);
});
