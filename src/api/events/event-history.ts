/**
 * The newest changes of the cluster as frames, kept for all streams together.
 * Promises: each change is described and printed once, however many streams there are, and none while nobody has listened for a minute;
 * memory is bounded by limits.eventBacklogMax frames (one batch larger than that is kept whole); a store that was put back to an older
 * state starts a new history.
 */
import type { ClusterSnapshot } from '../../core/cluster.ts';
import { limits } from '../../core/limits.ts';
import type { SectionReader } from '../../core/schedule/sections.ts';
import type { Clock } from '../../lib/clock.ts';
import type { FollowBatch, Mirror } from '../../store/mirror.ts';
import { describeChanges } from './describe-changes.ts';
import { frameOf, headOf, type EventHead } from './filter.ts';

/** How long it goes on without a listener: whose stream broke off comes back, and wants what it has missed. */
const unheardMs = 60_000;

/** One printed event. */
export interface Frame extends EventHead {
  readonly text: string;
}

/** Frames up to a position. */
export interface Recent {
  readonly position: number;
  readonly frames: readonly Frame[];
}

export interface EventHistory {
  /** Where the history has come to: the newest revision known, 0 before the store has answered; more right after a store was put back. */
  position(): number;
  /** Everything after a position or revision; null when that is no longer, or not yet, known. */
  after(position: number): Recent | null;
  /** Calls `listener` after every batch, the changes of which are known from then on; returns how to stop that. */
  subscribe(listener: () => void): () => void;
  close(): void;
}

export function createEventHistory(mirror: Mirror, { sections, clock }: { readonly sections: SectionReader; readonly clock: Clock }): EventHistory {
  const listeners = new Set<() => void>();
  let entries: Recent[] = [];
  let frameCount = 0;
  /** The cluster as it was described last; null while nobody listens. */
  let before: ClusterSnapshot | null = null;
  let heardAtMs = clock.uptimeMs();
  let newest = mirror.snapshot().revision;
  /** Changes up to here are forgotten, or of another history: half a revision more when the new one begins at the revision of the old. */
  let floor = newest;
  const position = (): number => Math.max(newest, floor);

  const forget = (): void => {
    entries = [];
    frameCount = 0;
    floor = newest;
  };
  const hear = ({ revision, changes }: FollowBatch): void => {
    const isSameRevision = revision === newest && changes.length > 0;
    const isNewHistory = newest === 0 || revision < newest || isSameRevision;
    newest = revision;
    const isUnheard = before !== null && listeners.size === 0 && clock.uptimeMs() - heardAtMs >= unheardMs;
    if (before === null || isUnheard) {
      // A snapshot for each batch would cost more than all the rest of following the store.
      before = null;
      forget();
    } else if (isNewHistory) {
      before = mirror.snapshot();
      forget();
      if (isSameRevision) floor += 0.5;
    } else if (changes.length > 0) {
      const after = mirror.snapshot();
      const frames = describeChanges({ before, after, sections, changes }).map((event) => ({
        ...headOf(event),
        text: frameOf(event, revision),
      }));
      before = after;
      entries.push({ position: revision, frames });
      frameCount += frames.length;
      while (frameCount > limits.eventBacklogMax && entries.length > 1) {
        const oldest = entries.shift();
        floor = oldest?.position ?? floor;
        frameCount -= oldest?.frames.length ?? 0;
      }
    }
    for (const listener of [...listeners]) listener();
  };
  const unsubscribe = mirror.subscribe(hear);
  return {
    position,
    after(from: number): Recent | null {
      if (from < floor || from > position()) return null;
      const first = firstAfter(entries, from);
      return { position: position(), frames: entries.slice(first).flatMap((entry) => entry.frames) };
    },
    subscribe(listener: () => void): () => void {
      listeners.add(listener);
      if (before === null) {
        before = mirror.snapshot();
        newest = before.revision;
        forget();
      }
      return () => {
        listeners.delete(listener);
        heardAtMs = clock.uptimeMs();
      };
    },
    close: unsubscribe,
  };
}

/** Index of the first entry after a position; streams that keep up find it at the end. */
function firstAfter(entries: readonly Recent[], position: number): number {
  let index = entries.length;
  while (index > 0 && (entries[index - 1]?.position ?? 0) > position) index -= 1;
  return index;
}
