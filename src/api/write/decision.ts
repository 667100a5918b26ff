/**
 * What a write is: a pure decision on one moment of the cluster, to be made again when that moment has passed.
 * Promises: every wait for the store or the mirror is bounded.
 */
import type { ClusterSnapshot } from '../../core/cluster.ts';
import { doubtOf, noRegistration, whyDoubted } from '../../core/doubt.ts';
import { failure, type Failure, type Result } from '../../core/failure.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Log } from '../../lib/log.ts';
import type { StoreTrust } from '../../store/trust.ts';
import type { Mirror } from '../../store/mirror.ts';
import { keys, schemaVersion } from '../../store/keys.ts';
import { isStoreTrouble } from '../../store/lease-keeper.ts';
import { StoreUnavailable, type Commit, type CommitOutcome, type Guard, type Revision, type Store } from '../../store/store.ts';
import { inTime, withDeadline } from '../../lib/deadline.ts';
import { untilHolds } from '../../lib/wakeups.ts';
import { oneLine } from '../json.ts';
import type { Plan } from './plan.ts';

export interface WriteNeeds {
  /** Whether the store is the one this machine knows. */
  readonly trust: Pick<StoreTrust, 'doubt' | 'known'>;
  readonly mirror: Mirror;
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly machineId: string;
  readonly storeKind: 'etcd' | 'embedded';
}

/** What a decision is made from: one moment of the cluster. */
export interface Basis {
  readonly snapshot: ClusterSnapshot;
  readonly modRevision: (key: string) => Guard['modRevision'];
  readonly nowMs: number;
}

/** What is to happen, and what to answer once it has. */
export interface Decision<T> {
  readonly plan: Plan;
  readonly answer: T;
}

/** A pure function of the moment; it is called again when the moment has passed. */
export type Decide<T> = (basis: Basis) => Result<Decision<T>>;

/** A decision that has been carried out. */
export interface Outcome<T> {
  /** The revision at which all of it is in the store. */
  readonly revision: number;
  readonly answer: T;
}

const commitLimitMs = 10_000;
/** How long after its beginning a change is tried again whose answer was lost, and how long it waits before: etcd may only have been slow. */
const againMsMax = 2_000;
const againPauseMs = 200;
/** How long the mirror may take to see a commit before the answer goes out without that. */
const catchUpLimitMs = 5_000;

interface Failed {
  readonly ok: false;
  readonly failure: Failure;
}

type StoreKind = Pick<WriteNeeds, 'storeKind'>;

/** The store did not answer, or too late. Of etcd it is said in the words of fleet 1.0, which scripts look for. */
export function storeLost({ storeKind }: StoreKind): Failed {
  return storeKind === 'etcd' ? failure('STORE_UNAVAILABLE') : failure('STORE_UNAVAILABLE', 'fleet server unable to use its embedded store');
}

/** The same with what the store said: that its database is full, for example. */
export function storeLostBy(needs: StoreKind, error: Error): Failed {
  return failure('STORE_UNAVAILABLE', `${storeLost(needs).failure.message}: ${oneLine(error.message)}`);
}

/** Nothing is changed by others while a backup is being restored; null when none is. */
export function whyRestoring({ restore }: ClusterSnapshot): Failed | null {
  if (restore === null) return null;
  const by = restore.by === '' ? '' : ` by ${restore.by}`;
  return failure(
    'RESTORE_RUNNING',
    `a backup is being restored since ${new Date(restore.atMs).toISOString()}${by}: try again, or, if that was ` +
      'interrupted, run "fleetctl restore --force" again',
  );
}

/** A store of a newer fleet is not changed by this one; null when it is not one. */
export function whyTooOld({ mirror }: Pick<WriteNeeds, 'mirror'>): ReturnType<typeof failure> | null {
  const { revision, schema, unreadable } = mirror.snapshot();
  const facts = { revision, schema, unreadable: unreadable.get(keys.schema)?.why ?? null, registration: noRegistration, acceptance: null };
  const doubt = doubtOf(null, facts, schemaVersion);
  return doubt === null ? null : failure('STORE_NEWER', doubt.why);
}

/** Nothing is changed in a store that a machine doubts: what is acknowledged there may be gone with it. null when none does. */
function whyDoubtful({ mirror, trust }: Pick<WriteNeeds, 'mirror' | 'trust'>): ReturnType<typeof failure> | null {
  const why = trust.doubt()?.why ?? whyDoubted(mirror.snapshot());
  return why === null ? null : failure('STORE_DOUBTED', `${oneLine(why)}; bring the right store back, or say that it is right: fleetctl accept-store`);
}

/** What machines have against the store, as lines for people; empty when nothing. */
export function storeDoubts(needs: Pick<WriteNeeds, 'mirror' | 'trust'>): readonly string[] {
  const doubt = whyTooOld(needs) ?? whyDoubtful(needs);
  return doubt === null ? [] : [`store: ${doubt.failure.message}`];
}

/** Why nothing may be changed now; null when it may. */
export function whyClosed(needs: Pick<WriteNeeds, 'mirror' | 'trust'>): ReturnType<typeof failure> | null {
  return whyTooOld(needs) ?? whyRestoring(needs.mirror.snapshot()) ?? whyDoubtful(needs);
}

export function basisOf({ mirror, clock }: WriteNeeds): Basis {
  return { snapshot: mirror.snapshot(), modRevision: (key) => mirror.modRevision(key), nowMs: clock.nowMs() };
}

/**
 * Commits, and throws DeadlineExceeded when the store takes too long; then it may or may not have happened. Throws StoreUnavailable when it
 * happened in a store that was wiped or put back a moment ago: nobody may hold it to be done.
 */
export async function commitInTime(
  { mirror, store, clock }: WriteNeeds,
  commit: Commit,
  signal: AbortSignal,
): Promise<CommitOutcome> {
  const heard = mirror.snapshot().revision;
  const outcome = await withDeadline({ clock, limitMs: commitLimitMs, signal }, (limited) => store.commit(commit, limited));
  if (outcome.revision >= heard) return outcome;
  const why = `it answers with revision ${String(outcome.revision)}, and had come to ${String(heard)}: it was wiped or put back`;
  throw new StoreUnavailable(why, { refuses: true });
}

/** A commit whose answer was lost: it may have happened or not, or may still happen. */
export interface LostAnswer {
  readonly lost: Error;
}

/** The same, answering with the trouble of the store instead of throwing it. */
export async function tryCommit(needs: WriteNeeds, commit: Commit, signal: AbortSignal): Promise<CommitOutcome | LostAnswer> {
  try {
    return await commitInTime(needs, commit, signal);
  } catch (error) {
    if (isStoreTrouble(error)) return { lost: error };
    throw error;
  }
}

/** Waits until a change that began at `beganMs` (uptime) and whose answer was lost can be tried again; false when it is not to be. */
export async function mayTryAgain(
  { mirror, clock }: WriteNeeds,
  { lost, beganMs }: LostAnswer & { readonly beganMs: number },
  signal: AbortSignal,
): Promise<boolean> {
  const leftMs = beganMs + againMsMax - clock.uptimeMs();
  if (leftMs <= againPauseMs || (lost instanceof StoreUnavailable && lost.refuses)) return false;
  await clock.sleep(againPauseMs, signal);
  return inTime(withDeadline({ clock, limitMs: leftMs - againPauseMs, signal }, (limited) => mirror.untilCurrent(limited)));
}

/** Waits until the mirror shows the revision of a commit of ours; false when it does not in time. */
export function catchUp({ mirror, clock }: WriteNeeds, revision: Revision, signal: AbortSignal): Promise<boolean> {
  return inTime(
    withDeadline({ clock, limitMs: catchUpLimitMs, signal }, (limited) => mirror.reached(revision, limited)),
  );
}

/**
 * Waits until the mirror shows why these guards did not hold; false when it does not in time. The revision of a refused
 * commit is no use for that: it may belong to a change outside the cluster's keys.
 */
export function seeRefusal(
  { mirror, clock }: WriteNeeds,
  guards: readonly Guard[],
  signal: AbortSignal,
): Promise<boolean> {
  const isSeen = (): boolean => guards.some(({ key, modRevision }) => mirror.modRevision(key) !== modRevision);
  return inTime(
    withDeadline({ clock, limitMs: catchUpLimitMs, signal }, (limited) => mirrorUntil(mirror, isSeen, limited)),
  );
}

/** Resolves once `holds()` does, looking after every change of the mirror; rejects with the reason of the signal. */
export const mirrorUntil = (mirror: Mirror, holds: () => boolean, signal: AbortSignal): Promise<void> =>
  untilHolds((look) => mirror.subscribe(look), holds, signal);
