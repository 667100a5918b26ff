/**
 * How the store's keys, revisions and lease ids stand in etcd.
 * Promises: only keys under the cluster's prefix leave this folder, and they leave without it.
 */
import { assert } from '../../core/failure.ts';
import type { Revision, StoreChange, StoreEntry } from '../store.ts';
import { Event_EventType } from './generated/etcd_pb.js';
import type { Event, KeyValue } from './generated/etcd_pb.js';

/** A range of etcd's keys: from `key` up to, without, `rangeEnd`. */
export interface KeyRange {
  readonly key: string;
  readonly rangeEnd: string;
}

/**
 * All keys that begin with `prefix`, which is plain ASCII and not empty: its last character is counted up for the end.
 */
export function rangeOf(prefix: string): KeyRange {
  const last = prefix.charCodeAt(prefix.length - 1);
  assert(last < 0x7f, `"${prefix}" ends with a plain ASCII character`);
  return { key: prefix, rangeEnd: prefix.slice(0, -1) + String.fromCharCode(last + 1) };
}

/** etcd counts in 64 bits; at a million commits a second it takes 285 years to leave what a number holds exactly. */
export function toRevision(revision: bigint | undefined): Revision {
  assert(revision !== undefined, 'every answer of etcd that is used has a header and every event a key');
  return Number(revision) as Revision;
}

/** Lease ids in hexadecimal, as etcdctl shows them. */
export function leaseText(id: bigint): string {
  return BigInt.asUintN(64, id).toString(16);
}

/** The inverse of leaseText; null for what is no lease id of etcd. */
export function parseLeaseText(text: string): bigint | null {
  return /^[0-9a-f]{1,16}$/.test(text) ? BigInt.asIntN(64, BigInt(`0x${text}`)) : null;
}

/** An entry of the store; `prefixLength` characters in front of its key are the cluster's prefix. */
export function toEntry(pair: KeyValue, prefixLength: number): StoreEntry {
  return {
    key: pair.key.slice(prefixLength),
    value: pair.value,
    modRevision: toRevision(pair.modRevision),
    leaseId: pair.lease === 0n ? null : leaseText(pair.lease),
  };
}

/** A change a watch has seen. */
export function toChange({ type, kv }: Event, prefixLength: number): StoreChange {
  assert(kv !== undefined, 'an event of etcd names its key');
  return type === Event_EventType.DELETE
    ? { kind: 'delete', key: kv.key.slice(prefixLength), modRevision: toRevision(kv.modRevision) }
    : { kind: 'put', entry: toEntry(kv, prefixLength) };
}
