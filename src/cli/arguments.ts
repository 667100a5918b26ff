/**
 * Reads a command line: Go's way of writing flags and that of GNU alike.
 * Promises: `--name value`, `--name=value`, `-name=value`, `-n 5`, `-n5` and `-fn5` are understood, before and behind
 * the verb; `--` ends the flags, and so does a word behind which they are somebody else's; the last of a repeated flag
 * counts; a slip is answered with one line that says what was probably meant.
 */
import { assert, failure, success } from '../core/failure.ts';
import type { Result } from '../core/failure.ts';
import { nearest } from '../core/spelling.ts';
import type { FlagSpec } from './flags.ts';

/** One piece of a command line. */
type Piece =
  | { readonly kind: 'flag'; readonly spec: FlagSpec; readonly value: string }
  | { readonly kind: 'word'; readonly text: string };

/** The flags that were given, with the fallbacks of all others. */
export interface Flags {
  /** Whether the flag stands on the command line or in the environment. */
  given(name: string): boolean;
  text(name: string): string;
  isOn(name: string): boolean;
  number(name: string): number;
}

/** A command line taken apart. */
export interface CommandLine {
  readonly words: readonly string[];
  /** Values by flag name, as text that was checked. */
  readonly values: ReadonlyMap<string, string>;
}

const trueWords: readonly string[] = ['1', 't', 'T', 'true', 'TRUE', 'True'];
const falseWords: readonly string[] = ['0', 'f', 'F', 'false', 'FALSE', 'False'];

/**
 * Reads all arguments; fails with USAGE_INVALID on a flag that is not in the table or has a wrong value. Once `endsAt`
 * holds for what was read, everything that follows is words.
 */
export function readCommandLine(
  argv: readonly string[],
  specs: readonly FlagSpec[],
  endsAt: (line: CommandLine) => boolean = () => false,
): Result<CommandLine> {
  const values = new Map<string, string>();
  const words: string[] = [];
  let at = 0;
  while (at < argv.length) {
    const argument = argv[at] ?? '';
    const isOver = words.length > 0 && endsAt({ words, values });
    if (isOver) return success({ words: [...words, ...argv.slice(at)], values });
    if (argument === '--') return success({ words: [...words, ...argv.slice(at + 1)], values });
    const read = readPieces(argument, argv[at + 1], specs);
    if (!read.ok) return read;
    for (const piece of read.value.pieces) {
      if (piece.kind === 'word') words.push(piece.text);
      else values.set(piece.spec.name, piece.value);
    }
    at += read.value.consumed;
  }
  return success({ words, values });
}

interface Pieces {
  readonly pieces: readonly Piece[];
  /** 2 when the following argument was the value of a flag. */
  readonly consumed: 1 | 2;
}

function readPieces(argument: string, next: string | undefined, specs: readonly FlagSpec[]): Result<Pieces> {
  if (!argument.startsWith('-') || argument === '-')
    return success({ pieces: [{ kind: 'word', text: argument }], consumed: 1 });
  const dashes = argument.startsWith('--') ? '--' : '-';
  const [, name = '', inline] = /^([^=]*)(?:=(.*))?$/s.exec(argument.slice(dashes.length)) ?? [];
  const spec = specs.find((candidate) => candidate.name === name || candidate.short === name);
  if (spec !== undefined) return readValue(spec, { written: `${dashes}${name}`, inline, next });
  if (dashes === '-') {
    const bundle = readBundle(argument.slice(1), next, specs);
    if (bundle !== null) return bundle;
  }
  return failure('USAGE_INVALID', `unknown flag: ${dashes}${name}${suggestFlag(name, specs)}`);
}

/** Reads `-fn5`: one-letter switches, at last perhaps one with a value. Null when a letter is no flag. */
function readBundle(letters: string, next: string | undefined, specs: readonly FlagSpec[]): Result<Pieces> | null {
  const pieces: Piece[] = [];
  for (let at = 0; at < letters.length; at += 1) {
    const spec = specs.find((candidate) => candidate.short === letters[at]);
    if (spec === undefined) return null;
    if (spec.kind !== 'switch') {
      const rest = letters.slice(at + 1);
      const last = readValue(spec, { written: `-${letters[at] ?? ''}`, inline: rest === '' ? undefined : rest, next });
      return last.ok ? success({ pieces: [...pieces, ...last.value.pieces], consumed: last.value.consumed }) : last;
    }
    pieces.push({ kind: 'flag', spec, value: 'true' });
  }
  return success({ pieces, consumed: 1 });
}

interface Written {
  readonly written: string;
  readonly inline: string | undefined;
  readonly next: string | undefined;
}

function readValue(spec: FlagSpec, { written, inline, next }: Written): Result<Pieces> {
  if (spec.kind === 'switch' && inline === undefined)
    return success({ pieces: [{ kind: 'flag', spec, value: 'true' }], consumed: 1 });
  const value = inline ?? next;
  if (value === undefined) return failure('USAGE_INVALID', `flag needs a value: ${written}=VALUE`);
  const checked = checkValue(spec, value, `flag ${written}`);
  if (!checked.ok) return checked;
  return success({ pieces: [{ kind: 'flag', spec, value: checked.value }], consumed: inline === undefined ? 2 : 1 });
}

/**
 * Checks the text of a value; `where` names its place for the message. The result is in the one form that Flags reads.
 */
export function checkValue(spec: FlagSpec, value: string, where: string): Result<string> {
  const wrong = (wanted: string): Result<string> =>
    failure('USAGE_INVALID', `invalid value "${value}" for ${where}: must be ${wanted}`);
  if (spec.choices !== undefined) {
    const choice = spec.choices.find((candidate) => candidate.toLowerCase() === value.toLowerCase());
    return choice === undefined ? wrong(spec.choices.join(' or ')) : success(choice);
  }
  switch (spec.kind) {
    case 'text':
      return success(value);
    case 'switch':
      if (trueWords.includes(value)) return success('true');
      return falseWords.includes(value) ? success('false') : wrong('true or false');
    case 'integer':
      return /^\d{1,9}$/.test(value) ? success(value) : wrong('a whole number');
    case 'port':
      return /^\d{1,5}$/.test(value) && Number(value) > 0 && Number(value) <= 65_535 ? success(value) : wrong('a port');
    case 'number':
      return /^(\d{1,9}(\.\d*)?|\.\d+)$/.test(value) && Number(value) > 0
        ? success(value)
        : wrong('a number of seconds greater than 0');
  }
}

function suggestFlag(name: string, specs: readonly FlagSpec[]): string {
  const near = nearest(
    name,
    specs.map((spec) => spec.name),
  );
  return near === null ? '' : `; did you mean --${near}?`;
}

/** Values by name over the fallbacks of a table. Asking for a flag the table lacks is a bug. */
export function createFlags(specs: readonly FlagSpec[], values: ReadonlyMap<string, string>): Flags {
  const text = (name: string): string => {
    const spec = specs.find((candidate) => candidate.name === name);
    assert(spec !== undefined, `--${name} is in the table of flags`);
    return values.get(name) ?? spec.fallback;
  };
  return {
    given: (name) => values.has(name),
    text,
    isOn: (name) => text(name) === 'true',
    number: (name) => Number(text(name)),
  };
}
