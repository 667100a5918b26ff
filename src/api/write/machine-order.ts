/**
 * What people order about machines and holds, as pure decisions on one moment of the cluster.
 * Promises: an order that is in force already changes nothing, which the guards of its commit have the store confirm; a machine that nobody
 * knows, and forgetting one that is here, are refused.
 */
import { failure, success, type Result } from '../../core/failure.ts';
import type { HoldOrder } from '../../core/hold.ts';
import { noOverride, type Cordon, type MachineId, type MachineOverride } from '../../core/machine.ts';
import { orderInForce } from '../../core/awaited.ts';
import type { HoldRequest, MachineOrder } from '../../protocol/machines.ts';
import { keys } from '../../store/keys.ts';
import { encodeRecord, type StoredRecord } from '../../store/records.ts';
import type { Commit } from '../../store/store.ts';
import type { Basis } from './decision.ts';

/** Decides an order about one machine; the commit changes nothing when everything is so already. */
export function decideMachineOrder(basis: Basis, id: MachineId, order: MachineOrder): Result<Commit> {
  const { machines, roster, overrides, unreadable } = basis.snapshot;
  if (!machines.has(id) && !roster.has(id)) return failure('MACHINE_NOT_FOUND', `the cluster knows no machine ${id}`);
  const key = keys.machineOverride(id);
  const unread = unreadable.get(key);
  if (unread !== undefined) return failure('RECORD_UNREADABLE', `what is known of machine ${id} cannot be read: ${unread.why}`);
  const before = overrides.get(id) ?? noOverride;
  const after = order.action === 'forget' ? forgotten(basis, id, before) : success(changed(before, order, basis.nowMs));
  return after.ok ? success(commitOf(basis, key, { before, after: after.value })) : after;
}

function forgotten({ snapshot }: Basis, id: MachineId, before: MachineOverride): Result<MachineOverride> {
  if (snapshot.machines.has(id)) {
    return failure('MACHINE_PRESENT', `machine ${id} is here; stop fleet there first, or drain it`);
  }
  const goneSinceMs = snapshot.roster.get(id)?.goneSinceMs ?? null;
  if (goneSinceMs === null) return failure('CONFLICT', `machine ${id} has only just gone; try again`);
  return success({ ...before, forget: goneSinceMs });
}

function changed(before: MachineOverride, order: MachineOrder, nowMs: number): MachineOverride {
  const { action, reason = '', by = '', keepFenced = false, global = false } = order;
  const cordon = (standing: Cordon | null): Cordon => ({ reason, by, sinceMs: standing?.sinceMs ?? nowMs });
  switch (action) {
    case 'cordon':
      return { ...before, cordon: cordon(before.cordon) };
    case 'drain':
      return { ...before, drain: { ...cordon(before.drain), fenced: !keepFenced, global } };
    case 'uncordon':
      return { ...before, cordon: null };
    case 'undrain':
      return { ...before, drain: null };
    case 'forget':
      return before;
  }
}

/** Decides an order about holds. */
export function decideHold(basis: Basis, { action, forMs, reason = '', by = '' }: HoldRequest): Result<Commit> {
  const { snapshot, nowMs } = basis;
  if (action === 'release' && snapshot.hold === null && orderInForce(snapshot, nowMs) === null) {
    return failure('HOLD_NOT_FOUND', 'nothing is held');
  }
  const untilMs = action === 'release' || forMs === undefined ? null : nowMs + forMs;
  const of = action === 'release' ? (snapshot.hold?.sinceMs ?? null) : null;
  const after: HoldOrder = { action, atMs: nowMs, untilMs, of, reason, by };
  return success(commitOf(basis, keys.holdOrder, { before: null, after }));
}

function commitOf(
  { modRevision }: Basis,
  key: string,
  { before, after }: { readonly before: StoredRecord | null; readonly after: StoredRecord },
): Commit {
  const value = encodeRecord(after);
  const isSo = before !== null && encodeRecord(before) === value;
  return { guards: [{ key, modRevision: modRevision(key) }], changes: isSo ? [] : [{ kind: 'put', key, value }] };
}
