/**
 * How far etcd had come. A member that has just been started may answer, for a moment, from before the last changes it has yet to apply
 * (etcd issue 20418); believed at once, that would look like a store that was put back from a backup.
 * Promises: an answer that is behind is not believed for {@link catchUpMsMax}; an etcd that stays behind for longer is taken at its word.
 */
import type { Clock } from '../../lib/clock.ts';

/** A member that starts applies what it has in much less. */
export const catchUpMsMax = 2_000;

export interface Progress {
  /** Etcd has come to this revision. */
  note(revision: number): void;
  /** Why an answer of this revision is not to be believed yet, as one line; null when it is. */
  doubt(revision: number): string | null;
}

export function createProgress(clock: Clock): Progress {
  let highest = 0;
  let behindSinceMs: number | null = null;
  const accept = (revision: number): null => {
    highest = revision;
    behindSinceMs = null;
    return null;
  };
  return {
    note(revision): void {
      if (revision >= highest) accept(revision);
    },
    doubt(revision): string | null {
      if (revision >= highest) return accept(revision);
      behindSinceMs ??= clock.uptimeMs();
      if (clock.uptimeMs() - behindSinceMs >= catchUpMsMax) return accept(revision);
      return `etcd answers from revision ${revision}, and had come to ${highest}: waiting for it to catch up`;
    },
  };
}
