/** Decisions become commits that every store takes, each guarded by what it was decided on. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { emptyUnitHistory } from '../core/history.ts';
import { emptySnapshot } from '../core/cluster.ts';
import { limits } from '../core/limits.ts';
import type { MachineId } from '../core/machine.ts';
import type { AssignmentContent, Decision } from '../core/schedule/decision.ts';
import { unfenced, withoutPorts } from '../core/unit.ts';
import type { FileHash, UnitRecord } from '../core/unit.ts';
import type { UnitName } from '../core/unit-name.ts';
import type { Revision } from '../store/store.ts';
import { commitsOf, packCommits } from './commits.ts';
import type { Part } from './commits.ts';
import { forgetFormerPorts } from './port-changes.ts';

const leader = { key: 'leader', modRevision: 7 as Revision };
const content: AssignmentContent = {
  hash: 'h' as FileHash, desired: 'launched', restart: 0, reset: 0, ...withoutPorts, why: 'it fits', finished: false, ...unfenced,
};
const [unit, aaa, bbb] = ['a.service' as UnitName, 'aaa' as MachineId, 'bbb' as MachineId];
const commitOf = (decision: Decision): ReturnType<typeof commitsOf>[number] | undefined =>
  commitsOf([decision], { leader, revisionOf: (key) => key.length as Revision, nowMs: 5, histories: new Map() })[0];

test('a move takes the old assignment away and gives the new one in one commit, while unit and machine are as they were', () => {
  const commit = commitOf({ kind: 'move', unit, why: '', from: aaa, machine: bbb, content, unrest: true, cursors: new Map(), former: null });
  assert.deepEqual(commit?.guards, [leader, { key: 'units/a.service', modRevision: 15 }, { key: 'machines/bbb', modRevision: 12 },
    { key: 'machine-overrides/bbb', modRevision: 21 }]);
  assert.deepEqual(commit.changes.map(({ kind, key }) => `${kind} ${key}`), ['delete assignments/aaa/a.service', 'put assignments/bbb/a.service']);
});

test('an update keeps the moment since when the unit is there', () => {
  const commit = commitOf({ kind: 'update', unit, why: '', machine: aaa, content, before: { ...content, assignedAtMs: 3 }, cursors: new Map() });
  const [change] = commit?.changes ?? [];
  assert.equal(change?.kind === 'put' ? JSON.parse(change.value).assignedAtMs : undefined, 3);
});

const guards = fc.record({ key: fc.constantFrom('g1', 'g2', 'g3'), modRevision: fc.constant(1 as Revision) });
const values = fc.integer({ min: 0, max: 60_000 }).map((size) => 'x'.repeat(size));
const puts = fc.record({ kind: fc.constant('put' as const), key: fc.constant('k'), value: values });
const parts: fc.Arbitrary<Part[]> = fc.array(fc.record({
  guards: fc.uniqueArray(guards, { selector: ({ key }) => key }),
  changes: fc.array(puts, { minLength: 1, maxLength: 2 }),
}), { maxLength: 200 });

test('commits keep every change, in order, under their guards, within the limits of the store', () => {
  fc.assert(fc.property(parts, (given) => {
    const commits = packCommits(given, leader);
    assert.deepEqual(commits.flatMap(({ changes }) => changes), given.flatMap(({ changes }) => changes));
    for (const { guards, changes } of commits) {
      assert.deepEqual(guards[0], leader);
      assert.ok(Math.max(guards.length, changes.length) <= limits.storeOpsPerCommitMax);
      const bytes = changes.reduce((sum, change) => sum + (change.kind === 'put' ? change.value.length : 0), 0);
      assert.ok(bytes <= limits.storeBytesPerCommitMax);
    }
  }), { numRuns: 100 });
});

test('what is written down about a unit goes with its decision, guarded against the other writer of histories, and once', () => {
  const history = { ...emptyUnitHistory, unrest: { moves: 1, lastAtMs: 5 } };
  const off = (machine: MachineId): Decision => ({ kind: 'unassign', unit, why: '', machine, former: null });
  const [commit] = commitsOf([off(aaa), off(bbb)], { leader, revisionOf: () => 9 as Revision, nowMs: 5, histories: new Map([[unit, history]]) });
  assert.deepEqual(commit?.changes.map(({ kind, key }) => `${kind} ${key}`),
    ['delete assignments/aaa/a.service', 'put unit-history/a.service', 'delete assignments/bbb/a.service']);
  assert.ok(commit.guards.some(({ key, modRevision }) => key === 'unit-history/a.service' && modRevision === 9));
});

test('ports are given out in the commit that moves their cursor, once however many units moved it, and know since when', () => {
  const origin = { low: 20_001, high: 20_010, pool: null, scope: 'machine', sinceMs: 0, why: '' } as const;
  const cursors = new Map([[aaa, { last: { '20001-20010': 20_002 } }]]);
  const decisions = ['a.service', 'b.service'].map((name): Decision => ({
    kind: 'assign', unit: name as UnitName, why: '', machine: aaa, content: { ...content, ports: { http: 20_001 }, portOrigins: { http: origin } }, cursors,
  }));
  const [commit, ...more] = commitsOf(decisions, { leader, revisionOf: () => 1 as Revision, nowMs: 5, histories: new Map() });
  assert.deepEqual(more, []);
  assert.deepEqual(commit?.changes.map(({ key }) => key), ['assignments/aaa/a.service', 'assignments/aaa/b.service', 'port-cursors/aaa']);
  const [change] = commit.changes;
  assert.equal(change?.kind === 'put' ? JSON.parse(change.value).portOrigins.http.sinceMs : undefined, 5);
});

test('a unit that leaves a machine is remembered with its ports, until it is destroyed', () => {
  const former = { machine: aaa, release: 2, ports: { http: 20_001 } };
  const commit = commitOf({ kind: 'unassign', unit, why: '', machine: aaa, former });
  assert.deepEqual(commit?.changes[1], { kind: 'put', key: 'former-ports/a.service', value: JSON.stringify(former) });
  assert.deepEqual(forgetFormerPorts({ ...emptySnapshot, formerPorts: new Map([[unit, former]]) }), [
    { guards: [{ key: 'units/a.service', modRevision: 0 }], changes: [{ kind: 'delete', key: 'former-ports/a.service' }] },
  ]);
  const known = { ...emptySnapshot, formerPorts: new Map([[unit, former]]), units: new Map([[unit, {} as UnitRecord]]) };
  assert.deepEqual(forgetFormerPorts(known), []);
});
