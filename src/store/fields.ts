/**
 * Readers of JSON fields, put together into decoders of records.
 * Promises: a reader never throws; what it refuses it names by its path in the value, as `peer.port`.
 */

/** A value read, or where and why it could not be: "peer.port", "is 12.5, should be a whole number". */
export type Read<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly at: string; readonly why: string };

/** Reads one field; `undefined` stands for a field that is missing. `at` is its path. */
export type Reader<T> = (value: unknown, at: string) => Read<T>;

/** A reader for every field of a record. */
export type Fields<T> = { readonly [K in keyof T]-?: Reader<T[K]> };

/** A string; without a fallback it must be there. */
export function text<T extends string = string>(fallback?: T): Reader<T> {
  return simple('a text', (value): value is T => typeof value === 'string', fallback);
}

/** A number without a fraction that JavaScript holds exactly. */
export function whole(fallback?: number): Reader<number> {
  return simple('a whole number', (value): value is number => Number.isSafeInteger(value), fallback);
}

export function number(fallback?: number): Reader<number> {
  return simple('a number', (value): value is number => typeof value === 'number', fallback);
}

export function flag(fallback?: boolean): Reader<boolean> {
  return simple('true or false', (value): value is boolean => typeof value === 'boolean', fallback);
}

/** One of some words. */
export function choice<const T extends string>(words: readonly T[], fallback?: T): Reader<T> {
  return simple(`one of ${words.join(', ')}`, (value): value is T => words.some((word) => word === value), fallback);
}

/** A record of fields; fields it does not know are ignored. */
export function readRecord<T extends object>(fields: Fields<T>, fallback?: T): Reader<T> {
  const readers = Object.entries<Reader<unknown>>(fields);
  // Records of a kind are copies of it: they are read by the hundred thousand, and have one shape then.
  const empty = Object.fromEntries(readers.map(([name]) => [name, undefined as unknown]));
  return (value, at) => {
    if (value === undefined && fallback !== undefined) return { ok: true, value: fallback };
    if (!isObject(value)) return refuse('an object', value, at);
    const record = { ...empty };
    for (const [name, reader] of readers) {
      const read = reader(value[name], pathTo(name, at));
      if (!read.ok) return read;
      record[name] = read.value;
    }
    // Its fields are those of `fields`, each read by the reader of its own name.
    return { ok: true, value: record as T };
  };
}

/** Values by name, none when missing. */
export function mapOf<T>(reader: Reader<T>): Reader<Readonly<Record<string, T>>> {
  return (value, at) => {
    if (value === undefined) return { ok: true, value: {} };
    if (!isObject(value)) return refuse('an object', value, at);
    const read = readAll(Object.entries(value).map(([name, item]) => [name, reader, item]), at);
    return read.ok ? { ok: true, value: Object.fromEntries(read.value) } : read;
  };
}

/** A list, empty when missing. */
export function listOf<T>(reader: Reader<T>): Reader<readonly T[]> {
  return (value, at) => {
    if (value === undefined) return { ok: true, value: [] };
    if (!Array.isArray(value)) return refuse('a list', value, at);
    const read = readAll(value.map((item: unknown, index) => [String(index), reader, item]), at);
    return read.ok ? { ok: true, value: read.value.map(([, item]) => item) } : read;
  };
}

/** null when null or missing. */
export function orNull<T>(reader: Reader<T>): Reader<T | null> {
  return (value, at) => (value === null || value === undefined ? { ok: true, value: null } : reader(value, at));
}

function simple<T>(what: string, fits: (value: unknown) => value is T, fallback: T | undefined): Reader<T> {
  return (value, at) => {
    if (fits(value)) return { ok: true, value };
    return value === undefined && fallback !== undefined ? { ok: true, value: fallback } : refuse(what, value, at);
  };
}

/** Reads named values in order; the first that is refused refuses all. */
function readAll<T>(items: readonly [string, Reader<T>, unknown][], at: string): Read<[string, T][]> {
  const entries: [string, T][] = [];
  for (const [name, reader, value] of items) {
    const read = reader(value, pathTo(name, at));
    if (!read.ok) return read;
    entries.push([name, read.value]);
  }
  return { ok: true, value: entries };
}

function pathTo(name: string, at: string): string {
  return at === '' ? name : `${at}.${name}`;
}

function refuse(what: string, value: unknown, at: string): { readonly ok: false; readonly at: string; readonly why: string } {
  return { ok: false, at, why: value === undefined ? `is missing, should be ${what}` : `is ${JSON.stringify(value).slice(0, 40)}, should be ${what}` };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
