/**
 * Small changes: decide on the newest snapshot, one commit guarded by what was decided from, and again when somebody else was faster.
 * Promises: an answer means that the change is durable and that lists of this API show it; attempts and waits are bounded. After an answer
 * of the store that was lost it is decided again: every such change only says how something is to be, so it does not happen twice.
 */
import type { Result } from '../../core/failure.ts';
import type { Commit } from '../../store/store.ts';
import { untilCommitted } from './attempts.ts';
import { basisOf, storeLost, whyClosed, type Basis, type WriteNeeds } from './decision.ts';

/** What a change came to. */
export interface Change {
  /** The revision at which it is in the store. */
  readonly revision: number;
  /** False when everything was as wanted already. */
  readonly changed: boolean;
}

/**
 * Carries a decision out. A commit without changes says that all is as wanted already: the store confirms by its guards that this is still
 * so, or the mirror lags. Fails as `decide` does, as a lost store does, and while nothing may be changed.
 */
export async function commitDecision(
  needs: WriteNeeds,
  decide: (basis: Basis) => Result<Commit>,
  signal: AbortSignal,
): Promise<Result<Change>> {
  return whyClosed(needs) ?? (await commitAnyway(needs, decide, signal));
}

/** The same for what opens a store again that is closed to changes. */
export async function commitAnyway(
  needs: WriteNeeds,
  decide: (basis: Basis) => Result<Commit>,
  signal: AbortSignal,
): Promise<Result<Change>> {
  let isUnsure = false;
  const onLost = (): void => {
    isUnsure = true;
  };
  return untilCommitted<Change>(needs, () => {
    const decided = decide(basisOf(needs));
    // It may be refused because it is done.
    if (!decided.ok) return { end: isUnsure ? storeLost(needs) : decided };
    const commit = decided.value;
    return { commit, onLost, answerAt: (revision) => ({ revision, changed: commit.changes.length > 0 }) };
  }, signal);
}
