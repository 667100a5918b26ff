/**
 * The cluster as one immutable value: what the scheduler, explain, the API and the CLI's tables are functions of.
 * Promises: snapshots are never changed after they are made; maps of unchanged parts are shared between snapshots.
 */
import type { MachineHistory, UnitHistory } from './history.ts';
import type { Machine, MachineId } from './machine.ts';
import type { ReleaseRecord } from './release/release.ts';
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

/** A stored value that could not be understood (written by a newer version, or by hand). Kept so that people see it. */
export interface Unreadable {
  readonly key: string;
  readonly why: string;
}

/** Everything the store says, at one revision. */
export interface ClusterSnapshot {
  readonly revision: number;
  readonly files: ReadonlyMap<FileHash, KnownFile>;
  readonly units: ReadonlyMap<UnitName, UnitRecord>;
  readonly machines: ReadonlyMap<MachineId, Machine>;
  /** By machine, then unit. */
  readonly assignments: ReadonlyMap<MachineId, ReadonlyMap<UnitName, Assignment>>;
  readonly statuses: ReadonlyMap<MachineId, ReadonlyMap<UnitName, UnitStatus>>;
  /** What happened to units; those of which nothing is to be said are absent. */
  readonly unitHistories: ReadonlyMap<UnitName, UnitHistory>;
  readonly machineHistories: ReadonlyMap<MachineId, MachineHistory>;
  /** By what is released: a template, or a unit that is no instance of one. */
  readonly releases: ReadonlyMap<UnitName, ReleaseRecord>;
  readonly leader: Leader | null;
  readonly unreadable: ReadonlyMap<string, Unreadable>;
}

/** A cluster of which nothing is known. */
export const emptySnapshot: ClusterSnapshot = {
  revision: 0, files: new Map(), units: new Map(), machines: new Map(), assignments: new Map(), statuses: new Map(),
  unitHistories: new Map(), machineHistories: new Map(), releases: new Map(), leader: null, unreadable: new Map(),
};
