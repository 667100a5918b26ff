/**
 * A request too large for one commit, as it lies in the store until it is done.
 * Promises: what is read back is what was written; a text that is neither is null, never a guess.
 */
import { readRecord, choice, listOf, mapOf, orNull, text, whole, type Reader } from '../../store/fields.ts';
import { decodeUnitRecord, encodeRecord } from '../../store/records.ts';
import type { Revision } from '../../store/store.ts';
import type { FileHash } from '../../core/unit.ts';
import type { UnitName } from '../../core/unit-name.ts';
import type { Plan, UnitChange } from './plan.ts';

/** The record under the key `operation`. While it stands, no other large request begins. */
export interface OperationRecord {
  /**
   * `writing`: its parts are not all stored, nothing has happened; `accepted`: it will be carried out, whoever dies.
   */
  readonly state: 'writing' | 'accepted';
  /** How many parts it has, once accepted, and how many of them have been carried out. */
  readonly parts: number;
  readonly done: number;
  /** Which machine's API took it, and when, for people who look. */
  readonly machine: string;
  readonly beganAtMs: number;
}

const readOperation: Reader<OperationRecord> = readRecord({
  state: choice(['writing', 'accepted']),
  parts: whole(),
  done: whole(),
  machine: text(''),
  beganAtMs: whole(0),
});

const readPart: Reader<{
  readonly units: readonly { name: string; basis: number; record: string | null }[];
  readonly files: Readonly<Record<string, string>>;
}> = readRecord({
  units: listOf(readRecord({ name: text(), basis: whole(), record: orNull(text()) })),
  files: mapOf(text()),
});

export function encodeOperation(operation: OperationRecord): string {
  return JSON.stringify(operation);
}

export function decodeOperation(json: string): OperationRecord | null {
  return decodeJson(json, readOperation);
}

/** One part of the plan: text that {@link decodePart} reads. */
export function encodePart(part: Plan): string {
  const units = part.units.map(({ name, basis, record }) => ({
    name,
    basis,
    record: record === null ? null : encodeRecord(record),
  }));
  return JSON.stringify({ units, files: Object.fromEntries(part.files) });
}

export function decodePart(json: string): Plan | null {
  const part = decodeJson(json, readPart);
  if (part === null) return null;
  const units: UnitChange[] = [];
  for (const unit of part.units) {
    const record = unit.record === null ? null : decodeUnitRecord(unit.record);
    if (record?.ok === false) return null;
    units.push({
      name: unit.name as UnitName,
      basis: unit.basis as Revision | 0,
      record: record === null ? null : record.value,
    });
  }
  const files = new Map(Object.entries(part.files).map(([hash, content]) => [hash as FileHash, content]));
  return { units, files, unchanged: [] };
}

function decodeJson<T>(json: string, reader: Reader<T>): T | null {
  try {
    const read = reader(JSON.parse(json), '');
    return read.ok ? read.value : null;
  } catch {
    return null;
  }
}
