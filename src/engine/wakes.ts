/**
 * Which changes of the store an engine wakes for.
 * Promises: pure; what the leader writes for itself calls for no pass of its own, everything that could change a decision does.
 */
import type { ClusterSnapshot } from '../core/cluster.ts';
import { parseKey } from '../store/keys.ts';
import type { KeyMeaning } from '../store/keys.ts';
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

/**
 * Whether a change may change a decision. A status does when it goes, because its unit has ended and frees its ports, when it says
 * that a fenced unit has stopped for good, and while a machine is drained or the cluster rebalanced, because units that have come up
 * make room for the next ones to leave.
 */
export function matters(change: StoreChange, { machines, rebalance }: ClusterSnapshot): boolean {
  const kind = kindOf(change);
  if (kind !== 'status') return !ignoredKinds.has(kind);
  return change.kind === 'delete' || saysReleased(change.entry.value) || rebalance !== null || isAnyDrained(machines);
}

/** Looked up once for each state of the machines: statuses come by the thousand. */
const drained = new WeakMap<ClusterSnapshot['machines'], boolean>();

function isAnyDrained(machines: ClusterSnapshot['machines']): boolean {
  let found = drained.get(machines);
  if (found === undefined) drained.set(machines, found = [...machines.values()].some(({ drain }) => drain !== null));
  return found;
}

/** Cheaper than reading every status that comes. */
function saysReleased(status: string): boolean {
  return /"released":[1-9]/.test(status);
}

function kindOf(change: StoreChange): Kind {
  return parseKey(change.kind === 'put' ? change.entry.key : change.key)?.kind ?? null;
}
