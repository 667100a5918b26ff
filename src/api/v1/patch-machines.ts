/**
 * Carries changes of machine metadata out.
 * Promises: all changes of a request happen together or not at all, on top of what others changed before; waits are
 * bounded.
 */
import { failure, type Failure, type Result } from '../../core/failure.ts';
import { noOverride, type MachineId } from '../../core/machine.ts';
import { keys } from '../../store/keys.ts';
import { isStoreTrouble } from '../../store/lease-keeper.ts';
import { decodeMachineOverride, encodeRecord } from '../../store/records.ts';
import type { Commit, CommitChange, Guard, StoreEntry } from '../../store/store.ts';
import { withDeadline } from '../../lib/deadline.ts';
import { catchUp, commitInTime, storeLostBy, type WriteNeeds } from '../write/decision.ts';
import { changeOverride, type MetadataChange } from './machine-metadata.ts';

const attemptsMax = 8;
const listLimitMs = 10_000;

/** Applies the changes; null when they are in the store. The machine need not be present: fleet 1.0 takes any id. */
export async function patchMachines(
  needs: WriteNeeds,
  changes: readonly MetadataChange[],
  signal: AbortSignal,
): Promise<Failure | null> {
  if (changes.length === 0) return null;
  try {
    for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
      const { entries } = await withDeadline({ clock: needs.clock, limitMs: listLimitMs, signal }, (limited) =>
        needs.store.list(keys.machineOverride('' as MachineId), limited),
      );
      const commit = decide(new Map(entries.map((entry) => [entry.key, entry])), changes);
      if (!commit.ok) return commit.failure;
      const { committed, revision } = await commitInTime(needs, commit.value, signal);
      if (!committed) continue;
      await catchUp(needs, revision, signal);
      return null;
    }
    return failure('CONFLICT').failure;
  } catch (error) {
    if (isStoreTrouble(error)) return storeLostBy(needs, error).failure;
    throw error;
  }
}

function decide(stored: ReadonlyMap<string, StoreEntry>, all: readonly MetadataChange[]): Result<Commit> {
  const guards: Guard[] = [];
  const puts: CommitChange[] = [];
  for (const [machine, changes] of Map.groupBy(all, (change) => change.machine)) {
    const key = keys.machineOverride(machine);
    const entry = stored.get(key);
    const before = entry === undefined ? null : decodeMachineOverride(entry.value);
    const after = changeOverride(before?.ok === true ? before.value : noOverride, changes);
    if (!after.ok) return after;
    guards.push({ key, modRevision: entry?.modRevision ?? 0 });
    puts.push({ kind: 'put', key, value: encodeRecord(after.value) });
  }
  return { ok: true, value: { guards, changes: puts } };
}
