/**
 * The mass loss guard: most machines vanishing at once is far likelier trouble of the store or the network than of the machines.
 * Promises: when more than half of at least three machines vanish within one lease time, no unit of them is moved until they are back,
 * the hold is over, or a person ends it; a machine that goes on purpose does not count; a single loss is told from the first of many
 * by what the leases of the others say, or else by waiting. Nothing is written here: judge() says
 * which hold the store should have. Times are those of the caller's clock that never jumps; the time of day only names a hold.
 */
import { emptySnapshot } from '../core/cluster.ts';
import type { ClusterSnapshot } from '../core/cluster.ts';
import type { Hold } from '../core/hold.ts';
import type { MachineId } from '../core/machine.ts';
import { compareText } from '../core/order.ts';
import { isForgotten } from '../core/roster.ts';
import { changedKeys } from '../core/shared-map.ts';

/** Fewer machines than this have no majority that could vanish and leave a cluster. */
const machinesMin = 3;
/** What a lease may outlive its time, and a clock tick: etcd looks for expired ones twice a second. */
const expiryLagMs = 1_000;
/** How often a lease is renewed in its time (lease-keeper.ts). */
const renewalsPerTtl = 3;
/** How often the others' leases are looked at while it is in question whether a loss is the first of many. */
const askAgainMs = 500;
/** The longest wait for a site that starts: what servers need between the first and the last to boot. */
const coldStartMsMax = 120_000;

/** A moment by two clocks. */
export interface Now {
  readonly uptimeMs: number;
  readonly nowMs: number;
}

/** The hold that the store should have, and what to say of one that it should not have any more. */
export interface Judgement {
  readonly hold: Hold | null;
  /** Why the hold of the snapshot is over; null when it is not, or there is none. */
  readonly overWhy: string | null;
}

/** Remembers which machines were there, whether this engine leads or not. */
export interface MassLoss {
  /** Looks at a snapshot; to be called for every one that changes a machine. */
  look(snapshot: ClusterSnapshot, now: Now): void;
  /** This engine begins to lead: counts machines that nobody was there to see go. */
  takeOver(snapshot: ClusterSnapshot, now: Now): void;
  judge(snapshot: ClusterSnapshot, now: Now): Judgement;
  /**
   * Takes how long ago, at most, machines that are there have renewed their leases, as the store said after those of `vanished` had gone.
   * When enough of them did so after a vanished one was last in touch, it is not one of many. Of machines that vanished later the answer
   * says nothing: by then it is too old.
   */
  hearRenewals(vanished: readonly MachineId[], agesMs: ReadonlyMap<MachineId, number>): void;
  /** Machines that have said that they leave, and have not been back since. */
  left(): ReadonlySet<MachineId>;
  /** Machines that vanished so lately that they may be the first of many. */
  justVanished(uptimeMs: number): readonly MachineId[];
  /** Milliseconds until time alone changes an answer; null when it does not. */
  nextMs(uptimeMs: number): number | null;
}

export interface MassLossTimes {
  /** The lease time: trouble of the store makes machines vanish within it. */
  readonly windowMs: number;
  /** How long decisions wait for vanished machines; 0: not at all, Infinity: until a person says so. */
  readonly holdMs: number;
}

/** What an engine knows of machines that are not there. */
interface Memory {
  readonly times: MassLossTimes;
  /** Machines that are there. */
  present: ClusterSnapshot['machines'] | null;
  readonly leaving: Set<MachineId>;
  /** Machines that went without a word, with the moment it was seen. */
  readonly vanishedAtMs: Map<MachineId, number>;
  /** Of those, each with the time to live its lease had, where that was seen. */
  readonly ttlsMs: Map<MachineId, number>;
  /** Of those, the ones known not to be the first of many. */
  readonly single: Set<MachineId>;
  /** When it was seen that most are missing; null while they are not. The hold that follows is written later, or by another engine. */
  massSinceMs: number | null;
  /** The hold of the store, with the moment it began by our clock. */
  holdSeen: { readonly sinceMs: number; readonly beganAtMs: number; readonly holdMs: number } | null;
  /** The machines of a site that starts; null when it does not. */
  coldStart: ReadonlySet<MachineId> | null;
}

export function createMassLoss(times: MassLossTimes): MassLoss {
  const memory: Memory = {
    times, present: null, leaving: new Set(), vanishedAtMs: new Map(), ttlsMs: new Map(), single: new Set(), massSinceMs: null, holdSeen: null, coldStart: null,
  };
  const graceMs = Math.min(times.windowMs, times.windowMs / renewalsPerTtl + expiryLagMs);
  const left = (sinceMs: number, lastsMs: number, uptimeMs: number): number[] => (sinceMs + lastsMs > uptimeMs ? [sinceMs + lastsMs - uptimeMs] : []);
  return {
    look: (snapshot, now) => look(memory, snapshot, now),
    takeOver: (snapshot, now) => takeOver(memory, snapshot, now),
    judge: (snapshot, now) => judge(memory, snapshot, now),
    hearRenewals: (vanished, agesMs) => hearRenewals(memory, vanished, agesMs),
    left: () => memory.leaving,
    justVanished(uptimeMs) {
      const { present, vanishedAtMs, single } = memory;
      if (times.holdMs === 0 || (present?.size ?? 0) + vanishedAtMs.size < machinesMin) return [];
      return [...vanishedAtMs].filter(([id, sinceMs]) => uptimeMs - sinceMs < graceMs && !single.has(id)).map(([id]) => id);
    },
    nextMs(uptimeMs) {
      const inQuestion = [...memory.vanishedAtMs].filter(([id]) => !memory.single.has(id));
      const graces = inQuestion.flatMap(([, sinceMs]) => left(sinceMs, graceMs, uptimeMs).map((grace) => Math.min(grace, askAgainMs)));
      const { holdSeen } = memory;
      const all = holdSeen === null ? graces : [...graces, ...left(holdSeen.beganAtMs, holdSeen.holdMs, uptimeMs)];
      return all.length === 0 ? null : Math.min(...all);
    },
  };
}

function look(memory: Memory, snapshot: ClusterSnapshot, now: Now): void {
  const { vanishedAtMs, leaving, times } = memory;
  const { machines, hold } = snapshot;
  followHold(memory, snapshot, now);
  const before = memory.present ?? emptySnapshot.machines;
  // A look costs what has changed: ten thousand machines that join are looked at one after the other.
  for (const id of changedKeys(before, machines)) {
    const machine = machines.get(id);
    if (machine?.left === true) leaving.add(id);
    else if (machine !== undefined) leaving.delete(id);
    else if (!leaving.has(id)) {
      vanishedAtMs.set(id, now.uptimeMs);
      memory.ttlsMs.set(id, before.get(id)?.ttlMs ?? 0);
    }
  }
  memory.present = machines;
  // Until the hold is written time goes on, and the first of many must not count as a loss of its own meanwhile.
  const isHeldSoon = memory.massSinceMs !== null && now.uptimeMs - memory.massSinceMs <= Math.max(times.windowMs, times.holdMs);
  for (const [id, sinceMs] of vanishedAtMs) {
    const isOld = hold === null && !isHeldSoon && now.uptimeMs - sinceMs > times.windowMs;
    if (isOld || machines.has(id) || isForgotten(snapshot, id)) vanishedAtMs.delete(id);
  }
  for (const id of memory.single) if (!vanishedAtMs.has(id)) memory.single.delete(id);
  for (const id of memory.ttlsMs.keys()) if (!vanishedAtMs.has(id)) memory.ttlsMs.delete(id);
  memory.massSinceMs = isMost(vanishedAtMs.size, machines.size + vanishedAtMs.size) ? memory.massSinceMs ?? now.uptimeMs : null;
}

/** More than half of a cluster that is large enough to be judged. */
function isMost(missing: number, all: number): boolean {
  return all >= machinesMin && missing * 2 > all;
}

/**
 * A lease that is renewed every third of its time ended because its machine was cut off in the first third of that time, counted from its last
 * renewal. So whoever renewed in the last two thirds of it was not cut off with it.
 */
function hearRenewals(
  { present, vanishedAtMs, ttlsMs, single }: Memory, vanished: readonly MachineId[], agesMs: ReadonlyMap<MachineId, number>,
): void {
  const all = (present?.size ?? 0) + vanishedAtMs.size;
  for (const id of vanished) {
    const ttlMs = ttlsMs.get(id);
    if (ttlMs === undefined || !vanishedAtMs.has(id)) continue;
    const living = [...agesMs.values()].filter((ageMs) => ageMs < ttlMs * 2 / renewalsPerTtl - expiryLagMs).length;
    if ((all - living) * 2 <= all) single.add(id);
  }
}

/** Notes when the hold of the store began. An engine that was there measures; one that was not takes the record's word, within reason. */
function followHold(memory: Memory, { hold }: ClusterSnapshot, { uptimeMs, nowMs }: Now): void {
  const { holdSeen, present } = memory;
  if (hold === null) {
    // Whoever is still missing counts as lost now, and not as the beginning of the next mass loss.
    if (holdSeen !== null) for (const known of [memory.vanishedAtMs, memory.ttlsMs, memory.single]) known.clear();
    memory.holdSeen = null;
    return;
  }
  if (holdSeen?.sinceMs === hold.sinceMs) return;
  const holdMs = hold.holdMs ?? Infinity;
  const ageMs = present === null ? Math.min(Math.max(0, nowMs - hold.sinceMs), holdMs) : 0;
  memory.holdSeen = { sinceMs: hold.sinceMs, beganAtMs: uptimeMs - ageMs, holdMs };
}

function takeOver(memory: Memory, snapshot: ClusterSnapshot, now: Now): void {
  look(memory, snapshot, now);
  const { machines, roster } = snapshot;
  for (const [id, { goneSinceMs, left }] of roster) {
    const isUnseen = goneSinceMs === null || now.nowMs - goneSinceMs <= memory.times.windowMs;
    if (machines.has(id) || left || !isUnseen || isForgotten(snapshot, id) || memory.vanishedAtMs.has(id)) continue;
    memory.vanishedAtMs.set(id, now.uptimeMs);
  }
  const goesOn = [...machines].some(([id, { bootId }]) => {
    const before = roster.get(id);
    return before !== undefined && before.goneSinceMs === null && before.bootId === bootId;
  });
  memory.coldStart = goesOn || roster.size === 0 ? null : new Set([...roster.keys()].filter((id) => !isForgotten(snapshot, id)));
}

function judge(memory: Memory, snapshot: ClusterSnapshot, now: Now): Judgement {
  look(memory, snapshot, now);
  const { hold } = snapshot;
  return hold === null ? { hold: beginning(memory, snapshot, now), overWhy: null } : going(memory, snapshot, { hold, now });
}

/** A hold that should begin; null when none should. */
function beginning(memory: Memory, { machines }: ClusterSnapshot, { nowMs }: Now): Hold | null {
  const { vanishedAtMs, times, coldStart } = memory;
  memory.coldStart = null;
  if (times.holdMs === 0) return null;
  const began = (missing: readonly MachineId[], holdMs: number, why: string): Hold =>
    ({ sinceMs: nowMs, holdMs: holdMs === Infinity ? null : holdMs, missing: [...missing].sort(compareText), why });
  if (coldStart !== null) {
    const missing = [...coldStart].filter((id) => !machines.has(id));
    const all = new Set([...coldStart, ...machines.keys()]).size;
    const why = `the site starts, and ${String(all - missing.length)} of ${String(all)} known machines are there`;
    if (isMost(missing.length, all)) return began(missing, Math.min(times.holdMs, coldStartMsMax), why);
  }
  const all = machines.size + vanishedAtMs.size;
  if (!isMost(vanishedAtMs.size, all)) return null;
  const why = `${String(vanishedAtMs.size)} of ${String(all)} machines vanished within ${String(times.windowMs / 1_000)} s`;
  return began([...vanishedAtMs.keys()], times.holdMs, why);
}

/** What becomes of a hold that has begun. */
function going(
  memory: Memory, snapshot: ClusterSnapshot, { hold, now }: { readonly hold: Hold; readonly now: Now },
): Judgement {
  const { machines, holdOrder } = snapshot;
  const { holdSeen, vanishedAtMs, times } = memory;
  const waited = new Set([...hold.missing, ...vanishedAtMs.keys()]);
  const missing = [...waited].filter((id) => !machines.has(id) && !isForgotten(snapshot, id)).sort(compareText);
  const over = (overWhy: string): Judgement => ({ hold: null, overWhy });
  if (missing.length === 0) return over('all machines are back, or forgotten');
  if (holdOrder?.action === 'release' && holdOrder.of === hold.sinceMs) {
    return over(`${holdOrder.by === '' ? 'somebody' : holdOrder.by} ended it${holdOrder.reason === '' ? '' : ` (${holdOrder.reason})`}`);
  }
  if (times.holdMs === 0) return over('mass_loss_hold is 0');
  const isOver = holdSeen !== null && now.uptimeMs - holdSeen.beganAtMs >= holdSeen.holdMs;
  return isOver ? over('its time is over') : { hold: { ...hold, missing }, overWhy: null };
}
