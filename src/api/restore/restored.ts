/**
 * What of a backup is restored, and how it meets what is there: pure decisions.
 * Promises: what lives on leases and what is under way is never restored; into a cluster that has units only what people want is restored,
 * what the engine knows of the present stays: it alone says who runs what now.
 */
import type { BackupEntry, BackupHeader } from '../../core/backup.ts';
import type { ClusterSnapshot, Restore } from '../../core/cluster.ts';
import { failure, success, type Result } from '../../core/failure.ts';
import { restartAfter, type UnitRecord } from '../../core/unit.ts';
import { parseKey } from '../../store/keys.ts';
import type { KeyMeaning } from '../../store/keys.ts';
import { decodeUnitRecord, encodeRecord } from '../../store/records.ts';
import { createSnapshotBuilder } from '../../store/snapshot-builder.ts';
import type { CommitChange, Revision, StoreEntry } from '../../store/store.ts';

/**
 * - `wished`: what people want; restored always, and what the backup lacks goes
 * - `decided`: what the engine has made of it, and remembers; restored where there is nothing yet
 * - `living`: what machines say of themselves, and what is under way; neither kept in a backup nor restored
 */
type Part = 'wished' | 'decided' | 'living';

const parts: Readonly<Record<KeyMeaning['kind'], Part>> = {
  'unit-file': 'wished', unit: 'wished', 'machine-override': 'wished', 'port-pool': 'wished', release: 'wished',
  assignment: 'decided', 'roster-entry': 'decided', 'unit-history': 'decided', 'machine-history': 'decided', 'port-cursors': 'decided',
  'former-ports': 'decided', schema: 'decided',
  machine: 'living', status: 'living', 'machine-ports': 'living', registration: 'living', leader: 'living', operation: 'living',
  'operation-part': 'living', hold: 'living', 'hold-order': 'living', 'store-acceptance': 'living', rebalance: 'living', restore: 'living',
};

/** Keys of later versions are kept like what was decided: only a cluster without any is given them. */
function partOf(key: string): Part {
  const meaning = parseKey(key);
  return meaning === null ? 'decided' : parts[meaning.kind];
}

/** Whether an entry of the store belongs into a backup. */
export function isKept({ key, leaseId }: StoreEntry): boolean {
  return leaseId === null && partOf(key) !== 'living';
}

/** Whether there is anything a restore would take away. */
export function isFresh({ units, assignments, releases }: ClusterSnapshot): boolean {
  return units.size === 0 && releases.size === 0 && [...assignments.values()].every((ofMachine) => ofMachine.size === 0);
}

/** What fencing tokens grow by after a restore: more than any that was given out before it. */
export function tokenBaseAfter(
  { revision, storeAcceptance }: ClusterSnapshot,
  backup: Pick<BackupHeader, 'revision' | 'tokenBase'>,
  nowMs: number,
): number {
  return Math.max(nowMs, backup.revision + backup.tokenBase, revision + (storeAcceptance?.atMs ?? 0)) + 1;
}

/** What entries of a backup change; fails when one of them means nothing to this version. */
export function changesOf(
  { snapshot, fresh, nowMs }: { readonly snapshot: ClusterSnapshot; readonly fresh: Restore['fresh']; readonly nowMs: number },
  entries: readonly BackupEntry[],
): Result<readonly CommitChange[]> {
  const unreadable = findUnreadable(entries);
  if (unreadable !== null) return failure('BACKUP_INVALID', unreadable);
  const wanted = entries.filter(({ key }) => partOf(key) === 'wished' || (fresh && partOf(key) === 'decided'));
  return success(wanted.map((entry): CommitChange => {
    const meaning = parseKey(entry.key);
    const value = meaning?.kind === 'unit' ? restoredUnit(entry.value, snapshot.units.get(meaning.name), nowMs) : entry.value;
    return { kind: 'put', key: entry.key, value };
  }));
}

/** A key and why it cannot be read, as one line; null when all can. */
function findUnreadable(entries: readonly BackupEntry[]): string | null {
  const builder = createSnapshotBuilder();
  const revision = 1 as Revision;
  builder.apply(revision, entries.map((entry) => ({ kind: 'put', entry: { ...entry, modRevision: revision, leaseId: null } })));
  const [first] = builder.snapshot().unreadable.values();
  return first === undefined ? null : `${first.key} of the backup cannot be read: ${first.why}`;
}

/**
 * A unit's record as it is restored: counters never go back where the unit is, so that agents do not take the past for a new wish, and
 * what runs as the backup has it goes on.
 */
function restoredUnit(value: string, present: UnitRecord | undefined, nowMs: number): string {
  const record = decodeUnitRecord(value);
  if (!record.ok || present === undefined) return value;
  const { hash, desired } = record.value;
  if (hash === present.hash && desired === present.desired) return encodeRecord(present);
  return encodeRecord({
    ...record.value, changedAtMs: nowMs, generation: Math.max(present.generation, record.value.generation) + 1,
    restart: restartAfter(present, desired, false),
  });
}

/**
 * Keys that the backup does not have: what people want now and did not want then. Everything the restore has put is newer than `begun`.
 * Files stay: the engine deletes those that nobody uses.
 */
export function leftOver(entries: readonly StoreEntry[], begun: Revision): readonly string[] {
  const goes = ({ key, modRevision, leaseId }: StoreEntry): boolean =>
    leaseId === null && modRevision < begun && partOf(key) === 'wished' && parseKey(key)?.kind !== 'unit-file';
  return entries.filter(goes).map(({ key }) => key);
}
