/**
 * Small changes: decide on the newest snapshot, one commit guarded by what was decided from, and again when somebody else was faster.
 * Promises: an answer means that the change is durable and that lists of this API show it; attempts and waits are bounded.
 */
import { failure, success, type Result } from '../../core/failure.ts';
import { DeadlineExceeded } from '../../lib/deadline.ts';
import { StoreUnavailable, type Commit } from '../../store/store.ts';
import { basisOf, catchUp, commitInTime, seeRefusal, storeLost, type Basis, type WriteNeeds } from './decision.ts';

const attemptsMax = 16;

/** What a change came to. */
export interface Change {
  /** The revision at which it is in the store. */
  readonly revision: number;
  /** False when everything was as wanted already. */
  readonly changed: boolean;
}

/** Carries a decision out; null decides that nothing is to be changed. Fails as `decide` does, and as a lost store does. */
export async function commitDecision(
  needs: WriteNeeds,
  decide: (basis: Basis) => Result<Commit | null>,
  signal: AbortSignal,
): Promise<Result<Change>> {
  if (!needs.mirror.freshness().current) return storeLost;
  try {
    for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
      const basis = basisOf(needs);
      const decided = decide(basis);
      if (!decided.ok) return decided;
      const commit = decided.value;
      if (commit === null) return success({ revision: basis.snapshot.revision, changed: false });
      const { committed, revision } = await commitInTime(needs, commit, signal);
      if (committed) {
        await catchUp(needs, revision, signal);
        return success({ revision, changed: true });
      }
      if (!(await seeRefusal(needs, commit.guards, signal))) return storeLost;
    }
    return failure('CONFLICT', `others changed the same thing ${attemptsMax} times in a row; try again`);
  } catch (error) {
    if (error instanceof StoreUnavailable || error instanceof DeadlineExceeded) return storeLost;
    throw error;
  }
}
