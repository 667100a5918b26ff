/**
 * What has really happened in the store: every revision with who caused it, and what each process has heard of it.
 * Promises: it sees each revision before any simulated process does, and changes nothing; checkers ask it, components
 * never do.
 */
import type { ClusterSnapshot } from '../src/core/cluster.ts';
import { parseKey } from '../src/store/keys.ts';
import type { KeyMeaning } from '../src/store/keys.ts';
import type { MemoryStore } from '../src/store/memory-store.ts';
import { createSnapshotBuilder } from '../src/store/snapshot-builder.ts';
import { StoreUnavailable } from '../src/store/store.ts';
import type { Revision, StoreChange, WatchBatch } from '../src/store/store.ts';
import type { Clock } from '../src/lib/clock.ts';
import { whenAborted } from '../src/lib/tasks.ts';
import type { FleetdPart } from './fleetd.ts';
import type { SimProcess } from './process.ts';
import type { Author, WireHearing } from './wire.ts';

/** A key as it was from one revision on. */
export interface Version {
  readonly revision: number;
  /** null: it did not exist. */
  readonly value: string | null;
  readonly leaseId: string | null;
  /** Whose commit made it so; null for the end of a lease. */
  readonly author: Author | null;
}

/** A change of one key. */
export interface KeyChange {
  readonly key: string;
  readonly meaning: KeyMeaning | null;
  readonly before: Version;
  readonly after: Version;
}

/** One revision. */
export interface Moment {
  readonly revision: number;
  readonly atMs: number;
  /** null for the end of a lease. */
  readonly author: Author | null;
  readonly changes: readonly KeyChange[];
  readonly before: ClusterSnapshot;
  readonly after: ClusterSnapshot;
}

/** Who was given a lease, and whether somebody ended it. */
export interface LeaseStory {
  readonly holder: Author;
  revokedBy: Author | null;
}

export interface Chronicle {
  readonly hear: WireHearing;
  readonly leases: ReadonlyMap<string, LeaseStory>;
  /** The store now. */
  snapshot(): ClusterSnapshot;
  revision(): number;
  /** All versions of a key, oldest first; the first is of revision 0, when nothing existed. */
  versions(key: string): readonly Version[];
  /** A key as it was at a revision. */
  at(key: string, revision: number): Version;
  /** Versions of a key that held at any revision from `from` to `to`. */
  between(key: string, from: number, to: number): readonly Version[];
  /** Keys that changed after `from` and up to `to`. */
  changedKeys(from: number, to: number): ReadonlySet<string>;
  /** The last revision a process has heard of everything under a prefix; 0 when it has heard nothing. */
  heard(process: SimProcess, prefix: string): number;
  /** The same by watches alone: a listing may have been made by another part of the process than the one that follows. */
  followed(process: SimProcess, prefix: string): number;
  /** Follows the store until the signal is aborted. */
  run(signal: AbortSignal): Promise<void>;
  /** Writes down what has happened since the last time; called whenever nothing can go on without time passing. */
  write(): void;
}

export interface ChronicleNeeds {
  readonly store: MemoryStore;
  /** Resolves when the store has the data that are written down here; others are passed over. */
  readonly righted: () => Promise<void>;
  /** True time. */
  readonly clock: Clock;
  readonly onMoment: (moment: Moment) => void;
  readonly onHeard: (process: SimProcess, part: FleetdPart, prefix: string) => void;
  readonly onStrange: WireHearing['strange'];
}

const absent: Version = { revision: 0, value: null, leaseId: null, author: null };

export function createChronicle({ store, righted, clock, onMoment, onHeard, onStrange }: ChronicleNeeds): Chronicle {
  const builder = createSnapshotBuilder();
  const book = createVersions();
  const authors = new Map<number, { readonly author: Author; readonly keys: ReadonlySet<string> }>();
  const leases = new Map<string, LeaseStory>();
  const heard = createHeights();
  const followed = createHeights();
  let fresh: WatchBatch[] = [];

  const committed: WireHearing['committed'] = (author, commit, outcome) => {
    // Not a later commit that changed nothing and is answered with the same revision.
    if (!outcome.committed || authors.has(outcome.revision)) return;
    authors.set(outcome.revision, { author, keys: new Set(commit.changes.map(({ key }) => key)) });
  };
  const hears: WireHearing['heard'] = ({ process, part }, prefix, upTo) => {
    // The agent lists everything only to compare it.
    if (prefix === '' && part !== 'mirror') return;
    heard.raise(process, prefix, upTo);
    onHeard(process, part, prefix);
  };
  const take = (batch: WatchBatch): void => {
    const by = authors.get(batch.revision);
    const author = by !== undefined && batch.changes.every((change) => by.keys.has(keyOf(change))) ? by.author : null;
    const before = builder.snapshot();
    const changes = book.note(batch, author);
    builder.apply(batch.revision, batch.changes);
    const { revision } = batch;
    onMoment({ revision, atMs: clock.uptimeMs(), author, changes, before, after: builder.snapshot() });
  };
  return {
    hear: {
      ...hearLeases(leases), committing: () => undefined, committed, heard: hears, strange: onStrange,
      followed: ({ process }, ...to) => followed.raise(process, ...to),
    },
    leases,
    snapshot: builder.snapshot,
    ...book,
    heard: heard.of,
    followed: followed.of,
    async run(signal): Promise<void> {
      let after = 0 as Revision;
      while (!signal.aborted) {
        try {
          for await (const batch of store.watch('', after, signal)) {
            after = batch.revision;
            if (batch.changes.length > 0) fresh.push(batch);
          }
        } catch (error) {
          signal.throwIfAborted();
          // Other data took its place.
          if (!(error instanceof StoreUnavailable)) throw error;
          await Promise.race([righted(), whenAborted(signal)]);
        }
      }
    },
    write(): void {
      const batches = fresh;
      fresh = [];
      for (const batch of batches) take(batch);
    },
  };
}

interface Heights {
  of(process: SimProcess, prefix: string): number;
  raise(process: SimProcess, prefix: string, upTo: number): void;
}

/** The highest revision of each prefix that has come to a process. */
function createHeights(): Heights {
  const heights = new Map<SimProcess, Map<string, number>>();
  return {
    of: (process, prefix) => heights.get(process)?.get(prefix) ?? 0,
    raise(process, prefix, upTo): void {
      let ofProcess = heights.get(process);
      if (ofProcess === undefined) heights.set(process, (ofProcess = new Map()));
      ofProcess.set(prefix, Math.max(upTo, ofProcess.get(prefix) ?? 0));
    },
  };
}

interface Versions extends Pick<Chronicle, 'revision' | 'versions' | 'at' | 'between' | 'changedKeys'> {
  /** Writes a revision down. */
  note(batch: WatchBatch, author: Author | null): readonly KeyChange[];
}

/** Every version of every key. */
function createVersions(): Versions {
  const versions = new Map<string, Version[]>();
  const keysOf: (readonly string[])[] = [];
  let revision = 0;
  const versionsOf = (key: string): readonly Version[] => versions.get(key) ?? [absent];
  const at = (key: string, wanted: number): Version =>
    versionsOf(key).findLast((version) => version.revision <= wanted) ?? absent;
  return {
    revision: () => revision,
    versions: versionsOf,
    at,
    between(key, from, to): readonly Version[] {
      const first = at(key, from);
      const isLater = (version: Version): boolean => version.revision > Math.max(from, first.revision);
      return [first, ...versionsOf(key).filter((version) => isLater(version) && version.revision <= to)];
    },
    changedKeys: (from, to) => new Set(keysOf.slice(from + 1, to + 1).flat()),
    note(batch, author): readonly KeyChange[] {
      const changes = batch.changes.map((change): KeyChange => {
        const key = keyOf(change);
        const after = versionOf(change, author);
        const before = at(key, revision);
        versions.set(key, [...versionsOf(key), after]);
        return { key, meaning: parseKey(key), before, after };
      });
      revision = batch.revision;
      keysOf[revision] = changes.map(({ key }) => key);
      return changes;
    },
  };
}

function versionOf(change: StoreChange, author: Author | null): Version {
  if (change.kind === 'delete') return { revision: change.modRevision, value: null, leaseId: null, author };
  const { modRevision, value, leaseId } = change.entry;
  return { revision: modRevision, value, leaseId, author };
}

function hearLeases(leases: Map<string, LeaseStory>): Pick<WireHearing, 'granted' | 'revoked'> {
  return {
    granted: (holder, leaseId) => void leases.set(leaseId, { holder, revokedBy: null }),
    revoked(author, leaseId): void {
      const story = leases.get(leaseId);
      if (story !== undefined) story.revokedBy = author;
    },
  };
}

const keyOf = (change: StoreChange): string => (change.kind === 'put' ? change.entry.key : change.key);
