/** Unit files go when nobody uses them any more, and not before. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emptySnapshot } from '../core/cluster.ts';
import type { ClusterSnapshot, KnownFile } from '../core/cluster.ts';
import type { MachineId } from '../core/machine.ts';
import type { ReleaseRecord } from '../core/release/release.ts';
import type { Assignment, FileHash, UnitRecord } from '../core/unit.ts';
import type { UnitName } from '../core/unit-name.ts';
import type { Revision } from '../store/store.ts';
import { createUnusedFiles, unusedFileGraceMs } from './unused-files.ts';

const [used, assigned, unused] = ['used', 'assigned', 'unused'] as [FileHash, FileHash, FileHash];
const file = (hash: FileHash): [FileHash, KnownFile] => [hash, { hash, text: '', file: { options: [] } }];
const snapshot = (more: Partial<ClusterSnapshot> = {}): ClusterSnapshot => ({
  ...emptySnapshot, files: new Map([file(used), file(assigned), file(unused)]),
  units: new Map([['a.service' as UnitName, { hash: used } as UnitRecord]]),
  assignments: new Map([['m' as MachineId, new Map([['b.service' as UnitName, { hash: assigned } as Assignment]])]]),
  ...more,
});
const revisionOf = (): Revision => 3 as Revision;

test('only a file that no unit and no assignment names is deleted, after a while, if nobody has put it again', () => {
  const files = createUnusedFiles();
  files.look(snapshot(), 1_000);
  assert.equal(files.nextMs(1_000), unusedFileGraceMs);
  assert.deepEqual(files.due(revisionOf, unusedFileGraceMs), []);
  assert.deepEqual(files.due(revisionOf, 1_000 + unusedFileGraceMs), [
    { guards: [{ key: 'unit-files/unused', modRevision: 3 }], changes: [{ kind: 'delete', key: 'unit-files/unused' }] },
  ]);
});

test('a file that is used again meanwhile begins anew', () => {
  const files = createUnusedFiles();
  files.look(snapshot(), 0);
  files.look(snapshot({ units: new Map([['c.service' as UnitName, { hash: unused } as UnitRecord]]) }), 10);
  files.look(snapshot(), unusedFileGraceMs);
  assert.deepEqual(files.due(revisionOf, unusedFileGraceMs), []);
});

test('a file that a kept generation of a release names stays: undo brings it back', () => {
  const files = createUnusedFiles();
  const release = { generations: [{ hash: unused }] } as unknown as ReleaseRecord;
  files.look(snapshot({ releases: new Map([['a.service' as UnitName, release]]) }), 0);
  assert.equal(files.nextMs(0), null);
});

test('while the record of a unit or a release cannot be read no file is taken for unused', () => {
  for (const key of ['units/d.service', 'releases/d.service']) {
    const files = createUnusedFiles();
    files.look(snapshot({ unreadable: new Map([[key, { key, why: 'newer' }]]) }), 0);
    assert.equal(files.nextMs(0), null);
  }
});
