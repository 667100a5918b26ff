/**
 * Releases carried out: the planner's steps as commits.
 * Promises: a step is one commit, guarded by the revision of every record it writes, so that a person's change in between wins; the
 * engine is woken by what machines say of units under release, and when time alone may ask for a step.
 */
import type { ClusterSnapshot } from '../core/cluster.ts';
import { planReleases } from '../core/release/plan.ts';
import type { ReleaseBasis } from '../core/release/plan.ts';
import { releaseOf } from '../core/release/members.ts';
import { isActive } from '../core/release/release.ts';
import type { ReleaseStep } from '../core/release/release.ts';
import type { UnitName } from '../core/unit-name.ts';
import { keys, parseKey } from '../store/keys.ts';
import type { FollowBatch } from '../store/mirror.ts';
import { encodeRecord } from '../store/records.ts';
import type { CommitChange } from '../store/store.ts';
import type { Part, RevisionOf } from './commits.ts';

/** What an engine keeps about releases from pass to pass. */
export interface Releases {
  /** The next step of every release; `uptimeMs` is now. */
  plan(basis: ReleaseBasis, uptimeMs: number): readonly ReleaseStep[];
  /** Milliseconds until time alone may ask for a step; null when it will not. */
  nextMs(uptimeMs: number): number | null;
}

export function createReleases(): Releases {
  let dueAtMs: number | null = null;
  return {
    plan(basis, uptimeMs): readonly ReleaseStep[] {
      const { steps, dueMs } = planReleases(basis);
      dueAtMs = dueMs === null ? null : uptimeMs + dueMs;
      return steps;
    },
    nextMs: (uptimeMs) => (dueAtMs === null ? null : Math.max(0, dueAtMs - uptimeMs)),
  };
}

/**
 * Tells which batches of changes hold something that a release waits for: what a machine says of one of its units. Looks at a snapshot
 * only while there is a release under way.
 */
export function createReleaseEar(snapshot: () => ClusterSnapshot): (batch: FollowBatch) => boolean {
  const isAnyActive = (): boolean => [...snapshot().releases.values()].some(isActive);
  let isListening = isAnyActive();
  return ({ changes }) => {
    const meanings = changes.map((change) => parseKey(change.kind === 'put' ? change.entry.key : change.key));
    if (meanings.some((meaning) => meaning?.kind === 'release')) isListening = isAnyActive();
    return isListening && meanings.some((meaning) => meaning?.kind === 'status' && isUnderRelease(snapshot(), meaning.name));
  };
}

function isUnderRelease(snapshot: ClusterSnapshot, name: UnitName): boolean {
  const release = releaseOf(snapshot, name);
  return release !== undefined && isActive(release);
}

/** A step as one part of a commit. */
export function partOfStep({ name, record, units }: ReleaseStep, revisionOf: RevisionOf): Part {
  const written = new Map<string, string | null>([[keys.release(name), record === null ? null : encodeRecord(record)]]);
  for (const [unit, next] of units) written.set(keys.unit(unit), next === null ? null : encodeRecord(next));
  const changes = [...written].map(([key, value]): CommitChange => (value === null ? { kind: 'delete', key } : { kind: 'put', key, value }));
  return { guards: [...written.keys()].map((key) => ({ key, modRevision: revisionOf(key) })), changes };
}
