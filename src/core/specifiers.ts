/**
 * Percent specifiers of systemd.unit(5) "SPECIFIERS" that depend on the unit's name and on the machine it is for.
 * Promises: one pass, so what a specifier stands for is never expanded again; specifiers that nobody knows stay as they
 * are, as in fleet 1.0 (systemd refuses letters and digits that it does not know).
 */
import { success } from './failure.ts';
import type { Result } from './failure.ts';
import { unescapeUnitPath, unescapeUnitText } from './unit-escape.ts';
import { unitNameParts } from './unit-name.ts';
import type { UnitName, UnitNameParts } from './unit-name.ts';

/** What the specifiers of a machine stand for: %H, %m and %b. */
export interface MachineFacts {
  readonly hostname: string;
  readonly id: string;
  readonly bootId: string;
}

export interface SpecifierFacts {
  readonly name: UnitName;
  /** The machine the unit is for; without it %H, %m and %b stay as they are. */
  readonly machine?: MachineFacts;
  /** Letters that only the caller knows ("t" for the runtime directory ...). */
  readonly more?: Readonly<Record<string, string>>;
}

type Read = (parts: UnitNameParts) => Result<string>;

const nameSpecifiers: Readonly<Record<string, Read>> = {
  n: ({ name }) => success(name),
  N: (parts) => success(withoutType(parts)),
  p: ({ prefix }) => success(prefix),
  P: ({ prefix }) => unescapeUnitText(prefix),
  i: ({ instance }) => success(instance ?? ''),
  I: ({ instance }) => unescapeUnitText(instance ?? ''),
  j: ({ prefix }) => success(lastComponent(prefix)),
  J: ({ prefix }) => unescapeUnitText(lastComponent(prefix)),
  f: ({ prefix, instance }) => unescapeUnitPath(instance === null || instance === '' ? prefix : instance),
  '%': () => success('%'),
};

function withoutType({ name, type }: UnitNameParts): string {
  return name.slice(0, -type.length - 1);
}

/** The part of a prefix behind its last "-". */
function lastComponent(prefix: string): string {
  return prefix.slice(prefix.lastIndexOf('-') + 1);
}

function machineSpecifier(letter: string, machine: MachineFacts | undefined): string | undefined {
  if (machine === undefined) return undefined;
  return ({ H: machine.hostname, m: machine.id, b: machine.bootId } as Readonly<Record<string, string>>)[letter];
}

/**
 * Expands the specifiers of `text`. Fails with UNIT_NAME_INVALID when %P, %I, %J or %f meets a malformed escape in the
 * name.
 */
export function expandSpecifiers(text: string, facts: SpecifierFacts): Result<string> {
  const parts = unitNameParts(facts.name);
  let expanded = '';
  let from = 0;
  for (let at = text.indexOf('%'); at !== -1; at = text.indexOf('%', from)) {
    const letter = text.charAt(at + 1);
    const read = Object.hasOwn(nameSpecifiers, letter) ? nameSpecifiers[letter]?.(parts) : undefined;
    if (read?.ok === false) return read;
    const value = read?.value ?? machineSpecifier(letter, facts.machine) ?? facts.more?.[letter] ?? `%${letter}`;
    expanded += text.slice(from, at) + value;
    from = at + 1 + letter.length;
  }
  return success(expanded + text.slice(from));
}
