/**
 * What an etcd cluster needs from time to time: somebody who looks at its size and its alarms, and throws history away.
 * Promises: looking changes nothing; compacting twice is no error.
 */
import { StoreCompacted } from '../store.ts';
import type { Revision } from '../store.ts';
import type { Connection } from './connection.ts';
import { toRevision } from './entries.ts';
import { AlarmType, KV, Maintenance } from './generated/etcd_pb.js';

/** One member's view of itself, and the alarms of the whole cluster. */
export interface EtcdStatus {
  readonly endpoint: string;
  readonly version: string;
  /** Ids in hexadecimal, as `etcdctl member list` shows them. */
  readonly memberId: string;
  readonly leaderId: string;
  readonly raftTerm: number;
  readonly revision: Revision;
  /** Size of the database file; it shrinks only when the member is defragmented. */
  readonly databaseBytes: number;
  /** The part of it that holds data; compaction makes it smaller. */
  readonly databaseBytesInUse: number;
  /** NOSPACE: the database reached its quota and etcd takes no more writes. */
  readonly alarms: readonly ('NOSPACE' | 'CORRUPT')[];
}

/** Asks the member in use. Throws StoreUnavailable. */
export async function readStatus(connection: Connection, signal: AbortSignal): Promise<EtcdStatus> {
  const status = await connection.request(Maintenance.method.status, {}, signal);
  // The status names alarms only in words; which ones they are is asked when there are any.
  const alarms = status.errors.length === 0 ? [] : (await connection.request(Maintenance.method.alarm, {}, signal)).alarms;
  const raised = new Set(alarms.map((member) => AlarmType[member.alarm]));
  return {
    endpoint: connection.health().endpoint,
    version: status.version,
    memberId: (status.header?.memberId ?? 0n).toString(16),
    leaderId: status.leader.toString(16),
    raftTerm: Number(status.raftTerm),
    revision: toRevision(status.header?.revision),
    databaseBytes: Number(status.dbSize),
    databaseBytesInUse: Number(status.dbSizeInUse),
    alarms: (['NOSPACE', 'CORRUPT'] as const).filter((name) => raised.has(name)),
  };
}

/** Throws the history before `revision` away; what is there at `revision` stays. */
export async function compactHistory(connection: Connection, revision: Revision, signal: AbortSignal): Promise<void> {
  try {
    await connection.request(KV.method.compact, { revision: BigInt(revision) }, signal);
  } catch (error) {
    if (!(error instanceof StoreCompacted)) throw error; // Somebody has compacted up to here already.
  }
}
