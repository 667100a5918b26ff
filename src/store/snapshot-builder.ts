/**
 * From changes of the store to snapshots of the cluster.
 * Promises: a snapshot never changes after it was given out; one costs what changed since the last one was taken, not what the cluster
 * holds, and shares everything else with it; a unit file is parsed once for each content.
 * A value that cannot be read is absent from the snapshot and stands in `unreadable`; whoever acts on absence (an agent about to
 * stop a unit) looks there first.
 */
import type { ClusterSnapshot, CursorScope, KnownFile, Unreadable } from '../core/cluster.ts';
import { success } from '../core/failure.ts';
import type { Result } from '../core/failure.ts';
import type { MachineHistory, UnitHistory } from '../core/history.ts';
import { applyOverride } from '../core/machine.ts';
import type { ReleaseRecord } from '../core/release/release.ts';
import type { Machine, MachineId, MachineOverride, MachineRecord, RosterEntry } from '../core/machine.ts';
import type { FormerPorts, MachinePorts, PortCursors, PortPool } from '../core/ports.ts';
import { createSharedMap } from '../core/shared-map.ts';
import type { SharedMap } from '../core/shared-map.ts';
import { parseUnitFile } from '../core/unit-file.ts';
import type { Assignment, FileHash, UnitRecord, UnitStatus } from '../core/unit.ts';
import type { UnitName } from '../core/unit-name.ts';
import { parseKey } from './keys.ts';
import type { KeyMeaning } from './keys.ts';
import {
  decodeAssignment, decodeFormerPorts, decodeHold, decodeHoldOrder, decodeLeader, decodeMachineHistory, decodeRebalance,
  decodeMachineOverride, decodeMachinePorts, decodeMachineRecord, decodePortCursors, decodePortPool,
  decodeReleaseRecord, decodeRestore, decodeRosterEntry, decodeSchema, decodeStoreAcceptance, decodeUnitHistory, decodeUnitRecord,
  decodeUnitStatus,
} from './records.ts';
import type { Revision, StoreChange } from './store.ts';

export interface SnapshotBuilder {
  apply(revision: Revision, changes: readonly StoreChange[]): void;
  /** The cluster as of the last apply(); the same object until something is applied. */
  snapshot(): ClusterSnapshot;
}

export function createSnapshotBuilder(): SnapshotBuilder {
  const parts = createParts();
  let revision = 0;
  let newest: ClusterSnapshot | null = null;
  return {
    apply(upTo: Revision, changes: readonly StoreChange[]): void {
      for (const change of changes) applyChange(parts, change);
      revision = upTo;
      newest = null;
    },
    snapshot(): ClusterSnapshot {
      newest ??= {
        revision,
        files: parts.files.shared(),
        units: parts.units.shared(),
        machines: parts.machines.shared(),
        assignments: parts.assignments.shared(),
        statuses: parts.statuses.shared(),
        whereabouts: parts.whereabouts.shared(),
        unitHistories: parts.unitHistories.shared(),
        machineHistories: parts.machineHistories.shared(),
        releases: parts.releases.shared(),
        portPools: parts.portPools.shared(),
        portCursors: parts.portCursors.shared(),
        machinePorts: parts.machinePorts.shared(),
        formerPorts: parts.formerPorts.shared(),
        unreadable: parts.unreadable.shared(),
        roster: parts.roster.shared(),
        overrides: parts.overrides.shared(),
        ...parts.single,
      };
      return newest;
    },
  };
}

/** What each machine has of something; a machine without any is not in the map. */
interface PerMachine<V> {
  has(machine: MachineId, name: UnitName): boolean;
  put(machine: MachineId, name: UnitName, value: V | null): void;
  shared(): ReadonlyMap<MachineId, ReadonlyMap<UnitName, V>>;
}

function createPerMachine<V>(): PerMachine<V> {
  const working = new Map<MachineId, SharedMap<UnitName, V>>();
  const outer = createSharedMap<MachineId, ReadonlyMap<UnitName, V>>();
  /** Machines whose part of `outer` is older than what they have. */
  const stale = new Set<MachineId>();
  return {
    has: (machine, name) => working.get(machine)?.get(name) !== undefined,
    put(machine: MachineId, name: UnitName, value: V | null): void {
      const inner = working.get(machine) ?? createSharedMap<UnitName, V>();
      inner.put(name, value);
      if (inner.size() === 0) working.delete(machine);
      else working.set(machine, inner);
      stale.add(machine);
    },
    shared(): ReadonlyMap<MachineId, ReadonlyMap<UnitName, V>> {
      for (const machine of stale) outer.put(machine, working.get(machine)?.shared() ?? null);
      stale.clear();
      return outer.shared();
    },
  };
}

/** The cluster in the making. */
interface Parts {
  readonly files: SharedMap<FileHash, KnownFile>;
  readonly units: SharedMap<UnitName, UnitRecord>;
  readonly machineRecords: Map<MachineId, MachineRecord>;
  readonly overrides: SharedMap<MachineId, MachineOverride>;
  readonly roster: SharedMap<MachineId, RosterEntry>;
  /** machineRecords with overrides applied. */
  readonly machines: SharedMap<MachineId, Machine>;
  readonly assignments: PerMachine<Assignment>;
  readonly statuses: PerMachine<UnitStatus>;
  readonly whereabouts: SharedMap<UnitName, readonly MachineId[]>;
  readonly unitHistories: SharedMap<UnitName, UnitHistory>;
  readonly machineHistories: SharedMap<MachineId, MachineHistory>;
  readonly releases: SharedMap<UnitName, ReleaseRecord>;
  readonly portPools: SharedMap<string, PortPool>;
  readonly portCursors: SharedMap<CursorScope, PortCursors>;
  readonly machinePorts: SharedMap<MachineId, MachinePorts>;
  readonly formerPorts: SharedMap<UnitName, FormerPorts>;
  readonly unreadable: SharedMap<string, Unreadable>;
  /** What there is one of; replaced as a whole, so that snapshots may share it. */
  single: Single;
}

type Single = Pick<ClusterSnapshot, 'leader' | 'hold' | 'holdOrder' | 'schema' | 'storeAcceptance' | 'rebalance' | 'restore'>;

function createParts(): Parts {
  return {
    files: createSharedMap(),
    units: createSharedMap(),
    machineRecords: new Map(),
    overrides: createSharedMap(),
    roster: createSharedMap(),
    machines: createSharedMap(),
    assignments: createPerMachine(),
    statuses: createPerMachine(),
    whereabouts: createSharedMap(),
    unitHistories: createSharedMap(),
    machineHistories: createSharedMap(),
    releases: createSharedMap(),
    portPools: createSharedMap(),
    portCursors: createSharedMap(),
    machinePorts: createSharedMap(),
    formerPorts: createSharedMap(),
    unreadable: createSharedMap(),
    single: { leader: null, hold: null, holdOrder: null, schema: null, storeAcceptance: null, rebalance: null, restore: null },
  };
}

function applyChange(parts: Parts, change: StoreChange): void {
  const key = change.kind === 'put' ? change.entry.key : change.key;
  const meaning = parseKey(key);
  if (meaning === null) return;
  const failure = putValue(parts, meaning, change.kind === 'put' ? change.entry.value : null);
  parts.unreadable.put(key, failure === null ? null : { key, why: failure });
}

/** Takes a value over, null for one that was deleted; returns why it cannot be read, null when it can. */
function putValue(parts: Parts, meaning: KeyMeaning, value: string | null): string | null {
  const take = <T>(decode: (text: string) => Result<T>, keep: (record: T | null) => void): string | null => {
    const decoded = value === null ? null : decode(value);
    keep(decoded?.ok === true ? decoded.value : null);
    return decoded?.ok === false ? decoded.failure.message : null;
  };
  switch (meaning.kind) {
    case 'unit-file':
      if (value !== null && parts.files.get(meaning.hash)?.text === value) return null; // Every submit puts it again.
      return take((text) => decodeFile(meaning.hash, text), (file) => parts.files.put(meaning.hash, file));
    case 'unit':
      return take(decodeUnitRecord, (unit) => parts.units.put(meaning.name, unit));
    case 'assignment':
      return take(decodeAssignment, (assignment) => putPlaced(parts, meaning, (at) => parts.assignments.put(at.machine, at.name, assignment)));
    case 'status':
      return take(decodeUnitStatus, (status) => putPlaced(parts, meaning, (at) => parts.statuses.put(at.machine, at.name, status)));
    case 'machine':
      return take(decodeMachineRecord, (record) => putMachine(parts, meaning.machine, (id) => put(parts.machineRecords, id, record)));
    case 'machine-override':
      return take(decodeMachineOverride, (record) => putMachine(parts, meaning.machine, (id) => parts.overrides.put(id, record)));
    case 'unit-history':
      return take(decodeUnitHistory, (history) => parts.unitHistories.put(meaning.name, history));
    case 'machine-history':
      return take(decodeMachineHistory, (history) => parts.machineHistories.put(meaning.machine, history));
    case 'release':
      return take(decodeReleaseRecord, (release) => parts.releases.put(meaning.name, release));
    case 'roster-entry':
      return take(decodeRosterEntry, (entry) => parts.roster.put(meaning.machine, entry));
    case 'port-pool':
      return take(decodePortPool, (pool) => parts.portPools.put(meaning.name, pool));
    case 'port-cursors':
      return take(decodePortCursors, (cursors) => parts.portCursors.put(meaning.scope, cursors));
    case 'machine-ports':
      return take(decodeMachinePorts, (ports) => parts.machinePorts.put(meaning.machine, ports));
    case 'former-ports':
      return take(decodeFormerPorts, (ports) => parts.formerPorts.put(meaning.name, ports));
    case 'leader':
      return take(decodeLeader, (leader) => putSingle(parts, { leader }));
    case 'hold':
      return take(decodeHold, (hold) => putSingle(parts, { hold }));
    case 'hold-order':
      return take(decodeHoldOrder, (holdOrder) => putSingle(parts, { holdOrder }));
    case 'schema':
      return take(decodeSchema, (schema) => putSingle(parts, { schema }));
    case 'rebalance':
      return take(decodeRebalance, (rebalance) => putSingle(parts, { rebalance }));
    case 'store-acceptance':
      return take(decodeStoreAcceptance, (storeAcceptance) => putSingle(parts, { storeAcceptance }));
    case 'restore':
      return take(decodeRestore, (restore) => putSingle(parts, { restore }));
    case 'operation':
    case 'operation-part':
    case 'registration':
      return null; // Read by those who write them; no part of what is scheduled or shown.
  }
}

function decodeFile(hash: FileHash, text: string): Result<KnownFile> {
  const parsed = parseUnitFile(text);
  return parsed.ok ? success({ hash, text, file: parsed.value }) : parsed;
}

/** Something of a unit on a machine. */
interface Placed {
  readonly machine: MachineId;
  readonly name: UnitName;
}

/** Changes an assignment or a status, and with it where its unit is. */
function putPlaced(parts: Parts, at: Placed, change: (at: Placed) => void): void {
  change(at);
  const known = parts.whereabouts.get(at.name) ?? [];
  const isThere = parts.assignments.has(at.machine, at.name) || parts.statuses.has(at.machine, at.name);
  if (isThere === known.includes(at.machine)) return;
  const machines = isThere ? [...known, at.machine] : known.filter((machine) => machine !== at.machine);
  parts.whereabouts.put(at.name, machines.length === 0 ? null : machines);
}

function putMachine(parts: Parts, id: MachineId, change: (id: MachineId) => void): void {
  change(id);
  const record = parts.machineRecords.get(id);
  parts.machines.put(id, record === undefined ? null : applyOverride(record, parts.overrides.get(id)));
}

function putSingle(parts: Parts, part: Partial<Single>): void {
  parts.single = { ...parts.single, ...part };
}

function put<V>(map: Map<MachineId, V>, id: MachineId, value: V | null): void {
  if (value === null) map.delete(id);
  else map.set(id, value);
}
