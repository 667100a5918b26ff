/** What people order about rebalancing: pure. Promises: an order that is in force already changes nothing. */
import { failure, success, type Result } from '../../core/failure.ts';
import type { Rebalance } from '../../core/cluster.ts';
import type { RebalanceOrder } from '../../protocol/machines.ts';
import { keys } from '../../store/keys.ts';
import { encodeRecord } from '../../store/records.ts';
import type { Commit } from '../../store/store.ts';
import type { Basis } from './decision.ts';

export function decideRebalance({ snapshot, modRevision, nowMs }: Basis, { action, fenced = false, by = '' }: RebalanceOrder): Result<Commit> {
  const key = keys.rebalance;
  const guards = [{ key, modRevision: modRevision(key) }];
  const before = snapshot.rebalance;
  if (action === 'stop') {
    const isThere = before !== null || snapshot.unreadable.has(key);
    return isThere ? success({ guards, changes: [{ kind: 'delete', key }] }) : failure('REBALANCE_NOT_FOUND', 'no rebalance goes on');
  }
  if (before?.fenced === fenced) return success({ guards, changes: [] });
  const after: Rebalance = { sinceMs: before?.sinceMs ?? nowMs, by, fenced };
  return success({ guards, changes: [{ kind: 'put', key, value: encodeRecord(after) }] });
}
