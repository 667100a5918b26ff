/**
 * What decisions about ports write beside assignments: cursors, and what units had on machines they left.
 * Promises: cursors are written in the commit that gives their ports out; memories of destroyed units go.
 */
import type { ClusterSnapshot, CursorScope } from '../core/cluster.ts';
import type { FormerPorts, PortCursors } from '../core/ports.ts';
import type { AssignmentContent } from '../core/schedule/decision.ts';
import type { UnitName } from '../core/unit-name.ts';
import { keys } from '../store/keys.ts';
import { encodeRecord } from '../store/records.ts';
import type { Commit, CommitChange } from '../store/store.ts';

/** The content with the moment for ports that have none yet: they are given out now. */
export function stampPorts(content: AssignmentContent, nowMs: number): AssignmentContent {
  const stamped = Object.entries(content.portOrigins)
    .map(([name, origin]) => [name, origin.sinceMs === 0 ? { ...origin, sinceMs: nowMs } : origin] as const);
  return { ...content, portOrigins: Object.fromEntries(stamped) };
}

export function cursorChanges(cursors: ReadonlyMap<CursorScope, PortCursors>): readonly CommitChange[] {
  return [...cursors].map(([scope, record]) => ({ kind: 'put', key: keys.portCursors(scope), value: encodeRecord(record) }));
}

export function formerChanges(unit: UnitName, former: FormerPorts | null): readonly CommitChange[] {
  return former === null ? [] : [{ kind: 'put', key: keys.formerPorts(unit), value: encodeRecord(former) }];
}

/** Deletes what is remembered of units that do not exist any more. */
export function forgetFormerPorts({ formerPorts, units, unreadable }: ClusterSnapshot): readonly Commit[] {
  const gone = [...formerPorts.keys()].filter((name) => !units.has(name) && !unreadable.has(keys.unit(name)));
  return gone.map((name) => ({
    guards: [{ key: keys.unit(name), modRevision: 0 }], changes: [{ kind: 'delete', key: keys.formerPorts(name) }],
  }));
}
