/**
 * What the values of [X-Fleet] options mean: one reader for each kind of value.
 * Promises: a reader refuses what it does not understand in one line; specifiers of an instance's name are expanded, a template
 * keeps them and what they leave open is not judged.
 */
import { failure, success } from './failure.ts';
import type { Result } from './failure.ts';
import { compileGlob } from './glob.ts';
import { limits } from './limits.ts';
import { addRequirement, readRequirement, splitMetadata } from './metadata-requirement.ts';
import type { MetadataRequirement } from './metadata-requirement.ts';
import { addPortRequest, parsePortRequest, portScopes } from './ports.ts';
import type { PortRequest, PortScope } from './ports.ts';
import { expandSpecifiers } from './specifiers.ts';
import { isTemplate, parseUnitName, withDefaultType } from './unit-name.ts';
import type { UnitName } from './unit-name.ts';
import { splitQuoted } from './words.ts';

/** Reads one assignment into its field; `before` is what earlier assignments made of the field. */
export type Read<T> = (value: string, before: T, unit: UnitName) => Result<T>;

/**
 * Expands specifiers in each word after the cut, so that no instance name can add words or quotes. A template keeps
 * them.
 */
function expandWords(words: readonly string[], unit: UnitName): Result<readonly string[]> {
  if (isTemplate(unit)) return success(words);
  const expanded: string[] = [];
  for (const word of words) {
    const result = expandSpecifiers(word, { name: unit });
    if (!result.ok) return result;
    expanded.push(result.value);
  }
  return success(expanded);
}

function readWords(value: string, unit: UnitName): Result<readonly string[]> {
  const words = splitQuoted(value, 'keep');
  return words.ok ? expandWords(words.value, unit) : words;
}

/** A list without repeated values; fails beyond the limit. */
function listOf<T>(all: Iterable<T>): Result<readonly T[]> {
  const list = [...new Set(all)];
  if (list.length <= limits.fleetOptionValuesMax) return success(list);
  return failure('UNIT_OPTION_INVALID', `more than ${limits.fleetOptionValuesMax} values; use fewer`);
}

/** Whether a word of a template still has specifiers, so that it cannot be checked before there is an instance. */
function isOpen(word: string, unit: UnitName): boolean {
  return isTemplate(unit) && word.includes('%');
}

/** One machine id or boot id; the first of several wins, as in fleet 1.0. */
export function readId(value: string, before: string | null, unit: UnitName): Result<string | null> {
  const words = readWords(value, unit);
  if (!words.ok) return words;
  const [id, ...more] = words.value;
  if (id === undefined || id === '') return failure('UNIT_OPTION_INVALID', 'no id; list-machines -l shows them');
  if (more.length > 0) {
    return failure('UNIT_OPTION_INVALID', 'only one id can be given; use MachineMetadata for several machines');
  }
  return success(before ?? id);
}

/** Names of units to share a machine with; ".service" is added as for arguments of fleetctl. */
export function readPeers(value: string, before: readonly UnitName[], unit: UnitName): Result<readonly UnitName[]> {
  const words = readWords(value, unit);
  if (!words.ok) return words;
  const peers: UnitName[] = [];
  for (const word of words.value) {
    if (isOpen(word, unit)) {
      peers.push(word as UnitName);
      continue;
    }
    const parsed = parseUnitName(withDefaultType(word));
    if (!parsed.ok) return failure('UNIT_OPTION_INVALID', `"${word}" is not a unit: ${parsed.failure.message}`);
    const peer = parsed.value.name;
    if (peer === unit) return failure('UNIT_OPTION_INVALID', `"${word}" is the unit itself`);
    if (isTemplate(peer)) return failure('UNIT_OPTION_INVALID', `"${word}" is a template; name an instance of it`);
    peers.push(peer);
  }
  return listOf([...before, ...peers]);
}

/** Glob patterns of unit names, separated by blanks. */
export function readPatterns(value: string, before: readonly string[], unit: UnitName): Result<readonly string[]> {
  const words = readWords(value, unit);
  if (!words.ok) return words;
  for (const word of words.value) {
    const glob = compileGlob(word);
    if (!glob.ok) return glob;
  }
  return listOf([...before, ...words.value.filter((word) => word !== '')]);
}

type Requirements = readonly MetadataRequirement[];

export function readMetadata(value: string, before: Requirements, unit: UnitName): Result<Requirements> {
  const expressions = splitMetadata(value);
  const words = expressions.ok ? expandWords(expressions.value, unit) : expressions;
  if (!words.ok) return words;
  const checked = listOf([...before.flatMap(({ alternatives }) => alternatives), ...words.value]);
  if (!checked.ok) return checked;
  let all = before;
  for (const word of words.value) {
    const requirement = readRequirement(word);
    if (!requirement.ok) return requirement;
    all = addRequirement(all, requirement.value);
  }
  return success(all);
}

/** A reader of one value with the specifiers expanded; in a template a value that has some is not looked at. */
export function whenKnown<T>(read: (value: string) => Result<T>): Read<T> {
  return (value, before, unit) => {
    if (isOpen(value, unit)) return success(before);
    const expanded = isTemplate(unit) ? success(value) : expandSpecifiers(value, { name: unit });
    return expanded.ok ? read(expanded.value) : expanded;
  };
}

/** Ports to be given out, separated by blanks. What a template leaves open is read once there is an instance. */
export function readPorts(value: string, before: readonly PortRequest[], unit: UnitName): Result<readonly PortRequest[]> {
  const words = readWords(value, unit);
  if (!words.ok) return words;
  let all = before;
  for (const word of words.value) {
    if (isOpen(word, unit)) continue;
    const request = parsePortRequest(word);
    const added = request.ok ? addPortRequest(all, request.value) : request;
    if (!added.ok) return added;
    all = added.value;
  }
  return listOf(all);
}

export function readPortScope(value: string): Result<PortScope> {
  const scope = portScopes.find((each) => each === value);
  return scope === undefined ? failure('UNIT_OPTION_INVALID', `write ${portScopes.join(' or ')}`) : success(scope);
}

const truthy: ReadonlySet<string> = new Set(['true', 'yes', '1', 'on', 't']);
const falsy: ReadonlySet<string> = new Set(['false', 'no', '0', 'off', 'f']);

/**
 * fleet 1.0 takes true, yes, 1, on and t in any letter case for true; other words were silently false, here they are
 * refused.
 */
export function readFlag(value: string, before: boolean, unit: UnitName): Result<boolean> {
  const words = readWords(value, unit);
  if (!words.ok) return words;
  const word = words.value.length === 1 ? (words.value[0] ?? '').toLowerCase() : value;
  if (truthy.has(word)) return success(true);
  if (falsy.has(word)) return success(false);
  if (isOpen(value, unit)) return success(before);
  return failure('UNIT_OPTION_INVALID', 'write true or false');
}
