/**
 * What a request changes in the store, as data: records of units, and the unit files they point to.
 * Promises: a plan says of each unit which revision it was decided from, so that a change in between is noticed; chunks
 * of a plan each fit one commit of every store.
 */
import { isDeepStrictEqual } from 'node:util';
import type { ClusterSnapshot } from '../../core/cluster.ts';
import { assert } from '../../core/failure.ts';
import { limits } from '../../core/limits.ts';
import type { FileHash, UnitRecord } from '../../core/unit.ts';
import type { ReleaseRecord } from '../../core/release/release.ts';
import type { PortPool } from '../../core/ports.ts';
import type { UnitName } from '../../core/unit-name.ts';
import { keys } from '../../store/keys.ts';
import { encodeRecord } from '../../store/records.ts';
import type { Commit, CommitChange, Guard, Revision } from '../../store/store.ts';

/** The new record of one unit; null deletes it. */
export interface UnitChange {
  readonly name: UnitName;
  readonly record: UnitRecord | null;
  /** The revision of the record this was decided from; 0 when there was none. */
  readonly basis: Revision | 0;
}

/** The new record of a release, of which a person asked something. */
export interface ReleaseChange {
  readonly name: UnitName;
  readonly record: ReleaseRecord;
  /** The revision of the record this was decided from; 0 when there was none. */
  readonly basis: Revision | 0;
}

/** The new record of a pool of ports; null deletes it. */
export interface PoolChange {
  readonly name: string;
  readonly record: PortPool | null;
  /** The revision of the record this was decided from; 0 when there was none. */
  readonly basis: Revision | 0;
}

export interface Plan {
  readonly units: readonly UnitChange[];
  /** The release that the request is about; such a plan always fits one commit. */
  readonly release?: ReleaseChange;
  /** The pool that the request is about; such a plan always fits one commit. */
  readonly pool?: PoolChange;
  /** Texts of the files that the records point to, as far as they may be new or forgotten. */
  readonly files: ReadonlyMap<FileHash, string>;
  /** Records that only have to be what they were: the template of an instance, a unit that is as it is wanted. */
  readonly unchanged: readonly Guard[];
}

/** Keys, revisions and framing of one guard or change are counted as this many bytes beside its value. */
const frameBytes = 600;

/** A stored operation adds changes of its own: its record, and the deletion of the part that was carried out. */
const operationChanges = 2;
const partBytesMax = limits.storeBytesPerCommitMax - 16 * frameBytes;

/** JSON escapes a control character as six. */
assert(
  limits.unitFileBytesMax * 6 + 3 * frameBytes < partBytesMax,
  'one unit with the largest file fits a part, however it is escaped',
);

export function isEmpty(plan: Plan): boolean {
  return plan.units.length === 0 && plan.release === undefined && plan.pool === undefined;
}

/** Whether everything that the plan changes is as the plan wants it; records name the moment of their change, so one that is the same is this plan's. */
export function isCarriedOut({ units, release, pool }: Plan, { units: records, releases, portPools }: ClusterSnapshot): boolean {
  const isThere = (record: unknown, found: unknown): boolean => isDeepStrictEqual(found ?? null, record);
  return units.every(({ name, record }) => isThere(record, records.get(name)))
    && (release === undefined || isThere(release.record, releases.get(release.name)))
    && (pool === undefined || isThere(pool.record, portPools.get(pool.name)));
}

/** What asks the store whether a plan that seems to be carried out is still so. */
export function planToKeep({ units, release, pool }: Plan, modRevision: (key: string) => Guard['modRevision']): Plan {
  const touched = [
    ...units.map(({ name }) => keys.unit(name)),
    ...(release === undefined ? [] : [keys.release(release.name)]),
    ...(pool === undefined ? [] : [keys.portPool(pool.name)]),
  ];
  return { units: [], files: new Map(), unchanged: touched.map((key) => ({ key, modRevision: modRevision(key) })) };
}

/** The plan as one commit. */
export function commitOf(plan: Plan): Commit {
  const others = [
    ...(plan.release === undefined ? [] : [{ ...plan.release, key: keys.release(plan.release.name) }]),
    ...(plan.pool === undefined ? [] : [{ ...plan.pool, key: keys.portPool(plan.pool.name) }]),
  ];
  return {
    guards: [...plan.unchanged, ...guardsOf(plan), ...others.map(({ key, basis }): Guard => ({ key, modRevision: basis }))],
    changes: [...changesOf(plan), ...others.map(({ key, record }): CommitChange =>
      record === null ? { kind: 'delete', key } : { kind: 'put', key, value: encodeRecord(record) })],
  };
}

/** Each unit must still be what the plan was decided from. */
export function guardsOf(plan: Plan): readonly Guard[] {
  return plan.units.map(({ name, basis }) => ({ key: keys.unit(name), modRevision: basis }));
}

/** Files come with every plan again: the engine deletes an unused one only if nobody has written it since. */
export function changesOf(plan: Plan): readonly CommitChange[] {
  return [
    ...[...plan.files].map(([hash, text]) => ({ kind: 'put', key: keys.unitFile(hash), value: text }) as const),
    ...plan.units.map(({ name, record }): CommitChange =>
      record === null
        ? { kind: 'delete', key: keys.unit(name) }
        : { kind: 'put', key: keys.unit(name), value: encodeRecord(record) },
    ),
  ];
}

/** Whether every store takes the commit: etcd counts guards, changes and bytes. */
export function fitsOneCommit(commit: Commit): boolean {
  if (Math.max(commit.guards.length, commit.changes.length) > limits.storeOpsPerCommitMax) return false;
  return bytesOf(commit) <= limits.storeBytesPerCommitMax;
}

function bytesOf({ guards, changes }: Commit): number {
  let bytes = (guards.length + changes.length) * frameBytes;
  for (const change of changes) if (change.kind === 'put') bytes += Buffer.byteLength(change.value);
  return bytes;
}

/**
 * The plan in parts, in order. Writing a part down and carrying it out each fit one commit; `unchanged` is left out,
 * because a stored operation is decided once.
 */
export function partsOf(plan: Plan): readonly Plan[] {
  assert(plan.release === undefined && plan.pool === undefined, 'what is asked of a release or a pool fits one commit');
  const parts: Plan[] = [];
  let units: UnitChange[] = [];
  let files = new Map<FileHash, string>();
  let bytes = 0;
  const close = (): void => {
    if (units.length > 0) parts.push({ units, files, unchanged: [] });
    [units, files, bytes] = [[], new Map(), 0];
  };
  for (const unit of plan.units) {
    const hash = unit.record?.hash;
    const text = hash === undefined ? undefined : plan.files.get(hash);
    const bytesMore = (): number =>
      bytesOfUnit(unit) + (text === undefined || files.has(hash as FileHash) ? 0 : bytesOfFile(text));
    const changes = operationChanges + units.length + 1 + files.size + 1;
    if (changes > limits.storeOpsPerCommitMax || bytes + bytesMore() > partBytesMax) close();
    bytes += bytesMore();
    units.push(unit);
    if (hash !== undefined && text !== undefined) files.set(hash, text);
  }
  close();
  return parts;
}

function bytesOfUnit(unit: UnitChange): number {
  return 2 * frameBytes + Buffer.byteLength(JSON.stringify(unit));
}

function bytesOfFile(text: string): number {
  return frameBytes + Buffer.byteLength(JSON.stringify(text));
}
