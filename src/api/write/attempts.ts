/**
 * A change, tried until the store has it: commit what was made of the newest snapshot, and make it anew when somebody else was faster or the
 * answer was lost.
 * Promises: a success means that the change is durable and that lists of this API show it; the number of attempts and every wait are bounded.
 */
import { failure, success, type Result } from '../../core/failure.ts';
import type { Commit } from '../../store/store.ts';
import { catchUp, mayTryAgain, seeRefusal, storeLost, storeLostBy, tryCommit, type WriteNeeds } from './decision.ts';

const attemptsMax = 16;

/** What one attempt commits. */
export interface Attempt<T> {
  readonly commit: Commit;
  /** What to answer once it is in the store, at that revision. */
  readonly answerAt: (revision: number) => T;
  /** The answer of the store was lost: it may have happened, and another attempt follows. */
  readonly onLost: () => void;
}

/**
 * Commits what `next` makes of this moment, which may also end it without a commit. Fails as that does, with CONFLICT when others were
 * faster again and again, and with STORE_UNAVAILABLE when the store does not answer for some seconds; then it may have happened.
 */
export async function untilCommitted<T>(
  needs: WriteNeeds,
  next: () => Attempt<T> | { readonly end: Result<T> | Promise<Result<T>> },
  signal: AbortSignal,
): Promise<Result<T>> {
  if (!needs.mirror.freshness().current) return storeLost(needs);
  const beganMs = needs.clock.uptimeMs();
  for (let count = 0; count < attemptsMax; count += 1) {
    const attempt = next();
    if ('end' in attempt) return attempt.end;
    const outcome = await tryCommit(needs, attempt.commit, signal);
    if ('lost' in outcome) {
      if (!(await mayTryAgain(needs, { ...outcome, beganMs }, signal))) return storeLostBy(needs, outcome.lost);
      attempt.onLost();
    } else if (outcome.committed) {
      // A mirror that lags only delays what lists show: the answer stands.
      await catchUp(needs, outcome.revision, signal);
      return success(attempt.answerAt(outcome.revision));
    } else if (!(await seeRefusal(needs, attempt.commit.guards, signal))) {
      return storeLost(needs);
    }
  }
  return failure('CONFLICT', `others changed the same things ${attemptsMax} times in a row; try again`);
}
