/**
 * The roster: which machines the cluster knows, those that are gone included.
 * Promises: pure but for what a watch remembers; a machine stays known until a person has it forgotten, and one that came back is not forgotten.
 */
import { emptySnapshot } from './cluster.ts';
import type { ClusterSnapshot } from './cluster.ts';
import type { Machine, MachineId, RosterEntry } from './machine.ts';
import { changedKeys } from './shared-map.ts';

/** Whether a person had a machine forgotten that is gone: nothing is kept for it any more. */
export function isForgotten({ machines, overrides, roster }: ClusterSnapshot, id: MachineId): boolean {
  const forget = overrides.get(id)?.forget ?? null;
  return forget !== null && !machines.has(id) && roster.get(id)?.goneSinceMs === forget;
}

/** Finds what the roster should say and does not; each look costs what has changed since the last one. */
export interface RosterWatch {
  /**
   * Entries to put, null for those to delete; those that were answered before and are not in the snapshot yet among them. `left` has machines
   * that said so before they went: word and record may both be gone before anybody makes an entry of it.
   */
  changes(snapshot: ClusterSnapshot, nowMs: number, left: ReadonlySet<MachineId>): ReadonlyMap<MachineId, RosterEntry | null>;
}

export function createRosterWatch(): RosterWatch {
  let seen: Pick<ClusterSnapshot, 'machines' | 'roster' | 'overrides' | 'assignments'> = emptySnapshot;
  let open: ReadonlySet<MachineId> = new Set();
  return {
    changes(snapshot, nowMs, left) {
      const { machines, roster, overrides, assignments } = snapshot;
      const touched = new Set([
        ...open, ...changedKeys(seen.machines, machines), ...changedKeys(seen.roster, roster), ...changedKeys(seen.overrides, overrides),
        ...changedKeys(seen.assignments, assignments),
      ]);
      seen = { machines, roster, overrides, assignments };
      const changes = new Map<MachineId, RosterEntry | null>();
      for (const id of touched) {
        const change = changeOf(snapshot, id, { nowMs, left: left.has(id) });
        if (change !== undefined) changes.set(id, change);
      }
      open = new Set(changes.keys());
      return changes;
    },
  };
}

/** The entry a machine should have, null when it should have none; undefined when it is as it should be. */
function changeOf(
  snapshot: ClusterSnapshot, id: MachineId, { nowMs, left }: { readonly nowMs: number; readonly left: boolean },
): RosterEntry | null | undefined {
  const { machines, roster, assignments } = snapshot;
  const [machine, before] = [machines.get(id), roster.get(id)];
  if (machine !== undefined) return before !== undefined && says(before, machine) ? undefined : entryOf(machine, before, nowMs);
  if (before === undefined) {
    // It was lost before anybody kept a roster, and still has units.
    return assignments.has(id)
      ? { firstSeenMs: nowMs, lastSeenMs: nowMs, bootId: '', publicIp: '', hostname: '', goneSinceMs: nowMs, left } : undefined;
  }
  if (before.goneSinceMs === null) return { ...before, lastSeenMs: nowMs, goneSinceMs: nowMs, left: before.left || left };
  return isForgotten(snapshot, id) && !assignments.has(id) ? null : undefined;
}

function says(entry: RosterEntry, { bootId, publicIp, hostname, left }: Machine): boolean {
  return entry.goneSinceMs === null && entry.bootId === bootId && entry.publicIp === publicIp && entry.hostname === hostname
    && entry.left === left;
}

function entryOf({ bootId, publicIp, hostname, left }: Machine, before: RosterEntry | undefined, nowMs: number): RosterEntry {
  return { firstSeenMs: before?.firstSeenMs ?? nowMs, lastSeenMs: nowMs, bootId, publicIp, hostname, goneSinceMs: null, left };
}
