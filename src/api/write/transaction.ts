/**
 * From a decision to the store: decide on the newest snapshot, commit guarded by what was decided from, and decide
 * again when somebody else was faster.
 * Promises: all of a request happens or nothing; an answer means that it is durable and that lists of this API show it;
 * the number of attempts and every wait are bounded.
 */
import { success, type Result } from '../../core/failure.ts';
import { isStoreTrouble } from '../../store/lease-keeper.ts';
import { untilCommitted } from './attempts.ts';
import { basisOf, storeLostBy, whyClosed, type Decide, type Decision, type Outcome, type WriteNeeds } from './decision.ts';
import { carryOutStored } from './operation.ts';
import { commitOf, fitsOneCommit, isCarriedOut, isEmpty, planToKeep } from './plan.ts';

/**
 * Carries a decision out. When the answer of the store is lost it is tried again for some seconds, and what has happened already is not done
 * twice. Fails with what `decide` fails with, with CONFLICT when others were faster again and again, and with STORE_UNAVAILABLE when the
 * store does not answer; then, as with every lost answer, it may have happened.
 */
export async function transact<T>(
  needs: WriteNeeds,
  decide: Decide<T>,
  signal: AbortSignal,
): Promise<Result<Outcome<T>>> {
  /** What may have happened. */
  const unsure: Decision<T>[] = [];
  return untilCommitted<Outcome<T>>(needs, () => {
    const closed = whyClosed(needs);
    if (closed !== null) return { end: closed };
    const basis = basisOf(needs);
    const done = unsure.find((decision) => isCarriedOut(decision.plan, basis.snapshot));
    const decided = done === undefined ? decide(basis) : success({ plan: planToKeep(done.plan, basis.modRevision), answer: done.answer });
    if (!decided.ok) return { end: decided };
    const { plan, answer } = decided.value;
    if (isEmpty(plan) && plan.unchanged.length === 0) return { end: success({ revision: basis.snapshot.revision, answer }) };
    // Also when nothing is to change: the store says whether that is still so, or the mirror lags.
    const commit = commitOf(plan);
    if (!fitsOneCommit(commit)) return { end: transactStored(needs, decide, signal) };
    const onLost = (): void => {
      if (!isEmpty(plan)) unsure.push(decided.value);
    };
    return { commit, onLost, answerAt: (revision) => ({ revision, answer }) };
  }, signal);
}

/** The same for a decision too large for one commit. An accepted one is finished by somebody, so nothing is tried again. */
async function transactStored<T>(needs: WriteNeeds, decide: Decide<T>, signal: AbortSignal): Promise<Result<Outcome<T>>> {
  try {
    return await carryOutStored(needs, decide, signal);
  } catch (error) {
    if (isStoreTrouble(error)) return storeLostBy(needs, error);
    throw error;
  }
}
