/**
 * From arguments to units: brace expressions, paths, missing suffixes, patterns.
 * Promises: what a shell would have expanded is expanded; every unit is named once, in the order given; nothing touches
 * files.
 */
import { expandBraces } from '../core/braces.ts';
import { failure, success } from '../core/failure.ts';
import type { Result } from '../core/failure.ts';
import { compileGlob } from '../core/glob.ts';
import type { Glob } from '../core/glob.ts';
import { unitNameFromArgument, withDefaultType } from '../core/unit-name.ts';
import type { UnitName } from '../core/unit-name.ts';

/** One unit the person named, with the path its file would have; or a pattern over units that exist. */
export type UnitArgument =
  | { readonly kind: 'unit'; readonly folder: string; readonly name: UnitName }
  | { readonly kind: 'pattern'; readonly text: string; readonly matches: Glob };

/** Characters that cannot stand in a unit name, so an argument that holds one is a pattern. */
const patternCharacter = /[*?[\]]/;

/** Reads the arguments of a verb that takes units. */
export function readUnitArguments(words: readonly string[]): Result<readonly UnitArgument[]> {
  const found = new Map<string, UnitArgument>();
  for (const word of words) {
    const expanded = expandBraces(word);
    if (!expanded.ok) return expanded;
    for (const text of expanded.value) {
      const argument = readUnitArgument(text);
      if (!argument.ok) return failure(argument.failure.code, naming(text, argument.failure.message));
      const key = argument.value.kind === 'unit' ? argument.value.name : text;
      if (!found.has(key)) found.set(key, argument.value);
    }
  }
  return success([...found.values()]);
}

/** A message with the argument in front, unless it names it already. */
function naming(text: string, message: string): string {
  return message.includes(text) ? message : `${text}: ${message}`;
}

function readUnitArgument(text: string): Result<UnitArgument> {
  if (patternCharacter.test(text)) {
    const glob = compileGlob(text);
    if (!glob.ok) return glob;
    const withType = compileGlob(withDefaultType(text));
    // "app@?" means the services app@1.service and so on, as "app@1" means app@1.service.
    const matches: Glob = (name) => glob.value(name) || (withType.ok && withType.value(name));
    return success({ kind: 'pattern', text, matches });
  }
  const name = unitNameFromArgument(text);
  if (!name.ok) return name;
  return success({ kind: 'unit', folder: text.slice(0, text.lastIndexOf('/') + 1), name: name.value });
}

/** One unit the person named. */
export type NamedUnit = Extract<UnitArgument, { readonly kind: 'unit' }>;

/** Reads the arguments of a verb that takes one unit; `otherwise` is said when there is none, or more than one. */
export function readOneUnit(words: readonly string[], otherwise: string): Result<NamedUnit> {
  const read = readUnitArguments(words);
  if (!read.ok) return read;
  const [unit, ...others] = read.value;
  return unit?.kind === 'unit' && others.length === 0 ? success(unit) : failure('USAGE_INVALID', otherwise);
}

/** What arguments mean in a cluster that has certain units. */
export interface NamedUnits<Unit> {
  /** Units that exist, each once. */
  readonly found: readonly Unit[];
  /** Names and patterns that no unit answers to. */
  readonly missing: readonly string[];
}

/**
 * Picks the units that arguments name from those that exist. A pattern takes only units that `isMeant` says the verb is
 * about: with "stop app@*" nobody means the template app@.service.
 */
export function pickUnits<Unit extends { readonly name: string }>(
  words: readonly UnitArgument[],
  units: readonly Unit[],
  isMeant: (unit: Unit) => boolean = () => true,
): NamedUnits<Unit> {
  const byName = new Map(units.map((unit) => [unit.name, unit]));
  const found = new Map<string, Unit>();
  const missing: string[] = [];
  for (const argument of words) {
    const named =
      argument.kind === 'unit'
        ? [byName.get(argument.name)]
        : units.filter((unit) => argument.matches(unit.name) && isMeant(unit));
    const existing = named.filter((unit) => unit !== undefined);
    if (existing.length === 0) missing.push(argument.kind === 'unit' ? argument.name : argument.text);
    for (const unit of existing) found.set(unit.name, unit);
  }
  return { found: [...found.values()], missing };
}
