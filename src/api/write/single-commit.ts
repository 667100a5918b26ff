/**
 * Small changes: decide on the newest snapshot, one commit guarded by what was decided from, and again when somebody else was faster.
 * Promises: an answer means that the change is durable and that lists of this API show it; attempts and waits are bounded. After an answer
 * of the store that was lost it is decided again: every such change only says how something is to be, so it does not happen twice.
 */
import { failure, success, type Result } from '../../core/failure.ts';
import type { Commit } from '../../store/store.ts';
import { basisOf, catchUp, mayTryAgain, seeRefusal, storeLost, tryCommit, whyClosed, type Basis, type WriteNeeds } from './decision.ts';

const attemptsMax = 16;

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
  if (!needs.mirror.freshness().current) return storeLost(needs);
  const beganMs = needs.clock.uptimeMs();
  let isUnsure = false;
  for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
    const decided = decide(basisOf(needs));
    // It may be refused because it is done.
    if (!decided.ok) return isUnsure ? storeLost(needs) : decided;
    const commit = decided.value;
    const outcome = await tryCommit(needs, commit, signal);
    if ('lost' in outcome) {
      if (!(await mayTryAgain(needs, { ...outcome, beganMs }, signal))) return storeLost(needs);
      isUnsure = true;
    } else if (outcome.committed) {
      const changed = commit.changes.length > 0;
      if (changed) await catchUp(needs, outcome.revision, signal);
      return success({ revision: outcome.revision, changed });
    } else if (!(await seeRefusal(needs, commit.guards, signal))) {
      return storeLost(needs);
    }
  }
  return failure('CONFLICT', `others changed the same thing ${attemptsMax} times in a row; try again`);
}
