/**
 * The roster: which machines the cluster knows, those that are gone included.
 * Promises: pure; a machine stays known until a person has it forgotten, and one that came back is not forgotten.
 */
import type { ClusterSnapshot } from './cluster.ts';
import type { Machine, MachineId, RosterEntry } from './machine.ts';

/** Whether a person had a machine forgotten that is gone: nothing is kept for it any more. */
export function isForgotten({ machines, overrides, roster }: ClusterSnapshot, id: MachineId): boolean {
  const forget = overrides.get(id)?.forget ?? null;
  return forget !== null && !machines.has(id) && roster.get(id)?.goneSinceMs === forget;
}

/**
 * What the roster should say and does not: entries to put, null for those to delete. Keys are sorted by no rule. `left` has machines that
 * said so before they went: word and record may both be gone before anybody makes an entry of it.
 */
export function rosterChanges(
  snapshot: ClusterSnapshot, nowMs: number, left: ReadonlySet<MachineId>,
): ReadonlyMap<MachineId, RosterEntry | null> {
  const { machines, roster, assignments } = snapshot;
  const changes = new Map<MachineId, RosterEntry | null>();
  for (const [id, machine] of machines) {
    const before = roster.get(id);
    if (before === undefined || !says(before, machine)) changes.set(id, entryOf(machine, before, nowMs));
  }
  for (const [id, entry] of roster) {
    if (machines.has(id)) continue;
    if (entry.goneSinceMs === null) changes.set(id, { ...entry, lastSeenMs: nowMs, goneSinceMs: nowMs, left: entry.left || left.has(id) });
    else if (isForgotten(snapshot, id) && !assignments.has(id)) changes.set(id, null);
  }
  // Machines that were lost before anybody kept a roster, and still have units.
  for (const id of assignments.keys()) {
    if (machines.has(id) || roster.has(id)) continue;
    changes.set(id, { firstSeenMs: nowMs, lastSeenMs: nowMs, bootId: '', publicIp: '', hostname: '', goneSinceMs: nowMs, left: left.has(id) });
  }
  return changes;
}

function says(entry: RosterEntry, { bootId, publicIp, hostname, left }: Machine): boolean {
  return entry.goneSinceMs === null && entry.bootId === bootId && entry.publicIp === publicIp && entry.hostname === hostname
    && entry.left === left;
}

function entryOf({ bootId, publicIp, hostname, left }: Machine, before: RosterEntry | undefined, nowMs: number): RosterEntry {
  return { firstSeenMs: before?.firstSeenMs ?? nowMs, lastSeenMs: nowMs, bootId, publicIp, hostname, goneSinceMs: null, left };
}
