/**
 * Requests that are too large for one commit: written down first, then carried out part by part.
 *
 * 1. Claim the key `operation`; only one such request runs in the cluster, so two of them never mix.
 * 2. Decide on a snapshot that contains the claim: everything acknowledged before is in it.
 * 3. Write the parts down, then mark the operation accepted. Before that nothing has happened, after it everything
 * will.
 * 4. Carry out one part with each commit, which deletes that part and counts it; the last one deletes the operation.
 *
 * Every commit is guarded by the operation's revision: whoever carries on, each part happens exactly once.
 * Promises: an accepted operation is finished by any fleetd, whichever dies; one that was not accepted leaves nothing
 * behind; a unit that somebody changed after the decision keeps that newer wish.
 */
import { failure, success, type Result } from '../../core/failure.ts';
import { keys } from '../../store/keys.ts';
import { isStoreTrouble } from '../../store/lease-keeper.ts';
import { StoreUnavailable, type CommitChange, type Revision } from '../../store/store.ts';
import { DeadlineExceeded, inTime, withDeadline } from '../../lib/deadline.ts';
import {
  basisOf,
  catchUp,
  commitInTime,
  mirrorUntil,
  seeRefusal,
  storeLost,
  whyClosed,
  type Decide,
  type Outcome,
  type WriteNeeds,
} from './decision.ts';
import { decodeOperation, decodePart, encodeOperation, encodePart, type OperationRecord } from './operation-record.ts';
import { changesOf, guardsOf, isEmpty, partsOf, type Plan } from './plan.ts';

/** How long a large request waits for another one to end. */
const busyLimitMs = 30_000;
/** An operation that stands still for this long was left by a fleetd that died. */
const graceMs = 15_000;
const retryMs = 5_000;
/** Parts that were never accepted are deleted this many at a time. */
const discardedPerCommit = 100;

/** An operation that is ours as long as its key was last written at `revision`. */
interface Held {
  readonly record: OperationRecord;
  readonly revision: Revision;
}

/**
 * Carries out a decision of any size. Throws StoreUnavailable and DeadlineExceeded; accepted operations are then
 * finished later.
 */
export async function carryOutStored<T>(
  needs: WriteNeeds,
  decide: Decide<T>,
  signal: AbortSignal,
): Promise<Result<Outcome<T>>> {
  const claimed = await claim(needs, signal);
  if (!claimed.ok) return claimed;
  const held = claimed.value;
  if (!(await catchUp(needs, held.revision, signal))) return storeLost(needs);
  const decided = decide(basisOf(needs));
  if (!decided.ok || isEmpty(decided.value.plan)) {
    await advance(needs, { held, next: null, changes: [] }, signal);
    return decided.ok ? success({ revision: held.revision, answer: decided.value.answer }) : decided;
  }
  const parts = partsOf(decided.value.plan);
  const accepted = await writeDown(needs, { held, parts }, signal);
  if (accepted === null) {
    return failure(
      'CONFLICT',
      'writing the request down took so long that it was given up; nothing has changed, try again',
    );
  }
  const revision =
    (await carryOn(needs, { held: accepted, parts }, signal)) ?? (await finishedByAnother(needs, signal));
  await catchUp(needs, revision, signal);
  return success({ revision, answer: decided.value.answer });
}

/** Makes this request the only large one. Fails with CONFLICT when another one does not end in time. */
async function claim(needs: WriteNeeds, signal: AbortSignal): Promise<Result<Held>> {
  const { clock, mirror, machineId } = needs;
  const record: OperationRecord = { state: 'writing', parts: 0, done: 0, machine: machineId, beganAtMs: clock.nowMs() };
  const commit = {
    guards: [{ key: keys.operation, modRevision: 0 as const }],
    changes: [{ kind: 'put', key: keys.operation, value: encodeOperation(record) } as const],
  };
  try {
    return await withDeadline({ clock, limitMs: busyLimitMs, signal }, async (limited) => {
      for (;;) {
        const outcome = await commitInTime(needs, commit, limited);
        if (outcome.committed) return success({ record, revision: outcome.revision });
        await seeRefusal(needs, commit.guards, limited); // Not seen in time: it has come and gone.
        await mirrorUntil(mirror, () => mirror.modRevision(keys.operation) === 0, limited);
      }
    });
  } catch (error) {
    const isBusy = error instanceof DeadlineExceeded && mirror.modRevision(keys.operation) !== 0;
    if (isBusy) return failure('CONFLICT', 'another large request is being carried out; try again');
    throw error;
  }
}

interface Step {
  readonly held: Held;
  /** The operation's next record; null ends it. */
  readonly next: OperationRecord | null;
  readonly changes: readonly CommitChange[];
  readonly part?: Plan;
}

/** One commit of whoever holds the operation. Null when a guard did not hold. */
async function advance(
  needs: WriteNeeds,
  { held, next, changes, part }: Step,
  signal: AbortSignal,
): Promise<Held | null> {
  const last: CommitChange =
    next === null
      ? { kind: 'delete', key: keys.operation }
      : { kind: 'put', key: keys.operation, value: encodeOperation(next) };
  const { committed, revision } = await commitInTime(
    needs,
    {
      guards: [{ key: keys.operation, modRevision: held.revision }, ...(part === undefined ? [] : guardsOf(part))],
      changes: [...changes, last],
    },
    signal,
  );
  return committed ? { record: next ?? held.record, revision } : null;
}

interface Work {
  readonly held: Held;
  /** All parts, in order. */
  readonly parts: readonly Plan[];
}

/** Stores the parts and accepts the operation; null when somebody else has given it up as dead meanwhile. */
async function writeDown(needs: WriteNeeds, { held, parts }: Work, signal: AbortSignal): Promise<Held | null> {
  const guards = [{ key: keys.operation, modRevision: held.revision }];
  for (const [index, part] of parts.entries()) {
    const change: CommitChange = { kind: 'put', key: keys.operationPart(index), value: encodePart(part) };
    const { committed } = await commitInTime(needs, { guards, changes: [change] }, signal);
    if (!committed) return null;
  }
  return advance(
    needs,
    { held, next: { ...held.record, state: 'accepted', parts: parts.length }, changes: [] },
    signal,
  );
}

/** Carries out the parts that are left. The revision of the last one; null when somebody else carries on with them. */
async function carryOn(needs: WriteNeeds, { held, parts }: Work, signal: AbortSignal): Promise<Revision | null> {
  let current: Held | null = held;
  for (const part of parts.slice(held.record.done)) {
    current = await carryOutPart(needs, { held: current, part }, signal);
    if (current === null) return null;
  }
  return current.revision;
}

/** Carries out one part; null when somebody else holds the operation by now. */
async function carryOutPart(
  needs: WriteNeeds,
  { held, part }: { readonly held: Held; readonly part: Plan },
  signal: AbortSignal,
): Promise<Held | null> {
  const { mirror } = needs;
  const { record } = held;
  const next = record.done + 1 === record.parts ? null : { ...record, done: record.done + 1 };
  for (let left = part; ;) {
    const changes: readonly CommitChange[] = [
      ...changesOf(left),
      { kind: 'delete', key: keys.operationPart(record.done) },
    ];
    const step = await advance(needs, { held, next, changes, part: left }, signal);
    if (step !== null) return step;
    const guards = [{ key: keys.operation, modRevision: held.revision }, ...guardsOf(left)];
    if (!(await seeRefusal(needs, guards, signal))) throw new StoreUnavailable('the mirror does not follow the store');
    if (mirror.modRevision(keys.operation) !== held.revision) return null;
    const units = left.units.filter(({ name, basis }) => mirror.modRevision(keys.unit(name)) === basis);
    left = { ...left, units }; // Units changed since the decision keep the newer wish: fewer with every round.
  }
}

/** Waits for whoever carries on with our operation. */
async function finishedByAnother({ mirror, clock }: WriteNeeds, signal: AbortSignal): Promise<Revision> {
  await withDeadline({ clock, limitMs: busyLimitMs, signal }, (limited) =>
    mirrorUntil(mirror, () => mirror.modRevision(keys.operation) === 0, limited),
  );
  return mirror.snapshot().revision as Revision;
}

/** Finishes operations that a fleetd left when it died, until the signal is aborted. */
export async function runOperations(needs: WriteNeeds, signal: AbortSignal): Promise<void> {
  const { mirror, clock, log } = needs;
  while (!signal.aborted) {
    try {
      await mirrorUntil(mirror, () => mirror.modRevision(keys.operation) !== 0 && whyClosed(needs) === null, signal);
      const seen = mirror.modRevision(keys.operation);
      if (seen !== 0 && (await standsStill(needs, seen, signal))) await takeOver(needs, seen, signal);
    } catch (error) {
      if (signal.aborted) return;
      if (!isStoreTrouble(error)) throw error;
      log.warning(`could not finish a stored operation, trying again in ${retryMs / 1_000} s: ${error.message}`);
      await clock.sleep(retryMs, signal).catch(() => undefined); // Aborted: the loop ends.
    }
  }
}

/** Whether the operation is not written for a while. */
async function standsStill({ mirror, clock }: WriteNeeds, seen: Revision, signal: AbortSignal): Promise<boolean> {
  const hasMoved = (): boolean => mirror.modRevision(keys.operation) !== seen;
  return !(await inTime(
    withDeadline({ clock, limitMs: graceMs, signal }, (limited) => mirrorUntil(mirror, hasMoved, limited)),
  ));
}

async function takeOver(needs: WriteNeeds, seen: Revision, signal: AbortSignal): Promise<void> {
  const { store, clock, log, mirror } = needs;
  const { entries } = await withDeadline({ clock, limitMs: graceMs, signal }, (limited) =>
    store.list(keys.operation, limited),
  );
  const header = entries.find((entry) => entry.key === keys.operation);
  if (header?.modRevision !== seen) return; // Somebody was faster.
  const record = decodeOperation(header.value);
  const stored = entries.filter((entry) => entry.key !== keys.operation);
  const parts = stored.map((entry) => decodePart(entry.value)).filter((part) => part !== null);
  const isWhole = record !== null && parts.length === record.parts - record.done;
  if (record?.state === 'writing') {
    await discard(needs, { held: { record, revision: seen }, keys: stored.map((entry) => entry.key) }, signal);
    log.info('gave up a large request that was never accepted; nothing of it has happened', {
      machine: record.machine,
    });
  } else if (isWhole) {
    // Parts that are done are gone; their places are filled so that the others keep their numbers.
    const all = [...Array.from({ length: record.done }, () => noPart), ...parts];
    const revision = await carryOn(needs, { held: { record, revision: seen }, parts: all }, signal);
    if (revision !== null) {
      log.info('finished a large request that was left half done', { machine: record.machine, revision });
    }
  } else {
    log.error(
      'a stored operation cannot be read; large requests wait for a newer fleetd, or until "operation" is deleted',
    );
    await mirrorUntil(mirror, () => mirror.modRevision(keys.operation) !== seen, signal);
  }
}

const noPart: Plan = { units: [], files: new Map(), unchanged: [] };

/** Deletes what was written down of an operation, then the operation. */
async function discard(
  needs: WriteNeeds,
  { held, keys: stored }: { readonly held: Held; readonly keys: readonly string[] },
  signal: AbortSignal,
): Promise<void> {
  const guards = [{ key: keys.operation, modRevision: held.revision }];
  for (let start = 0; start < stored.length; start += discardedPerCommit) {
    const changes = stored.slice(start, start + discardedPerCommit).map((key) => ({ kind: 'delete', key }) as const);
    const { committed } = await commitInTime(needs, { guards, changes }, signal);
    if (!committed) return;
  }
  await advance(needs, { held, next: null, changes: [] }, signal);
}
