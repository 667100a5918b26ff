/**
 * From decisions to commits: as many decisions in one as the store takes, each guarded by what it was decided on.
 * Promises: every commit is guarded by the leader key; a decision is in one commit, whole; commits keep the decisions' order.
 */
import type { UnitHistory } from '../core/history.ts';
import { limits } from '../core/limits.ts';
import type { AssignmentContent, Decision } from '../core/schedule/decision.ts';
import type { Assignment } from '../core/unit.ts';
import type { UnitName } from '../core/unit-name.ts';
import { keys } from '../store/keys.ts';
import { bytesOfChange } from '../store/packing.ts';
import { encodeRecord } from '../store/records.ts';
import type { Commit, CommitChange, Guard, Revision } from '../store/store.ts';
import { cursorChanges, formerChanges, stampPorts } from './port-changes.ts';

/** Looks up the revision that last wrote a key, 0 when it does not exist. */
export type RevisionOf = (key: string) => Revision | 0;

export interface CommitNeeds {
  /** The guard of the leader key. */
  readonly leader: Guard;
  readonly revisionOf: RevisionOf;
  readonly nowMs: number;
  /** What the decisions add to the histories of their units; null: forgotten. */
  readonly histories: ReadonlyMap<UnitName, UnitHistory | null>;
}

/** What one step needs to happen in one commit: changes and the guards beside the leader key. */
export interface Part {
  readonly guards: readonly Guard[];
  readonly changes: readonly CommitChange[];
  /** Changes of keys that several parts may write: of each key the last one stands in a commit, because stores take a key once. */
  readonly shared?: readonly CommitChange[];
}

/** Cuts decisions to commits. */
export function commitsOf(decisions: readonly Decision[], needs: CommitNeeds): readonly Commit[] {
  const written = new Set<UnitName>();
  const parts = decisions.map((decision) => {
    const part = partOf(decision, needs);
    // With the first decision about a unit goes all that is written down about it: a key stands in one change of a commit only.
    if (written.has(decision.unit)) return part;
    written.add(decision.unit);
    return withHistory(part, decision.unit, needs);
  });
  return packCommits(parts, needs.leader);
}

/** A commit in the making. */
interface Filling {
  readonly guards: Map<string, Guard>;
  readonly changes: CommitChange[];
  readonly shared: Map<string, CommitChange>;
  bytes: number;
}

/** What the store would count with one part more: guards or changes, whichever are more. */
function operationsWith({ guards, changes, shared }: Filling, part: Part): number {
  const fresh = part.guards.filter(({ key }) => !guards.has(key)).length;
  const sharing = (part.shared ?? []).filter(({ key }) => !shared.has(key)).length;
  return Math.max(guards.size + fresh, changes.length + shared.size + part.changes.length + sharing);
}

/** Fills commits with parts, in order, up to the store's limits. Guards that several parts share count once. */
export function packCommits(parts: readonly Part[], leader: Guard): readonly Commit[] {
  const commits: Filling[] = [];
  for (const part of parts) {
    const bytes = bytesOf(part);
    const last = commits.at(-1);
    const fits = last !== undefined && operationsWith(last, part) <= limits.storeOpsPerCommitMax
      && last.bytes + bytes <= limits.storeBytesPerCommitMax;
    const into: Filling = fits ? last : { guards: new Map([[leader.key, leader]]), changes: [], shared: new Map<string, CommitChange>(), bytes: 0 };
    if (!fits) commits.push(into);
    for (const guard of part.guards) into.guards.set(guard.key, guard);
    for (const change of part.shared ?? []) into.shared.set(change.key, change);
    into.changes.push(...part.changes);
    into.bytes += bytes;
  }
  return commits.map(({ guards, changes, shared }) => ({ guards: [...guards.values()], changes: [...changes, ...shared.values()] }));
}

/** A decision stands on the unit's record, and on the machine that it brings the unit to being there and open. */
function partOf(decision: Decision, { revisionOf, nowMs }: CommitNeeds): Part {
  const guardOf = (key: string): Guard => ({ key, modRevision: revisionOf(key) });
  const unit = guardOf(keys.unit(decision.unit));
  const arrival = [guardOf(keys.machine(decision.machine)), guardOf(keys.machineOverride(decision.machine))];
  const remove = (machine: Decision['machine']): CommitChange => ({ kind: 'delete', key: keys.assignment(machine, decision.unit) });
  const put = (content: AssignmentContent, assignedAtMs: number): CommitChange => {
    const assignment: Assignment = { ...stampPorts(content, nowMs), assignedAtMs };
    return { kind: 'put', key: keys.assignment(decision.machine, decision.unit), value: encodeRecord(assignment) };
  };
  switch (decision.kind) {
    case 'assign':
      return {
        guards: [unit, ...arrival],
        changes: [put(decision.content, nowMs)],
        shared: cursorChanges(decision.cursors),
      };
    case 'move':
      return {
        guards: [unit, ...arrival, ...guardsOfAbsent(decision.from, revisionOf)],
        changes: [remove(decision.from), put(decision.content, nowMs)],
        shared: [...cursorChanges(decision.cursors), ...formerChanges(decision.unit, decision.former)],
      };
    case 'update':
      return {
        guards: [unit],
        changes: [put(decision.content, decision.before.assignedAtMs)],
        shared: cursorChanges(decision.cursors),
      };
    case 'unassign':
      return {
        guards: [unit, ...guardsOfAbsent(decision.machine, revisionOf)],
        changes: [remove(decision.machine)],
        shared: formerChanges(decision.unit, decision.former),
      };
  }
}

/** The history's guard keeps it apart from what the recorder writes meanwhile. */
function withHistory(part: Part, unit: UnitName, { histories, revisionOf }: CommitNeeds): Part {
  const history = histories.get(unit);
  if (history === undefined) return part;
  const key = keys.unitHistory(unit);
  const change: CommitChange = history === null ? { kind: 'delete', key } : { kind: 'put', key, value: encodeRecord(history) };
  return { ...part, guards: [...part.guards, { key, modRevision: revisionOf(key) }], changes: [...part.changes, change] };
}

/**
 * What is taken from a machine that is not there stands on its being away: its record is still missing, and it has not registered
 * since, not even for a while that nobody has heard of yet.
 */
function guardsOfAbsent(machine: Decision['machine'], revisionOf: RevisionOf): readonly Guard[] {
  if (revisionOf(keys.machine(machine)) !== 0) return [];
  const registration = keys.registration(machine);
  return [{ key: keys.machine(machine), modRevision: 0 }, { key: registration, modRevision: revisionOf(registration) }];
}

function bytesOf({ guards, changes, shared = [] }: Part): number {
  const keysBytes = guards.reduce((sum, { key }) => sum + key.length, 0);
  return [...changes, ...shared].reduce((sum, change) => sum + bytesOfChange(change), keysBytes);
}
