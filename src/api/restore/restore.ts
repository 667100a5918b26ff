/**
 * Carries a restore out: begin, entries in any number of requests, finish.
 * Promises: nobody decides anything on what is half restored, because no engine leads and no other change is taken while the key `restore`
 * is there; a restore that is interrupted is begun again and ends as if nothing had happened; an older one that wakes up late changes
 * nothing, because every commit is guarded by that key.
 */
import type { BackupEntry, BackupHeader } from '../../core/backup.ts';
import type { Restore, StoreAcceptance } from '../../core/cluster.ts';
import { failure, success, type Result } from '../../core/failure.ts';
import { withDeadline } from '../../lib/deadline.ts';
import { keys } from '../../store/keys.ts';
import { isStoreTrouble } from '../../store/lease-keeper.ts';
import { packChanges } from '../../store/packing.ts';
import { encodeRecord } from '../../store/records.ts';
import type { CommitChange, Revision } from '../../store/store.ts';
import { catchUp, commitInTime, storeLost, storeLostBy, whyTooOld, type WriteNeeds } from '../write/decision.ts';
import { clustersOf, doubtedTokens } from '../write/accept-store.ts';
import { changesOf, isFresh, leftOver, tokenBaseAfter } from './restored.ts';

const listLimitMs = 60_000;

export interface RestoreRequest {
  readonly backup: Pick<BackupHeader, 'revision' | 'tokenBase'>;
  /** Replace what is there. */
  readonly force: boolean;
  readonly by: string;
}

/** Begins a restore; its name is the revision of the key that stands for it. */
export function beginRestore(needs: WriteNeeds, request: RestoreRequest, signal: AbortSignal): Promise<Result<Revision>> {
  return orStoreLost(needs, async () => {
    const { mirror, clock, machineId } = needs;
    const snapshot = mirror.snapshot();
    const before = snapshot.restore;
    if (!mirror.freshness().current) return storeLost(needs);
    const tooOld = whyTooOld(needs);
    if (tooOld !== null) return tooOld;
    if (!request.force && (before !== null || !isFresh(snapshot))) return failure('CLUSTER_NOT_EMPTY', whyNotEmpty(before, snapshot.units.size));
    if (mirror.modRevision(keys.operation) !== 0) {
      return failure('CONFLICT', 'a request of many units is being carried out; try again when it is done');
    }
    const restore: Restore = {
      atMs: clock.nowMs(), by: request.by === '' ? machineId : request.by, fresh: before?.fresh ?? isFresh(snapshot),
      tokenBase: tokenBaseAfter(snapshot, request.backup, Math.max(clock.nowMs(), before?.tokenBase ?? 0, doubtedTokens(needs))),
      of: [...new Set([...(before?.of ?? []), ...clustersOf(needs)])],
    };
    const guards = [{ key: keys.restore, modRevision: mirror.modRevision(keys.restore) }];
    const outcome = await commitInTime(needs, { guards, changes: [put(keys.restore, encodeRecord(restore))] }, signal);
    if (!outcome.committed) return failure('CONFLICT', 'another restore has begun at the same moment; try again');
    if (!await catchUp(needs, outcome.revision, signal)) return storeLost(needs);
    return success(outcome.revision);
  });
}

function whyNotEmpty(before: Restore | null, units: number): string {
  if (before !== null) {
    return `a restore that began at ${new Date(before.atMs).toISOString()} was not finished: run it again with --force`;
  }
  return `the cluster has ${units} units and releases; --force replaces them by those of the backup`;
}

/** Puts entries of the backup. */
export function restoreEntries(
  needs: WriteNeeds, { restore, entries }: { readonly restore: Revision; readonly entries: readonly BackupEntry[] }, signal: AbortSignal,
): Promise<Result<Revision>> {
  return orStoreLost(needs, async () => {
    const running = runningRestore(needs, restore);
    if (!running.ok) return running;
    const changes = changesOf({ snapshot: needs.mirror.snapshot(), fresh: running.value.fresh, nowMs: needs.clock.nowMs() }, entries);
    return changes.ok ? commitAll(needs, { restore, changes: changes.value }, signal) : changes;
  });
}

/** Takes away what the backup does not have and lets everybody work again. */
export function finishRestore(needs: WriteNeeds, restore: Revision, signal: AbortSignal): Promise<Result<Revision>> {
  return orStoreLost(needs, async () => {
    const running = runningRestore(needs, restore);
    if (!running.ok) return running;
    const { clock, store } = needs;
    const listing = await withDeadline({ clock, limitMs: listLimitMs, signal }, (late) => store.list('', late));
    const deletes = leftOver(listing.entries, restore).map((key): CommitChange => ({ kind: 'delete', key }));
    const cleared = await commitAll(needs, { restore, changes: deletes }, signal);
    if (!cleared.ok) return cleared;
    const { tokenBase, by, of } = running.value;
    const acceptance: StoreAcceptance = { atMs: tokenBase, by, of: [...new Set([...of, ...clustersOf(needs)])], reason: 'a backup was restored' };
    return commitAll(needs, {
      restore, changes: [{ kind: 'delete', key: keys.restore }, put(keys.storeAcceptance, encodeRecord(acceptance))],
    }, signal);
  });
}

/** The restore of that name, when it is the one that is carried out and nobody decides any more. */
function runningRestore({ mirror }: WriteNeeds, restore: Revision): Result<Restore> {
  const { restore: running, leader } = mirror.snapshot();
  if (running === null || mirror.modRevision(keys.restore) !== restore) {
    return failure('CONFLICT', 'another restore has begun meanwhile, or this one is done');
  }
  if (leader !== null) return failure('CONFLICT', 'an engine still leads; try again in a moment');
  return success(running);
}

/** As many changes in one commit as the store takes, each guarded by the restore they belong to. */
async function commitAll(
  needs: WriteNeeds, { restore, changes }: { readonly restore: Revision; readonly changes: readonly CommitChange[] }, signal: AbortSignal,
): Promise<Result<Revision>> {
  let revision = restore;
  const guards = [{ key: keys.restore, modRevision: restore }];
  for (const portion of packChanges(changes)) {
    const outcome = await commitInTime(needs, { guards, changes: portion }, signal);
    if (!outcome.committed) return failure('CONFLICT', 'another restore has begun meanwhile');
    revision = outcome.revision;
  }
  return await catchUp(needs, revision, signal) ? success(revision) : storeLost(needs);
}

const put = (key: string, value: string): CommitChange => ({ kind: 'put', key, value });

async function orStoreLost<T>(needs: WriteNeeds, work: () => Promise<Result<T>>): Promise<Result<T>> {
  try {
    return await work();
  } catch (error) {
    if (isStoreTrouble(error)) return storeLostBy(needs, error);
    throw error;
  }
}
