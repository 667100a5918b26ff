/**
 * The keys of the store, relative to the cluster's key prefix, each with its only writer.
 * Promises: nobody builds a key by hand; parse functions are the inverse of the builders.
 */
import type { CursorScope } from '../core/cluster.ts';
import type { MachineId } from '../core/machine.ts';
import type { FileHash } from '../core/unit.ts';
import type { UnitName } from '../core/unit-name.ts';

/** Version of this layout, kept under `schema`. */
export const schemaVersion = 1;

export const keys = {
  unitFile: (hash: FileHash): string => `unit-files/${hash}`, // written by: api; deleted by: engine leader
  unit: (name: UnitName): string => `units/${name}`, // written by: api; by the engine leader for a release, guarded by its revision
  assignment: (machine: MachineId, name: UnitName): string => `assignments/${machine}/${name}`, // written by: engine leader
  assignmentsOf: (machine: MachineId): string => `assignments/${machine}/`,
  allMachines: 'machines/',
  machine: (id: MachineId): string => `machines/${id}`, // written by: that machine, under its lease
  machineOverride: (id: MachineId): string => `machine-overrides/${id}`, // written by: api; deleted by: engine leader, when the machine is forgotten
  status: (machine: MachineId, name: UnitName): string => `statuses/${machine}/${name}`, // written by: that machine, under its lease
  registration: (id: MachineId): string => `registrations/${id}`, // written by: that machine, whenever it registers, without a lease
  statusesOf: (machine: MachineId): string => `statuses/${machine}/`,
  unitHistory: (name: UnitName): string => `unit-history/${name}`, // written by: engine leader
  machineHistory: (id: MachineId): string => `machine-history/${id}`, // written by: engine leader
  operation: 'operation', // written by: api; the request too large for one commit that is being carried out, one at a time
  operationPart: (index: number): string => `operation-parts/${String(index).padStart(4, '0')}`, // written by: api
  release: (name: UnitName): string => `releases/${name}`, // written by: api and engine leader, each guarded by its revision
  rosterEntry: (id: MachineId): string => `machine-records/${id}`, // written by: engine leader
  hold: 'holds/mass-loss', // written by: engine leader
  holdOrder: 'hold-order', // written by: api
  storeAcceptance: 'store-acceptance', // written by: api
  rebalance: 'rebalance', // written by: api; deleted by: api, engine leader
  restore: 'restore', // written by: api, while a backup is being restored
  portPool: (name: string): string => `port-pools/${name}`, // written by: api
  portCursors: (scope: CursorScope): string => `port-cursors/${scope}`, // written by: engine leader
  machinePorts: (id: MachineId): string => `machine-ports/${id}`, // written by: that machine, under its lease
  formerPorts: (name: UnitName): string => `former-ports/${name}`, // written by: engine leader
  leader: 'leader', // written by: the engine that wins, under its lease
  schema: 'schema', // written by: engine leader
} as const;

/** What a key stands for; null for keys this version does not know. */
export type KeyMeaning =
  | { readonly kind: 'unit-file'; readonly hash: FileHash }
  | { readonly kind: 'unit'; readonly name: UnitName }
  | { readonly kind: 'assignment'; readonly machine: MachineId; readonly name: UnitName }
  | { readonly kind: 'machine'; readonly machine: MachineId }
  | { readonly kind: 'machine-override'; readonly machine: MachineId }
  | { readonly kind: 'status'; readonly machine: MachineId; readonly name: UnitName }
  | { readonly kind: 'unit-history'; readonly name: UnitName }
  | { readonly kind: 'machine-history'; readonly machine: MachineId }
  | { readonly kind: 'operation' }
  | { readonly kind: 'operation-part'; readonly index: number }
  | { readonly kind: 'release'; readonly name: UnitName }
  | { readonly kind: 'roster-entry'; readonly machine: MachineId }
  | { readonly kind: 'hold' }
  | { readonly kind: 'hold-order' }
  | { readonly kind: 'store-acceptance' }
  | { readonly kind: 'rebalance' }
  | { readonly kind: 'restore' }
  | { readonly kind: 'port-pool'; readonly name: string }
  | { readonly kind: 'port-cursors'; readonly scope: CursorScope }
  | { readonly kind: 'machine-ports'; readonly machine: MachineId }
  | { readonly kind: 'former-ports'; readonly name: UnitName }
  | { readonly kind: 'registration'; readonly machine: MachineId }
  | { readonly kind: 'leader' }
  | { readonly kind: 'schema' };

const oneNameKinds: Readonly<Record<string, (name: string) => KeyMeaning>> = {
  'unit-files': (name) => ({ kind: 'unit-file', hash: name as FileHash }),
  units: (name) => ({ kind: 'unit', name: name as UnitName }),
  registrations: (name) => ({ kind: 'registration', machine: name as MachineId }),
  machines: (name) => ({ kind: 'machine', machine: name as MachineId }),
  'operation-parts': (name) => ({ kind: 'operation-part', index: Number(name) }),
  'unit-history': (name) => ({ kind: 'unit-history', name: name as UnitName }),
  'machine-history': (name) => ({ kind: 'machine-history', machine: name as MachineId }),
  releases: (name) => ({ kind: 'release', name: name as UnitName }),
  'machine-records': (name) => ({ kind: 'roster-entry', machine: name as MachineId }),
  'port-pools': (name) => ({ kind: 'port-pool', name }),
  'port-cursors': (name) => ({ kind: 'port-cursors', scope: name as CursorScope }),
  'machine-ports': (name) => ({ kind: 'machine-ports', machine: name as MachineId }),
  'former-ports': (name) => ({ kind: 'former-ports', name: name as UnitName }),
  'machine-overrides': (name) => ({ kind: 'machine-override', machine: name as MachineId }),
};

const singleKinds: Readonly<Record<string, KeyMeaning>> = {
  [keys.leader]: { kind: 'leader' },
  [keys.operation]: { kind: 'operation' },
  [keys.schema]: { kind: 'schema' },
  [keys.hold]: { kind: 'hold' },
  [keys.holdOrder]: { kind: 'hold-order' },
  [keys.storeAcceptance]: { kind: 'store-acceptance' },
  [keys.rebalance]: { kind: 'rebalance' },
  [keys.restore]: { kind: 'restore' },
};

/** Reads a key back; only keys made by {@link keys} are understood. */
export function parseKey(key: string): KeyMeaning | null {
  const single = Object.hasOwn(singleKinds, key) ? singleKinds[key] : undefined;
  if (single !== undefined) return single;
  // By hand: each change of the store is read by several listeners.
  const slash = key.indexOf('/');
  if (slash < 0) return null;
  const folder = key.slice(0, slash);
  const next = key.indexOf('/', slash + 1);
  const first = key.slice(slash + 1, next < 0 ? undefined : next);
  const second = next < 0 ? '' : key.slice(next + 1);
  if (first === '' || second.includes('/')) return null;
  if (folder === 'assignments' || folder === 'statuses') {
    if (second === '') return null;
    const kind = folder === 'assignments' ? 'assignment' : 'status';
    return { kind, machine: first as MachineId, name: second as UnitName };
  }
  const meaning = Object.hasOwn(oneNameKinds, folder) ? oneNameKinds[folder] : undefined;
  return meaning !== undefined && second === '' ? meaning(first) : null;
}
