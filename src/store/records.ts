/**
 * What the values of the store look like: JSON, one encoder and one decoder for each kind.
 * Promises: decoders never throw; unknown fields of newer versions are ignored, missing ones get their default, so that
 * one version up or down can share a store. A field without which the record means nothing, or of another type than it
 * should have, makes the record unreadable: guessing would run the wrong thing.
 */
import type { Leader, Rebalance, Restore, Schema, StoreAcceptance } from '../core/cluster.ts';
import { failure, success } from '../core/failure.ts';
import type { Result } from '../core/failure.ts';
import type { HistoryEvent, MachineHistory, Success, UnitHistory, Unrest } from '../core/history.ts';
import { healthWords } from '../core/health-check.ts';
import type { ReleaseRecord } from '../core/release/release.ts';
import type { Hold, HoldOrder } from '../core/hold.ts';
import type { Cordon, Drain, MachineId, MachineOverride, MachineRecord, RosterEntry, SpokenDoubt } from '../core/machine.ts';
import { portScopes } from '../core/ports.ts';
import type {
  FormerPorts, MachinePorts, PortConflict, PortCursors, PortOrigin, PortPool, PortRange,
} from '../core/ports.ts';
import { desiredStates } from '../core/unit.ts';
import type { Assignment, FileHash, UnitRecord, UnitStatus } from '../core/unit.ts';
import type { UnitName } from '../core/unit-name.ts';
import {
  choice, flag, listOf, mapOf, number, orNull, readRecord, text, whole,
} from './fields.ts';
import type { Fields, Reader } from './fields.ts';
import { releaseRecordReader } from './release-fields.ts';

/** Everything that is stored as JSON. */
export type StoredRecord =
  | UnitRecord | Assignment | UnitStatus | MachineRecord | MachineOverride | UnitHistory | MachineHistory
  | ReleaseRecord | Leader | RosterEntry | Hold | HoldOrder | Schema | StoreAcceptance | Restore
  | Rebalance | PortPool | PortCursors | MachinePorts | FormerPorts;

/** The text that is stored for a record. */
export function encodeRecord(record: StoredRecord): string {
  return JSON.stringify(record);
}

export function decodeUnitRecord(json: string): Result<UnitRecord> {
  return decode(json, unitRecordReader);
}

export function decodeAssignment(json: string): Result<Assignment> {
  return decode(json, assignmentReader);
}

export function decodeUnitStatus(json: string): Result<UnitStatus> {
  return decode(json, unitStatusReader);
}

export function decodeMachineRecord(json: string): Result<MachineRecord> {
  return decode(json, machineRecordReader);
}

export function decodeMachineOverride(json: string): Result<MachineOverride> {
  return decode(json, machineOverrideReader);
}

export function decodeUnitHistory(json: string): Result<UnitHistory> {
  return decode(json, unitHistoryReader);
}

export function decodeMachineHistory(json: string): Result<MachineHistory> {
  return decode(json, machineHistoryReader);
}

export function decodeReleaseRecord(json: string): Result<ReleaseRecord> {
  return decode(json, releaseRecordReader);
}

export function decodeRosterEntry(json: string): Result<RosterEntry> {
  return decode(json, rosterEntryReader);
}

export function decodeHold(json: string): Result<Hold> {
  return decode(json, holdReader);
}

export function decodeHoldOrder(json: string): Result<HoldOrder> {
  return decode(json, holdOrderReader);
}

export function decodeSchema(json: string): Result<Schema> {
  return decode(json, schemaReader);
}

export function decodeStoreAcceptance(json: string): Result<StoreAcceptance> {
  return decode(json, storeAcceptanceReader);
}

export function decodeRebalance(json: string): Result<Rebalance> {
  return decode(json, rebalanceReader);
}

export function decodeLeader(json: string): Result<Leader> {
  return decode(json, leaderReader);
}

export function decodePortPool(json: string): Result<PortPool> {
  return decode(json, portPoolReader);
}

export function decodePortCursors(json: string): Result<PortCursors> {
  return decode(json, portCursorsReader);
}

export function decodeMachinePorts(json: string): Result<MachinePorts> {
  return decode(json, machinePortsReader);
}

export function decodeFormerPorts(json: string): Result<FormerPorts> {
  return decode(json, formerPortsReader);
}

const portRangeFields: Fields<PortRange> = { low: whole(), high: whole() };

const portOriginFields: Fields<PortOrigin> = {
  ...portRangeFields,
  pool: orNull(text()),
  scope: choice(portScopes, 'machine'),
  sinceMs: whole(0),
  why: text(''),
};

const unitRecordReader = readRecord<UnitRecord>({
  hash: text<FileHash>(),
  desired: choice(desiredStates),
  generation: whole(0),
  restart: whole(0),
  reset: whole(0),
  release: whole(0),
  changedAtMs: whole(0),
  changedBy: text(''),
  adoptOn: orNull(text<MachineId>()),
});

const assignmentReader = readRecord<Assignment>({
  hash: text<FileHash>(),
  desired: choice(['loaded', 'launched']),
  restart: whole(0),
  reset: whole(0),
  release: whole(0),
  ports: mapOf(whole()),
  portOrigins: mapOf(readRecord(portOriginFields)),
  portMoves: whole(0),
  why: text(''),
  assignedAtMs: whole(0),
  finished: flag(false),
  fence: whole(0),
  lostAfterMs: whole(0),
  goneAfterMs: whole(0),
  leaving: flag(false),
});

const unitStatusReader = readRecord<UnitStatus>({
  load: text(),
  active: text(),
  sub: text(''),
  hash: text<FileHash>('' as FileHash),
  sinceMs: whole(0),
  result: text(''),
  exitStatus: orNull(whole()),
  succeeded: flag(false),
  restarts: whole(0),
  mainPid: whole(0),
  restart: whole(0),
  reset: whole(0),
  released: whole(0),
  fencedAtMs: whole(0),
  problem: text(''),
  health: choice(healthWords, 'none'),
  healthWhy: text(''),
  draining: flag(false),
  portsInDoubt: flag(false),
  ports: mapOf(whole()),
});

const machineRecordReader = readRecord<MachineRecord>({
  id: text<MachineId>(),
  publicIp: text(''),
  hostname: text(''),
  metadata: mapOf(text()),
  version: text(''),
  bootId: text(''),
  capacity: readRecord({ cpus: number(0), memoryBytes: number(0) }, { cpus: 0, memoryBytes: 0 }),
  peer: orNull(readRecord({ address: text(), port: whole(), fingerprint: text() })),
  runner: choice(['systemd', 'supervisor'], 'systemd'),
  store: choice(['etcd', 'embedded'], 'etcd'),
  startedAtMs: whole(0),
  ttlMs: whole(0),
  left: flag(false),
  trouble: text(''),
  doubt: orNull(readRecord<SpokenDoubt>({ cluster: text(''), tokenBase: whole(0), why: text('') })),
});

const cordonFields: Fields<Cordon> = {
  reason: text(''),
  by: text(''),
  sinceMs: whole(0),
};

const drainFields: Fields<Drain> = {
  ...cordonFields,
  fenced: flag(true),
  global: flag(false),
};

const machineOverrideReader = readRecord<MachineOverride>({
  set: mapOf(text()),
  removed: listOf(text()),
  cordon: orNull(readRecord(cordonFields)),
  drain: orNull(readRecord(drainFields)),
  forget: orNull(whole()),
});

const rosterEntryReader = readRecord<RosterEntry>({
  firstSeenMs: whole(0),
  lastSeenMs: whole(0),
  bootId: text(''),
  publicIp: text(''),
  hostname: text(''),
  goneSinceMs: orNull(whole()),
  left: flag(false),
});

const holdReader = readRecord<Hold>({
  sinceMs: whole(),
  holdMs: orNull(whole()),
  missing: listOf(text<MachineId>()),
  why: text(''),
});

const holdOrderReader = readRecord<HoldOrder>({
  action: choice(['hold', 'release']),
  atMs: whole(0),
  untilMs: orNull(whole()),
  of: orNull(whole()),
  reason: text(''),
  by: text(''),
});

const schemaReader = readRecord<Schema>({
  version: whole(),
  cluster: text(''),
  createdAtMs: whole(0),
});

export function decodeRestore(json: string): Result<Restore> {
  return decode(json, restoreReader);
}

const restoreReader = readRecord<Restore>({ atMs: whole(0), by: text(''), fresh: flag(false), tokenBase: whole(0), of: listOf(text()) });

const rebalanceReader = readRecord<Rebalance>({ sinceMs: whole(0), by: text(''), fenced: flag(false) });

const storeAcceptanceReader = readRecord<StoreAcceptance>({
  atMs: whole(),
  by: text(''),
  of: listOf(text()),
  reason: text(''),
});

const historyEvent = readRecord<HistoryEvent>({
  atMs: whole(0), what: text(), machine: text<MachineId>('' as MachineId), why: text(''), count: whole(1),
});

const unitHistoryReader = readRecord<UnitHistory>({
  events: listOf(historyEvent),
  succeeded: orNull(readRecord<Success>({
    hash: text<FileHash>(), restart: whole(), machine: text<MachineId>(), atMs: whole(0),
  })),
  unrest: orNull(readRecord<Unrest>({ moves: whole(), lastAtMs: whole() })),
});

const machineHistoryReader = readRecord<MachineHistory>({
  events: listOf(historyEvent),
  bootId: text(''),
});

const portPoolReader = readRecord<PortPool>({
  ...portRangeFields,
  changedAtMs: whole(0),
  changedBy: text(''),
});

const portCursorsReader = readRecord<PortCursors>({
  last: mapOf(whole()),
});

const portConflictFields: Fields<PortConflict> = {
  unit: text<UnitName>(),
  port: whole(),
  why: text(''),
};

const machinePortsReader = readRecord<MachinePorts>({
  ephemeral: orNull(readRecord(portRangeFields)),
  listening: listOf(whole()),
  conflicts: listOf(readRecord(portConflictFields)),
});

const formerPortsReader = readRecord<FormerPorts>({
  machine: text<MachineId>(),
  release: whole(0),
  ports: mapOf(whole()),
});

const leaderReader = readRecord<Leader>({
  machine: text<MachineId>(),
  sinceMs: whole(0),
});

function decode<T extends object>(json: string, reader: Reader<T>): Result<T> {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return failure('RECORD_UNREADABLE', `"${json.slice(0, 40)}" is not JSON`);
  }
  const read = reader(value, '');
  if (read.ok) return success(read.value);
  return failure('RECORD_UNREADABLE', `${read.at === '' ? 'the value' : read.at} ${read.why}`);
}
