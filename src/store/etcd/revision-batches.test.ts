/** Batches of whole revisions, however etcd cuts its answers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Revision, StoreChange } from '../store.ts';
import { createRevisionBatches } from './revision-batches.ts';
import type { WatchPart } from './revision-batches.ts';

const at = (revision: number): Revision => revision as Revision;
const change = (revision: number, key = 'k'): StoreChange => ({ kind: 'delete', key, modRevision: at(revision) });
const part = (revisions: readonly number[], more: Partial<WatchPart> = {}): WatchPart =>
  ({ changes: revisions.map((revision) => change(revision)), continued: false, reached: null, ...more });

interface Row {
  readonly says: string;
  readonly after: number;
  readonly parts: readonly WatchPart[];
  /** Revision and number of changes of each batch. */
  readonly batches: readonly (readonly [revision: number, changes: number])[];
}

const rows: readonly Row[] = [
  { says: 'each revision is one batch', after: 4,
    parts: [part([5, 5, 6]), part([7])],
    batches: [[5, 2], [6, 1], [7, 1]] },
  { says: 'a revision cut into fragments is held back until its last one', after: 4,
    parts: [part([5, 6, 6], { continued: true }), part([6], { continued: true }), part([6, 7])],
    batches: [[5, 1], [6, 4], [7, 1]] },
  { says: 'a fragment that begins a new revision completes the one before', after: 4,
    parts: [part([5, 5], { continued: true }), part([6], { continued: true })],
    batches: [[5, 2]] },
  { says: 'what was delivered before is dropped', after: 6,
    parts: [part([4, 5, 6, 7]), part([6]), part([7, 8])],
    batches: [[7, 1], [8, 1]] },
  { says: 'progress is a batch without changes, once', after: 4,
    parts: [part([], { reached: at(9) }), part([], { reached: at(9) })],
    batches: [[9, 0]] },
  { says: 'progress of a member that lags says nothing', after: 9,
    parts: [part([], { reached: at(5) }), part([10])],
    batches: [[10, 1]] },
  { says: 'nothing goes back behind progress', after: 4,
    parts: [part([], { reached: at(9) }), part([8, 10])],
    batches: [[9, 0], [10, 1]] },
];
for (const { says, after, parts, batches } of rows) {
  test(says, () => {
    const joined = createRevisionBatches(at(after));
    const made = parts.flatMap((one) => joined.add(one));
    assert.deepEqual(made.map((batch) => [batch.revision, batch.changes.length]), batches);
  });
}

test('however a history is cut into answers and fragments, the batches are the same', () => {
  const history = fc.array(fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 5 })), { maxLength: 30 });
  fc.assert(fc.property(history, fc.infiniteStream(fc.integer({ min: 1, max: 6 })), (steps, cuts) => {
    let revision = 0;
    const changes = steps.flatMap(([step, count]) => {
      revision += step;
      return Array.from({ length: count }, (_, index) => change(revision, `k${index}`));
    });
    const joined = createRevisionBatches(at(0));
    const heard = [];
    for (let from = 0; from < changes.length;) {
      const to = from + (cuts.next().value ?? 1);
      // As etcd does it: only a fragment may end in the middle of a revision.
      heard.push(...joined.add({ changes: changes.slice(from, to), continued: to < changes.length, reached: null }));
      from = to;
    }
    assert.deepEqual(heard.flatMap((batch) => batch.changes), changes);
    const revisions = heard.map((batch) => batch.revision);
    assert.deepEqual(revisions, [...new Set(revisions)].sort((left, right) => left - right));
    for (const { revision: own, changes: batch } of heard) {
      assert.ok(batch.every((one) => one.kind === 'delete' && one.modRevision === own));
    }
  }));
});
