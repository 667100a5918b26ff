/**
 * The cluster as one immutable value: what the scheduler, explain, the API and the CLI's tables are functions of.
 * Promises: snapshots are never changed after they are made; maps of unchanged parts are shared between snapshots.
 */
import type { MachineHistory, UnitHistory } from './history.ts';
import type { ReleaseRecord } from './release/release.ts';
import type { Hold, HoldOrder } from './hold.ts';
import type { Machine, MachineId, MachineOverride, RosterEntry } from './machine.ts';
import type { FormerPorts, MachinePorts, PortCursors, PortPool } from './ports.ts';
import type { UnitFile } from './unit-file.ts';
import type { Assignment, FileHash, UnitRecord, UnitStatus } from './unit.ts';
import type { UnitName } from './unit-name.ts';

/** A unit file the store holds, parsed once for all units that share it. */
export interface KnownFile {
  readonly hash: FileHash;
  readonly text: string;
  readonly file: UnitFile;
}

/** Who leads: which machine's engine, since when. */
export interface Leader {
  readonly machine: MachineId;
  readonly sinceMs: number;
}

/** Which layout the store has, and which cluster it is (store key `schema`, written by the engine that leads: its name once, its version when that grows). */
export interface Schema {
  readonly version: number;
  /** A random name that tells this cluster from every other one, whatever its key prefix; empty when an older version wrote it. */
  readonly cluster: string;
  readonly createdAtMs: number;
}

/**
 * A person's word that the store is right although it is not what machines remember (store key `store-acceptance`, written by
 * the API only): it was wiped, put back from an older backup, or belongs to another cluster.
 */
export interface StoreAcceptance {
  /** Grows with each, and is more than any fencing token given out before. */
  readonly atMs: number;
  readonly by: string;
  /** The clusters whose machines may go on with this store. */
  readonly of: readonly string[];
  /** For people; may be empty. */
  readonly reason: string;
}

/**
 * A backup is being restored (store key `restore`, written by the API): until it is done nothing is decided and nobody else changes
 * anything. One that is interrupted stays and is begun again by running it again.
 */
export interface Restore {
  readonly atMs: number;
  readonly by: string;
  /** The cluster had no units and no assignments as it began: what ran where is restored, too. */
  readonly fresh: boolean;
  /** What fencing tokens grow by from then on ({@link StoreAcceptance.atMs}). */
  readonly tokenBase: number;
  /** Clusters whose machines go on with what is restored ({@link StoreAcceptance.of}). */
  readonly of: readonly string[];
}

/** A stored value that could not be understood (written by a newer version, or by hand). Kept so that people see it. */
export interface Unreadable {
  readonly key: string;
  readonly why: string;
}

/** A person wants units moved from full machines to empty ones (store key `rebalance`, written by the API; the leading engine deletes it at the end). */
export interface Rebalance {
  readonly sinceMs: number;
  readonly by: string;
  /** Whether units with OnMachineLost=stop move, too. */
  readonly fenced: boolean;
}

/** Whose cursors: those of a machine, or those of ports that are unique in the cluster. */
export type CursorScope = MachineId | typeof clusterScope;
/** No machine id: those are never empty, and never a word with a "*". */
export const clusterScope = '*';

/** Everything the store says, at one revision. */
export interface ClusterSnapshot {
  readonly revision: number;
  readonly files: ReadonlyMap<FileHash, KnownFile>;
  readonly units: ReadonlyMap<UnitName, UnitRecord>;
  readonly machines: ReadonlyMap<MachineId, Machine>;
  /** By machine, then unit. */
  readonly assignments: ReadonlyMap<MachineId, ReadonlyMap<UnitName, Assignment>>;
  readonly statuses: ReadonlyMap<MachineId, ReadonlyMap<UnitName, UnitStatus>>;
  /**
   * Machines that have an assignment or a status of each unit, where whoever made the snapshot keeps that; whereaboutsOf() in
   * whereabouts.ts looks for it otherwise.
   */
  readonly whereabouts?: ReadonlyMap<UnitName, readonly MachineId[]>;
  /** What happened to units; those of which nothing is to be said are absent. */
  readonly unitHistories: ReadonlyMap<UnitName, UnitHistory>;
  readonly machineHistories: ReadonlyMap<MachineId, MachineHistory>;
  /** By what is released: a template, or a unit that is no instance of one. */
  readonly releases: ReadonlyMap<UnitName, ReleaseRecord>;
  readonly portPools: ReadonlyMap<string, PortPool>;
  readonly portCursors: ReadonlyMap<CursorScope, PortCursors>;
  readonly machinePorts: ReadonlyMap<MachineId, MachinePorts>;
  readonly formerPorts: ReadonlyMap<UnitName, FormerPorts>;
  readonly leader: Leader | null;
  readonly unreadable: ReadonlyMap<string, Unreadable>;
  /** Every machine that was ever here and is not forgotten. */
  readonly roster: ReadonlyMap<MachineId, RosterEntry>;
  /** What people changed about machines, also about those that are not here. */
  readonly overrides: ReadonlyMap<MachineId, MachineOverride>;
  /** Set while the engine waits for machines that vanished together. */
  readonly hold: Hold | null;
  readonly holdOrder: HoldOrder | null;
  readonly schema: Schema | null;
  readonly storeAcceptance: StoreAcceptance | null;
  /** null while no rebalance goes on. */
  readonly rebalance: Rebalance | null;
  /** null: no backup is being restored. */
  readonly restore: Restore | null;
}

/** A cluster of which nothing is known. */
export const emptySnapshot: ClusterSnapshot = {
  revision: 0, files: new Map(), units: new Map(), machines: new Map(), assignments: new Map(), statuses: new Map(),
  unitHistories: new Map(), machineHistories: new Map(), releases: new Map(), portPools: new Map(),
  portCursors: new Map(), machinePorts: new Map(), formerPorts: new Map(), leader: null, unreadable: new Map(),
  roster: new Map(), overrides: new Map(), hold: null, holdOrder: null, schema: null, storeAcceptance: null, rebalance: null, restore: null,
};
