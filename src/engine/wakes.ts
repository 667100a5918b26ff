/**
 * Which changes of the store an engine wakes for.
 * Promises: pure; what the leader writes for itself calls for no pass of its own, everything that could change a decision does.
 */
import type { ClusterSnapshot } from '../core/cluster.ts';
import { parseKey } from '../store/keys.ts';
import type { KeyMeaning } from '../store/keys.ts';
import type { FollowBatch } from '../store/mirror.ts';
import type { StoreChange } from '../store/store.ts';

type Kind = KeyMeaning['kind'] | null;

/** What tells that machines come and go, or are waited for. */
const machineKinds: ReadonlySet<Kind> = new Set(['machine', 'machine-override', 'roster-entry', 'hold']);

/** What other machines report about their units changes no decision by itself; nor does what the engine remembers. */
const ignoredKinds: ReadonlySet<Kind> = new Set([
  'status', 'roster-entry', 'hold', 'unit-history', 'machine-history', 'port-cursors', 'former-ports', 'operation', 'operation-part',
  'registration', 'schema', null,
]);

/** Whether a change is about machines that come and go. */
export function tellsOfMachines(change: StoreChange): boolean {
  return machineKinds.has(kindOf(change));
}

/** What says that units are on the move. */
const movingKinds: ReadonlySet<Kind> = new Set(['machine', 'machine-override', 'rebalance']);

/**
 * Tells which batches of changes hold one that may change a decision. A status does when it goes, because its unit has ended and frees its
 * ports, when it says that a fenced unit has stopped for good, and while a machine is drained or the cluster rebalanced, because units that
 * have come up make room for the next ones to leave. Statuses come by the thousand, so a snapshot is taken only when that may be different.
 */
export function createDecisionEar(snapshot: () => ClusterSnapshot): (batch: FollowBatch) => boolean {
  let isMoving: boolean | null = null;
  const matters = (change: StoreChange, kind: Kind): boolean => {
    if (kind !== 'status') return !ignoredKinds.has(kind);
    return change.kind === 'delete' || saysReleased(change.entry.value) || (isMoving ??= areUnitsMoving(snapshot()));
  };
  return ({ changes }) => {
    const kinds = changes.map(kindOf);
    if (kinds.some((kind) => movingKinds.has(kind))) isMoving = null;
    return changes.some((change, index) => matters(change, kinds[index] ?? null));
  };
}

function areUnitsMoving({ machines, rebalance }: ClusterSnapshot): boolean {
  return rebalance !== null || [...machines.values()].some(({ drain }) => drain !== null);
}

/** Cheaper than reading every status that comes. */
function saysReleased(status: string): boolean {
  return /"released":[1-9]/.test(status);
}

function kindOf(change: StoreChange): Kind {
  return parseKey(change.kind === 'put' ? change.entry.key : change.key)?.kind ?? null;
}
