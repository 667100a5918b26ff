/**
 * Presence: this machine's record in the store, alive as long as its lease is renewed.
 * Promises: writes only `machines/<its id>`, under its own lease; losing the lease or the store is told and touches no unit;
 * a machine whose id another one uses waits, and says so, without disturbing the other; one that doubts the store says that in its record, and
 * writes nothing into a store that is not its cluster's.
 */
import type { MachineFacts, MachineRecord } from '../core/machine.ts';
import { createBackoff } from '../lib/backoff.ts';
import type { Clock } from '../lib/clock.ts';
import { withDeadline } from '../lib/deadline.ts';
import type { Log } from '../lib/log.ts';
import { randomName } from '../lib/random.ts';
import type { Random } from '../lib/random.ts';
import { untilFirstEnds, whenAborted } from '../lib/tasks.ts';
import { createBell, waitAtMost } from '../lib/wakeups.ts';
import type { Bell } from '../lib/wakeups.ts';
import { keys } from '../store/keys.ts';
import { certainMs, endLease, holdLease, isStoreTrouble, keepLease } from '../store/lease-keeper.ts';
import type { HeldLease } from '../store/lease-keeper.ts';
import { decodeMachineRecord, encodeRecord } from '../store/records.ts';
import { LeaseExpired, StoreUnavailable } from '../store/store.ts';
import type { CommitChange, Guard, Revision, Store, StoreEntry } from '../store/store.ts';
import type { StoreTrust } from '../store/trust.ts';
import { whyTaken } from './incumbent.ts';
import { recallLease, rememberLease } from './memory.ts';
import type { AgentMemory, RememberedLease } from './memory.ts';
import type { PresenceState } from './report.ts';

const firstRetryMs = 200;
const longestRetryMs = 5_000;
/** How long leaving waits for the store; without an answer the record goes with its lease. */
const leaveMs = 2_000;

export interface PresenceNeeds {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly memory: AgentMemory;
  /** This machine as it is now; read again with every renewal. */
  readonly facts: () => MachineFacts;
  readonly ttlMs: number;
  /** What keeps this machine from taking new units; empty when nothing does. */
  readonly trouble?: () => string;
  readonly trust: Pick<StoreTrust, 'check' | 'doubt' | 'spoken' | 'subscribe'>;
  /** Called whenever a renewal of the lease was confirmed. */
  readonly onRenewed?: () => void;
}

/**
 * This machine's record stands under its lease, and the lease lived at `atMs`: Clock.uptimeMs() when the last confirmed renewal was sent.
 * Another registration means that the record was gone in between.
 */
export interface Confirmed {
  readonly registration: number;
  readonly atMs: number;
}

/** What whoever writes in this machine's name needs: the lease, and a guard that fails once it is not this machine's any more. */
export interface Holding {
  readonly leaseId: string;
  readonly guard: Guard;
}

export interface Presence {
  /** Registers and stays registered until the signal is aborted, then resolves without leaving. */
  run(signal: AbortSignal): Promise<void>;
  /** null while this machine is not registered, or while it is not certain what the store made of a write. */
  holding(): Holding | null;
  state(): PresenceState;
  /** What is certain about this machine's registration; null while nothing is. */
  confirmed(): Confirmed | null;
  /** Since when every renewal of the lease was confirmed in time (Clock.uptimeMs()); null while there is none. */
  steadySinceMs(): number | null;
  /** Calls `listener` whenever holding() or state() may have changed. */
  subscribe(listener: () => void): void;
  /** A write under this guard was refused or got no answer: finds out what holds, and makes a late effect impossible. */
  doubt(guard: Guard): void;
  /** The facts have changed: put the record again soon. */
  refresh(): void;
  /** Ends the lease, and with it everything written under it. `stopped`: no unit is left, so nobody has to wait for them. */
  leave(stopped: boolean): Promise<void>;
}

/** What presence knows between two requests. */
interface Standing {
  held: HeldLease | null;
  /** The revision of our record and the text we put; null when it is not ours, or not known to be. */
  written: { readonly revision: Revision; readonly text: string } | null;
  remembered: RememberedLease | null;
  /** The lease of the registration that goes on, and which one it is. */
  registered: { readonly leaseId: string; readonly number: number } | null;
  registrations: number;
  state: PresenceState;
}

export function createPresence(needs: PresenceNeeds): Presence {
  const { clock, log } = needs;
  const bell = createBell();
  const leaving = new AbortController();
  let staying: Promise<void> = Promise.resolve();
  const listeners = new Set<() => void>();
  const standing: Standing = {
    held: null, written: null, remembered: null, registered: null, registrations: 0,
    state: { state: 'joining', why: 'the store has not answered yet', sinceMs: clock.uptimeMs() },
  };
  const tell = (state: PresenceState['state'], why: string): void => {
    if (state !== standing.state.state || why !== standing.state.why) {
      if (state === 'present') log.info('present: this machine is registered in the cluster');
      else log.warning(`not present in the cluster, units go on, trying again: ${why}`);
      standing.state = { state, why, sinceMs: clock.uptimeMs() };
    }
    for (const listener of listeners) listener();
  };
  const guardOf = (): Guard | null =>
    standing.written && { key: keys.machine(needs.facts().id), modRevision: standing.written.revision };
  needs.trust.subscribe(() => {
    // Registering anew says what is doubted, and leaves a mark in a store that is not the right one. A newer fleet's is not written to.
    if (needs.trust.doubt()?.kind !== 'newer') standing.written = null;
    bell.wake();
  });
  return {
    async run(signal): Promise<void> {
      staying = stayPresent({ needs, standing, bell, tell }, AbortSignal.any([signal, leaving.signal]));
      await staying;
      // While this machine leaves, nothing is done here; the loops beside this one go on until it has left.
      await whenAborted(signal);
    },
    holding(): Holding | null {
      const guard = guardOf();
      return standing.held === null || guard === null || leaving.signal.aborted ? null : { leaseId: standing.held.lease.id, guard };
    },
    state: () => standing.state,
    steadySinceMs: () => standing.held?.steadySinceMs ?? null,
    confirmed(): Confirmed | null {
      const { held, written, registered } = standing;
      if (held === null || written === null || registered === null || needs.trust.doubt() !== null) return null;
      return { registration: registered.number, atMs: held.confirmedAtMs };
    },
    subscribe: (listener) => void listeners.add(listener),
    doubt(guard: Guard): void {
      if (guard.modRevision !== standing.written?.revision) return;
      standing.written = null;
      bell.wake();
    },
    refresh: () => bell.wake(),
    async leave(stopped: boolean): Promise<void> {
      // Whoever registered anew now would take back what is said here.
      leaving.abort();
      await staying;
      if (standing.held === null) return;
      if (stopped) await sayLeft(needs, standing.held);
      const confirmed = await endLease(needs, standing.held.lease, leaveMs);
      standing.held = standing.written = null;
      if (!confirmed) log.warning('the store did not confirm that this machine leaves; its record goes when its lease expires');
    },
  };
}

/**
 * Says in the record that nothing runs here any more. Without it, others wait longer than they had to. What was on its way to the record
 * when leaving began may arrive first, or is refused.
 */
async function sayLeft(needs: PresenceNeeds, held: HeldLease): Promise<void> {
  const key = keys.machine(needs.facts().id);
  const text = encodeRecord({ ...recordOf(needs, held), left: true });
  try {
    await withDeadline({ clock: needs.clock, limitMs: leaveMs }, async (late) => {
      for (let isSaid = false; !isSaid;) {
        const { entries } = await needs.store.list(key, late);
        const entry = entries.find((found) => found.key === key);
        if (entry?.leaseId !== held.lease.id) return;
        isSaid = (await putRecord(needs, { held, text, seen: entry.modRevision }, late)) !== null;
      }
    });
  } catch (error) {
    if (!isStoreTrouble(error) && !(error instanceof LeaseExpired)) throw error;
  }
}

interface Work {
  readonly needs: PresenceNeeds;
  readonly standing: Standing;
  readonly bell: Bell;
  readonly tell: (state: PresenceState['state'], why: string) => void;
}

async function stayPresent(work: Work, signal: AbortSignal): Promise<void> {
  const { needs, standing, tell } = work;
  const backoff = createBackoff({ firstMs: firstRetryMs, maxMs: Math.min(longestRetryMs, needs.ttlMs / 3) }, needs.random);
  standing.remembered = await recallLease(needs.memory, needs.log);
  while (!signal.aborted) {
    try {
      const taken = await register(work, signal);
      if (taken === null) {
        backoff.reset();
        await untilFirstEnds([(over) => keepRecord(work, over), (over) => keepLeaseOf(work, over)], signal);
        continue;
      }
      tell('taken', taken);
    } catch (error) {
      if (signal.aborted) return;
      if (!isStoreTrouble(error) && !(error instanceof LeaseExpired)) throw error;
      tell('away', error.message);
    }
    await needs.clock.sleep(backoff.nextMs(), signal).catch(() => undefined); // Aborted: the loop ends.
  }
}

/** Renews the lease until it has expired; everything under it is gone then. */
async function keepLeaseOf({ needs, standing, tell }: Work, signal: AbortSignal): Promise<void> {
  const { held } = standing;
  if (held === null) return;
  await keepLease(needs, held, signal);
  standing.held = standing.written = standing.registered = null;
  tell('away', 'the lease of this machine has expired; asking for a new one');
}

/** Puts the record again when the facts change, and tells how it stands. Ends when it is in doubt whose the record is. */
async function keepRecord({ needs, standing, bell, tell }: Work, signal: AbortSignal): Promise<void> {
  for (;;) {
    const { written, held } = standing;
    if (written === null || held === null) return;
    const text = encodeRecord(recordOf(needs, held));
    if (text !== written.text) {
      standing.written = null;
      const revision = await putRecord(needs, { held, text, seen: written.revision }, signal);
      if (revision === null) return;
      standing.written = { revision, text };
    }
    const isCertain = certainMs(held, needs.clock) > 0;
    tell(isCertain ? 'present' : 'away', isCertain ? '' : 'the store has not confirmed the lease of this machine in time');
    await waitAtMost(bell, { clock: needs.clock, limitMs: needs.ttlMs / 3 }, signal);
  }
}

/**
 * Gets a lease and puts the record under it. Answers why the record is another's; null when it is ours. A store that is not this machine's
 * cluster's is as good as none.
 */
async function register({ needs, standing }: Work, signal: AbortSignal): Promise<string | null> {
  const doubt = await needs.trust.check(signal);
  if (doubt !== null && needs.trust.spoken() === null) throw new StoreUnavailable(doubt.why);
  // Registering now would leave a mark in the right store, by which it is taken for a wrong one.
  if (doubt === null && needs.trust.doubt() !== null) throw new StoreUnavailable('the store is looked at again after a doubt');
  const held = await takeLease(needs, standing, signal);
  const own = recordOf(needs, held);
  const deadline = { clock: needs.clock, limitMs: needs.ttlMs / 3, signal };
  const listing = await withDeadline(deadline, (late) => needs.store.list(keys.machine(own.id), late));
  const entry = listing.entries.find(({ key }) => key === keys.machine(own.id));
  const isOurs = entry === undefined || entry.leaseId === held.lease.id;
  const taken = isOurs ? null : whyTaken(own, incumbentOf(entry), standing.remembered);
  if (taken !== null) {
    standing.held = null;
    await endLease(needs, held.lease, leaveMs);
    return taken;
  }
  // Also when it is there already, as it should be: the new revision ends the guard of every earlier write.
  const text = encodeRecord(own);
  const revision = await putRecord(needs, { held, text, seen: entry?.modRevision ?? 0, registers: true }, signal);
  if (revision === null) return 'the record of this machine changed while it was registered';
  standing.written = { revision, text };
  noteRegistration(standing, held.lease.id, entry?.leaseId ?? null);
  if (!isOurs && entry.leaseId !== null) await endLeaseOfBefore(needs, entry.leaseId, signal);
  await remember(needs, standing, { leaseId: held.lease.id, bootId: own.bootId });
  return null;
}

/** The record of this machine under a lease. */
function recordOf({ facts, trouble, trust }: PresenceNeeds, { lease }: HeldLease): MachineRecord {
  const doubt = trust.spoken();
  return { ...facts(), ttlMs: lease.ttlMs, left: false, trouble: doubt?.why ?? trouble?.() ?? '', doubt };
}

/** The registration goes on when the record was there all the time, under the lease it had. */
function noteRegistration(standing: Standing, leaseId: string, foundLeaseId: string | null): void {
  if (standing.registered?.leaseId === leaseId && foundLeaseId === leaseId) return;
  standing.registrations += 1;
  standing.registered = { leaseId, number: standing.registrations };
}

const incumbentOf = (entry: StoreEntry): Parameters<typeof whyTaken>[1] => {
  const decoded = decodeMachineRecord(entry.value);
  return { record: decoded.ok ? decoded.value : null, leaseId: entry.leaseId };
};

/** The lease held already, or the one remembered from this boot if it lives, or a new one. */
async function takeLease(needs: PresenceNeeds, standing: Standing, signal: AbortSignal): Promise<HeldLease> {
  const { remembered, held } = standing;
  const ofThisBoot = remembered?.bootId === needs.facts().bootId ? remembered.leaseId : undefined;
  const resumeId = held?.lease.id ?? ofThisBoot;
  standing.held = await holdLease(needs, { ttlMs: needs.ttlMs, ...(resumeId === undefined ? {} : { resumeId }) }, signal);
  return standing.held;
}

interface Put {
  readonly held: HeldLease;
  readonly text: string;
  readonly seen: Revision | 0;
  /** Not only the facts have changed. An engine that has not heard of the registration can take nothing from this machine any more. */
  readonly registers?: boolean;
}

/** Writes the record; null when somebody else has written it since. */
async function putRecord(needs: PresenceNeeds, { held, text, seen, registers = false }: Put, signal: AbortSignal): Promise<Revision | null> {
  const { id, bootId } = needs.facts();
  const key = keys.machine(id);
  // Each has a text of its own, by which the store is known again after it was doubted.
  const mark = registers ? randomName(needs.random) : '';
  const registration: CommitChange = { kind: 'put', key: keys.registration(id), value: JSON.stringify({ bootId, mark }) };
  const deadline = { clock: needs.clock, limitMs: needs.ttlMs / 3, signal };
  const outcome = await withDeadline(deadline, (late) => needs.store.commit({
    guards: [{ key, modRevision: seen }], changes: [{ kind: 'put', key, value: text, leaseId: held.lease.id }, ...(registers ? [registration] : [])],
  }, late));
  return outcome.committed ? outcome.revision : null;
}

/** What an earlier process or boot of this machine reported is no longer true: it goes with that lease. */
async function endLeaseOfBefore(needs: PresenceNeeds, leaseId: string, signal: AbortSignal): Promise<void> {
  const before = await holdLease(needs, { ttlMs: needs.ttlMs, resumeId: leaseId }, signal);
  await endLease(needs, before.lease, leaveMs);
}

async function remember(needs: PresenceNeeds, standing: Standing, lease: RememberedLease): Promise<void> {
  if (standing.remembered?.leaseId === lease.leaseId && standing.remembered.bootId === lease.bootId) return;
  standing.remembered = lease;
  await rememberLease(needs.memory, lease, needs.log);
}
