/**
 * Unit names: `prefix[@instance].type`, as systemd.unit(5) has them.
 * Promises: a value of type UnitName has passed parseUnitName, so it is safe as a file name and as a store key.
 */
import { assert, failure, success } from './failure.ts';
import type { Result } from './failure.ts';
import { limits } from './limits.ts';

declare const unitNameBrand: unique symbol;
/** A complete, valid unit name: "app@1.service", "app@.service", "web.socket". */
export type UnitName = string & { readonly [unitNameBrand]: 'UnitName' };

/** The parts of a unit name. `instance` is null for plain units and '' for templates. */
export interface UnitNameParts {
  readonly name: UnitName;
  readonly prefix: string;
  readonly instance: string | null;
  readonly type: UnitType;
}

/** Unit types fleet takes, the original's plus what systemd can link from a file. */
export const unitTypes = [
  'service', 'socket', 'timer', 'path', 'target', 'mount', 'automount', 'swap', 'slice', 'device', 'scope',
] as const;
export type UnitType = (typeof unitTypes)[number];

/** Types that may have templates and instances (systemd: unit_type_may_template). */
const templateTypes: ReadonlySet<string> = new Set<UnitType>(['service', 'socket', 'target', 'timer', 'path']);

/** Suffixes an argument may end in; anything else gets ".service" (fleet 1.0's list, and target, swap, slice). */
const argumentTypes: ReadonlySet<string> = new Set<UnitType>(
  ['service', 'socket', 'timer', 'path', 'device', 'mount', 'automount', 'target', 'swap', 'slice']);

/** systemd: VALID_CHARS, and "@" between prefix and instance. */
const validCharacter = /^[A-Za-z0-9:\-_.\\@]$/u;
const knownTypes: ReadonlySet<string> = new Set(unitTypes);

/** Whether a type is one of {@link unitTypes}. */
function isUnitType(text: string): text is UnitType {
  return knownTypes.has(text);
}

/**
 * Reads a complete unit name. Failures carry fleet 1.0's sentences unchanged, because scripts compare them; a caller
 * that knows more of the context puts the name in front.
 */
export function parseUnitName(text: string): Result<UnitNameParts> {
  const why = whyInvalid(text);
  if (why !== null) return failure('UNIT_NAME_INVALID', why);
  return success(splitName(text as UnitName));
}

/** What is wrong with a name, in the order fleet 1.0 looks; null when nothing is. */
function whyInvalid(text: string): string | null {
  if (text === '') return 'unit name cannot be empty';
  if (text.length > limits.unitNameCharactersMax) {
    return `unit name exceeds maximum length (${limits.unitNameCharactersMax})`;
  }
  const dot = text.lastIndexOf('.');
  if (dot === -1) return 'unit name must contain "."';
  if (dot === text.length - 1) return 'unit name cannot end in "."';
  if (dot === 0) return `unit name must have a part before "${text}"`;
  const type = text.slice(dot + 1);
  if (!isUnitType(type)) return `invalid unit type: ${JSON.stringify(type)}`;
  const stem = text.slice(0, dot);
  if (stem.includes('@') && !templateTypes.has(type)) return `invalid unit type for template: ${JSON.stringify(type)}`;
  for (const character of stem) {
    if (!validCharacter.test(character)) return `invalid character ${quoteCharacter(character)} in unit name`;
  }
  return text.startsWith('@') ? 'unit name cannot start in "@"' : null;
}

/** A character as fleet 1.0 shows it: in single quotes, as a code when it cannot be printed. */
function quoteCharacter(character: string): string {
  if (character === "'") return String.raw`'\''`;
  const isPrintable = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u.test(character);
  const code = (character.codePointAt(0) ?? 0).toString(16).padStart(4, '0');
  return isPrintable ? `'${character}'` : String.raw`'\u${code}'`;
}

/** Cuts a valid name at its first "@" and last ".". */
function splitName(name: UnitName): UnitNameParts {
  const dot = name.lastIndexOf('.');
  const type = name.slice(dot + 1);
  assert(isUnitType(type), `"${name}" has a known type`);
  const stem = name.slice(0, dot);
  const at = stem.indexOf('@');
  if (at === -1) return { name, prefix: stem, instance: null, type };
  return { name, prefix: stem.slice(0, at), instance: stem.slice(at + 1), type };
}

/** The parts of a name that is already known to be valid. Never fails. */
export function unitNameParts(name: UnitName): UnitNameParts {
  return splitName(name);
}

/** Whether a name is that of a template: "app@.service". */
export function isTemplate(name: UnitName): boolean {
  const at = name.indexOf('@');
  return at !== -1 && at === name.lastIndexOf('.') - 1;
}

/** Whether a name is that of an instance of a template: "app@1.service". */
export function isInstance(name: UnitName): boolean {
  const { instance } = splitName(name);
  return instance !== null && instance !== '';
}

/** The template an instance is made from ("app@1.service" gives "app@.service"); null for all other names. */
export function templateOf(name: UnitName): UnitName | null {
  if (!isInstance(name)) return null;
  const { prefix, type } = splitName(name);
  return `${prefix}@.${type}` as UnitName;
}

/**
 * The name of one instance of a template. Fails when the result is no valid name (length, characters, not a template).
 */
export function instanceOf(template: UnitName, instance: string): Result<UnitName> {
  if (!isTemplate(template)) {
    return failure('UNIT_NAME_INVALID', `"${template}" is not a template: its name needs "@" before the type`);
  }
  if (instance === '') return failure('UNIT_NAME_INVALID', `an instance of "${template}" needs text after the "@"`);
  const { prefix, type } = splitName(template);
  const parts = parseUnitName(`${prefix}@${instance}.${type}`);
  return parts.ok ? success(parts.value.name) : parts;
}

/** Adds ".service" to a name that ends in none of the suffixes fleet 1.0 knows, as it does for every unit argument. */
export function withDefaultType(text: string): string {
  const type = text.slice(text.lastIndexOf('.') + 1);
  return text.includes('.') && argumentTypes.has(type) ? text : `${text}.service`;
}

/**
 * The unit that a command line argument means: the last part of a path, with ".service" added when it has no known
 * suffix.
 */
export function unitNameFromArgument(text: string): Result<UnitName> {
  let end = text.length;
  while (end > 0 && text[end - 1] === '/') end -= 1;
  const base = text.slice(text.lastIndexOf('/', end - 1) + 1, end);
  if (base === '') return failure('UNIT_NAME_INVALID', `"${text}" names no unit; give a name such as app.service`);
  const parts = parseUnitName(withDefaultType(base));
  return parts.ok ? success(parts.value.name) : parts;
}
