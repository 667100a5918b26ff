/**
 * A term: the time in which one engine leads, from winning the leader key to losing it.
 * Promises: a term ends as soon as its lease may have expired or the leader key is another's; every commit of a term is guarded
 * by the revision of the leader key, so nothing of it takes effect after its end.
 */
import type { Leader } from '../core/cluster.ts';
import type { MachineId } from '../core/machine.ts';
import type { Clock } from '../lib/clock.ts';
import { withDeadline } from '../lib/deadline.ts';
import type { Log } from '../lib/log.ts';
import type { Random } from '../lib/random.ts';
import { keys } from '../store/keys.ts';
import { certainMs, endLease, holdLease } from '../store/lease-keeper.ts';
import type { HeldLease } from '../store/lease-keeper.ts';
import { encodeRecord } from '../store/records.ts';
import type { CommitChange, CommitOutcome, Guard, Revision, Store } from '../store/store.ts';

/** How long an engine waits for the store to end its lease when it resigns; the lease ends by itself otherwise. */
const resignMs = 2_000;

export interface TermNeeds {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly machine: MachineId;
  /** How long this engine may be silent before another one leads. */
  readonly ttlMs: number;
}

export interface Term {
  readonly held: HeldLease;
  readonly leader: Leader;
  /** The revision that last wrote the leader key: what all commits of the term are guarded by. */
  revision: Revision;
  /** A commit of this term got no answer, and may still take effect under the present guard. */
  inDoubt: boolean;
  /** Clock.uptimeMs() when a pass last found or made everything as decided. */
  doneAtMs: number;
}

/** How long an engine waits for the store's answer to one request: it may ask again before its lease is in doubt. */
export function answerMsMax({ ttlMs }: TermNeeds): number {
  return ttlMs / 3;
}

/** Tries to become the leader in the place of what the leader key held at `seen`; null when somebody else was faster. */
export async function winTerm(needs: TermNeeds, seen: Revision | 0, signal: AbortSignal): Promise<Term | null> {
  const held = await holdLease(needs, { ttlMs: needs.ttlMs }, signal);
  const leader: Leader = { machine: needs.machine, sinceMs: needs.clock.nowMs() };
  let won: CommitOutcome | null = null;
  try {
    won = await commitLeader(needs, { held, leader, seen }, signal);
  } finally {
    // Also when the commit was not answered: should it have happened, the key goes with its lease.
    if (won?.committed !== true) await endLease(needs, held.lease, resignMs);
  }
  return won.committed ? { held, leader, revision: won.revision, inDoubt: false, doneAtMs: needs.clock.uptimeMs() } : null;
}

/** The guard that fences the commits of a term. */
export function leaderGuard(term: Term): Guard {
  return { key: keys.leader, modRevision: term.revision };
}

/** Whether the lease of a term is certain to live: without it nothing more is written. */
export function mayWrite(term: Term, clock: Clock): boolean {
  return certainMs(term.held, clock) > 0;
}

/**
 * Writes the leader key anew under the same lease. A commit of this term that got no answer can take effect late, even after
 * later ones; once the leader key has a new revision it cannot any more. Answers false when the key is not this term's.
 */
export async function renewGuard(needs: TermNeeds, term: Term, signal: AbortSignal): Promise<boolean> {
  const deadline = { clock: needs.clock, limitMs: answerMsMax(needs), signal };
  const listing = await withDeadline(deadline, (late) => needs.store.list(keys.leader, late));
  const entry = listing.entries.find(({ key }) => key === keys.leader);
  if (entry?.leaseId !== term.held.lease.id) return false;
  const outcome = await commitLeader(needs, { ...term, seen: entry.modRevision }, signal);
  if (outcome.committed) Object.assign(term, { revision: outcome.revision, inDoubt: false });
  return outcome.committed;
}

/** Gives the leadership up, so that another engine takes over at once. */
export async function resign(needs: TermNeeds, term: Term): Promise<void> {
  const confirmed = await endLease(needs, term.held.lease, resignMs);
  if (!confirmed) needs.log.warning('could not give up the leadership; it ends with its lease', { ttlMs: needs.ttlMs });
}

interface Claim {
  readonly held: HeldLease;
  readonly leader: Leader;
  readonly seen: Revision | 0;
}

function commitLeader(needs: TermNeeds, { held, leader, seen }: Claim, signal: AbortSignal): Promise<CommitOutcome> {
  const change: CommitChange = { kind: 'put', key: keys.leader, value: encodeRecord(leader), leaseId: held.lease.id };
  const commit = { guards: [{ key: keys.leader, modRevision: seen }], changes: [change] };
  return withDeadline({ clock: needs.clock, limitMs: answerMsMax(needs), signal }, (late) => needs.store.commit(commit, late));
}
