/**
 * Unit files that no unit and no assignment uses any more.
 * Promises: a file is deleted only after it was unused for a while, and only if nobody put it again (every submit does).
 * Generations of releases use their files: undo brings them back. Nothing is deleted while a record cannot be read: it may use the
 * file.
 */
import { emptySnapshot } from '../core/cluster.ts';
import type { ClusterSnapshot } from '../core/cluster.ts';
import { changedKeys } from '../core/shared-map.ts';
import type { Assignment, FileHash } from '../core/unit.ts';
import type { UnitName } from '../core/unit-name.ts';
import { keys } from '../store/keys.ts';
import type { Part, RevisionOf } from './commits.ts';

/** How long a file stays after its last use: longer than any request that has read it takes to commit. */
export const unusedFileGraceMs = 60_000;

/** Remembers since when files are unused. */
export interface UnusedFiles {
  /** Looks at a snapshot; `uptimeMs` is now. */
  look(snapshot: ClusterSnapshot, uptimeMs: number): void;
  /** The deletes that are due. */
  due(revisionOf: RevisionOf, uptimeMs: number): readonly Part[];
  /** Milliseconds until the next is due; null when none is unused. */
  nextMs(uptimeMs: number): number | null;
}

export function createUnusedFiles(): UnusedFiles {
  const since = new Map<FileHash, number>();
  const uses: Uses = { counts: new Map(), idle: new Set(), seen: emptySnapshot };
  return {
    look(snapshot, uptimeMs): void {
      follow(uses, snapshot);
      const unused = isReadable(snapshot) ? uses.idle : new Set<FileHash>();
      for (const hash of since.keys()) if (!unused.has(hash)) since.delete(hash);
      for (const hash of unused) if (!since.has(hash)) since.set(hash, uptimeMs);
    },
    due(revisionOf, uptimeMs): readonly Part[] {
      const due = [...since].filter(([, sinceMs]) => uptimeMs - sinceMs >= unusedFileGraceMs);
      return due.map(([hash]) => {
        const key = keys.unitFile(hash);
        return { guards: [{ key, modRevision: revisionOf(key) }], changes: [{ kind: 'delete', key }] };
      });
    },
    nextMs(uptimeMs): number | null {
      // Files enter in the order of time, so the first has waited longest.
      const [first] = since.values();
      return first === undefined ? null : Math.max(0, first + unusedFileGraceMs - uptimeMs);
    },
  };
}

/** How often each file is used; kept up to date by what differs between snapshots. */
interface Uses {
  readonly counts: Map<FileHash, number>;
  /** Files that nobody uses. */
  readonly idle: Set<FileHash>;
  seen: ClusterSnapshot;
}

function follow(uses: Uses, next: ClusterSnapshot): void {
  const { seen, counts, idle } = uses;
  const touched = new Set<FileHash>(changedKeys(seen.files, next.files));
  const count = (hash: FileHash | undefined, by: 1 | -1): void => {
    if (hash === undefined) return;
    const left = (counts.get(hash) ?? 0) + by;
    if (left === 0) counts.delete(hash);
    else counts.set(hash, left);
    touched.add(hash);
  };
  for (const [snapshot, by] of [[seen, -1], [next, 1]] as const) {
    for (const name of changedKeys(seen.units, next.units)) count(snapshot.units.get(name)?.hash, by);
    for (const machine of changedKeys(seen.assignments, next.assignments)) {
      const ofMachine = snapshot.assignments.get(machine);
      const names = changedKeys(seen.assignments.get(machine) ?? nothing, next.assignments.get(machine) ?? nothing);
      for (const name of names) count(ofMachine?.get(name)?.hash, by);
    }
    for (const name of changedKeys(seen.releases, next.releases)) {
      for (const { hash } of snapshot.releases.get(name)?.generations ?? []) count(hash, by);
    }
  }
  for (const hash of touched) {
    if (next.files.has(hash) && !counts.has(hash)) idle.add(hash);
    else idle.delete(hash);
  }
  uses.seen = next;
}

const nothing: ReadonlyMap<UnitName, Assignment> = new Map();

function isReadable({ unreadable }: ClusterSnapshot): boolean {
  for (const key of unreadable.keys()) if (/^(units|assignments|releases)\//.test(key)) return false;
  return true;
}
