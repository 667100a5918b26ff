/**
 * Unit files that no unit and no assignment uses any more.
 * Promises: a file is deleted only after it was unused for a while, and only if nobody put it again (every submit does).
 * Generations of releases use their files: undo brings them back. Nothing is deleted while a record cannot be read: it may use the
 * file.
 */
import type { ClusterSnapshot } from '../core/cluster.ts';
import type { FileHash } from '../core/unit.ts';
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
  return {
    look(snapshot, uptimeMs): void {
      const unused = unusedIn(snapshot);
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

function unusedIn(snapshot: ClusterSnapshot): ReadonlySet<FileHash> {
  const unreadable = [...snapshot.unreadable.keys()].some((key) => /^(units|assignments|releases)\//.test(key));
  if (unreadable) return new Set();
  const unused = new Set(snapshot.files.keys());
  for (const { hash } of snapshot.units.values()) unused.delete(hash);
  for (const ofMachine of snapshot.assignments.values()) for (const { hash } of ofMachine.values()) unused.delete(hash);
  for (const { generations } of snapshot.releases.values()) for (const { hash } of generations) unused.delete(hash);
  return unused;
}
