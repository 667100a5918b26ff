/**
 * Reads a few properties out of a PropertiesChanged signal (D-Bus specification, "Marshaling"), and steps over all others.
 * Promises: what is read is what a whole decoding would give; systemd sends a hundred properties of a unit with each change, of which fleet
 * wants ten, and stepping over one costs next to nothing; bytes that do not fit their types throw.
 */
import type { BusFrame } from './bus-frames.ts';

export type ScalarProperty = string | number | boolean;

/** The changed properties that `wanted` names, by name. Properties of other than plain types are left out. */
export function readChanged({ body, signature }: BusFrame, wanted: ReadonlySet<string>): ReadonlyMap<string, ScalarProperty> {
  if (!signature.startsWith('sa{sv}')) throw new Error(`"${signature}" is not the type of a PropertiesChanged signal`);
  const reader: Reader = { body, at: 0 };
  stepOver(reader, 's');
  align(reader, 4);
  const bytes = body.readUInt32LE(reader.at);
  reader.at += 4;
  align(reader, 8);
  const end = reader.at + bytes;
  const found = new Map<string, ScalarProperty>();
  while (reader.at < end) {
    align(reader, 8);
    const name = readText(reader);
    const type = readSignature(reader);
    const value = wanted.has(name) ? readPlain(reader, type) : undefined;
    if (value === undefined) stepOver(reader, type);
    else found.set(name, value);
  }
  return found;
}

interface Reader {
  readonly body: Buffer;
  at: number;
}

function align(reader: Reader, to: number): void {
  reader.at = (reader.at + to - 1) & ~(to - 1);
}

function readText(reader: Reader): string {
  align(reader, 4);
  const from = reader.at + 4;
  const to = from + reader.body.readUInt32LE(reader.at);
  if (to >= reader.body.length) throw new Error('a text of a D-Bus message is longer than the message');
  reader.at = to + 1;
  return reader.body.toString('utf8', from, to);
}

function readSignature(reader: Reader): string {
  const from = reader.at + 1;
  const to = from + reader.body.readUInt8(reader.at);
  reader.at = to + 1;
  return reader.body.toString('latin1', from, to);
}

/** A value of a plain type; undefined, having read nothing, for any other type. */
function readPlain(reader: Reader, type: string): ScalarProperty | undefined {
  if (type === 's' || type === 'o') return readText(reader);
  const bytes = sizes[type];
  if (bytes === undefined) return undefined;
  align(reader, bytes);
  const { body, at } = reader;
  reader.at += bytes;
  switch (type) {
    case 'b': return body.readUInt32LE(at) !== 0;
    case 'u': return body.readUInt32LE(at);
    case 'i': return body.readInt32LE(at);
    case 't': return Number(body.readBigUInt64LE(at));
    case 'x': return Number(body.readBigInt64LE(at));
    default:
      reader.at = at;
      return undefined;
  }
}

/** Bytes of the types that have always as many; they begin at a multiple of it. */
const sizes: Readonly<Record<string, number>> = { y: 1, b: 4, n: 2, q: 2, i: 4, u: 4, h: 4, x: 8, t: 8, d: 8 };

/** Steps over one complete type, which begins at `from` in `signature`; answers where the next one begins. */
function stepOver(reader: Reader, signature: string, from = 0): number {
  const type = signature[from] ?? '';
  const bytes = sizes[type];
  if (bytes !== undefined) {
    align(reader, bytes);
    reader.at += bytes;
    return from + 1;
  }
  switch (type) {
    case 's':
    case 'o':
      align(reader, 4);
      reader.at += 4 + reader.body.readUInt32LE(reader.at) + 1;
      return from + 1;
    case 'g':
      reader.at += 1 + reader.body.readUInt8(reader.at) + 1;
      return from + 1;
    case 'v':
      stepOver(reader, readSignature(reader));
      return from + 1;
    case 'a':
      return stepOverArray(reader, signature, from + 1);
    case '(':
    case '{': {
      align(reader, 8);
      let next = from + 1;
      while (signature[next] !== ')' && signature[next] !== '}') next = stepOver(reader, signature, next);
      return next + 1;
    }
    default:
      throw new Error(`unknown type '${type}' in a D-Bus message`);
  }
}

/** An array says how many bytes it has, from its first element on, which begins where its type wants it. */
function stepOverArray(reader: Reader, signature: string, element: number): number {
  align(reader, 4);
  const bytes = reader.body.readUInt32LE(reader.at);
  reader.at += 4;
  const type = signature[element] ?? '';
  align(reader, sizes[type] ?? ('({'.includes(type) ? 8 : type === 'g' || type === 'v' ? 1 : 4));
  reader.at += bytes;
  return endOfType(signature, element);
}

/** Where the complete type that begins at `from` ends. */
function endOfType(signature: string, from: number): number {
  const type = signature[from] ?? '';
  if (type === 'a') return endOfType(signature, from + 1);
  if (type !== '(' && type !== '{') return from + 1;
  let next = from + 1;
  while (next < signature.length && signature[next] !== ')' && signature[next] !== '}') next = endOfType(signature, next);
  return next + 1;
}
