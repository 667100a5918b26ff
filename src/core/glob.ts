/**
 * Glob patterns over unit names, with the rules of Go's path.Match (fleet 1.0 matched Conflicts and Replaces with it):
 * `*` any characters but "/", `?` one of them, `[a-z]` and `[^a-z]` classes, a backslash makes the next character
 * ordinary.
 * Promises: the time is at most pattern length times name length, whatever the pattern.
 */
import { failure, success } from './failure.ts';
import type { Result } from './failure.ts';

/** One step of a pattern: what the next character of the name may be. */
type Token =
  | { readonly kind: 'literal'; readonly character: string }
  | { readonly kind: 'any' }
  | { readonly kind: 'star' }
  | { readonly kind: 'class'; readonly negated: boolean; readonly ranges: readonly Range[] };

interface Range {
  readonly from: string;
  readonly to: string;
}

/** A class, or one character of it, and the index behind it. */
interface ReadClass {
  readonly token: Token;
  readonly end: number;
}

interface ReadCharacter {
  readonly character: string;
  readonly end: number;
}

/** A pattern that was read once and matches many names. */
export type Glob = (name: string) => boolean;

/** Reads a pattern. Fails with PATTERN_INVALID where Go's path.Match says "syntax error in pattern". */
export function compileGlob(pattern: string): Result<Glob> {
  const tokens = readTokens(pattern);
  if (!tokens.ok) return tokens;
  if (tokens.value.every((token) => token.kind === 'literal')) {
    const literal = tokens.value.map((token) => token.character).join('');
    return success((name) => name === literal);
  }
  return success((name) => matchTokens(tokens.value, [...name]));
}

/** Whether a name matches a pattern. A malformed pattern matches nothing; compileGlob says what is wrong with it. */
export function matchGlob(pattern: string, name: string): boolean {
  const glob = compileGlob(pattern);
  return glob.ok && glob.value(name);
}

function malformed(pattern: string, why: string): Result<never> {
  return failure('PATTERN_INVALID', `"${pattern}" is not a glob pattern: ${why}`);
}

function readTokens(pattern: string): Result<readonly Token[]> {
  const characters = [...pattern];
  const tokens: Token[] = [];
  let at = 0;
  while (at < characters.length) {
    const character = characters[at] ?? '';
    at += 1;
    if (character === '[') {
      const read = readClass(characters, at);
      if (read === null) {
        return malformed(pattern, 'a class such as [a-z] is empty or not closed; write \\[ for the character itself');
      }
      tokens.push(read.token);
      at = read.end;
    } else if (character === '*') {
      tokens.push({ kind: 'star' });
    } else if (character === '?') {
      tokens.push({ kind: 'any' });
    } else if (character !== '\\') {
      tokens.push({ kind: 'literal', character });
    } else if (at === characters.length) {
      return malformed(pattern, 'nothing follows the last backslash');
    } else {
      tokens.push({ kind: 'literal', character: characters[at] ?? '' });
      at += 1;
    }
  }
  return success(tokens);
}

/** Reads a class whose "[" stands before `start`; null when it is malformed. */
function readClass(characters: readonly string[], start: number): ReadClass | null {
  const negated = characters[start] === '^';
  const ranges: Range[] = [];
  let at = negated ? start + 1 : start;
  while (characters[at] !== ']' || ranges.length === 0) {
    const from = readClassCharacter(characters, at);
    if (from === null) return null;
    at = from.end;
    if (characters[at] !== '-') {
      ranges.push({ from: from.character, to: from.character });
      continue;
    }
    const to = readClassCharacter(characters, at + 1);
    if (to === null) return null;
    ranges.push({ from: from.character, to: to.character });
    at = to.end;
  }
  return { token: { kind: 'class', negated, ranges }, end: at + 1 };
}

/** One character inside a class: "-" and "]" need a backslash, and the class cannot end right after it. */
function readClassCharacter(characters: readonly string[], start: number): ReadCharacter | null {
  const isEscaped = characters[start] === '\\';
  const at = isEscaped ? start + 1 : start;
  const character = characters[at];
  if (character === undefined || at + 1 >= characters.length) return null;
  if (!isEscaped && (character === '-' || character === ']')) return null;
  return { character, end: at + 1 };
}

/**
 * Walks both texts once. On a mismatch only the last star is stretched, as in Go: whatever an earlier star could reach, the
 * last one reaches too, so there is nothing to go back to and no exponential time.
 */
function matchTokens(tokens: readonly Token[], name: readonly string[]): boolean {
  let token = 0;
  let at = 0;
  let starToken = -1;
  let starEnd = 0;
  while (at < name.length) {
    const wanted = tokens[token];
    if (wanted?.kind === 'star') {
      starToken = token;
      starEnd = at;
      token += 1;
    } else if (wanted !== undefined && matchCharacter(wanted, name[at] ?? '')) {
      token += 1;
      at += 1;
    } else if (starToken !== -1 && name[starEnd] !== '/') {
      starEnd += 1;
      at = starEnd;
      token = starToken + 1;
    } else {
      return false;
    }
  }
  return tokens.slice(token).every((rest) => rest.kind === 'star');
}

function matchCharacter(token: Token, character: string): boolean {
  switch (token.kind) {
    case 'star':
      return false;
    case 'any':
      return character !== '/';
    case 'literal':
      return character === token.character;
    case 'class':
      return token.ranges.some(({ from, to }) => isBetween(character, from, to)) !== token.negated;
  }
}

/** By code point: comparing strings would order by UTF-16 units. */
function isBetween(character: string, from: string, to: string): boolean {
  const code = character.codePointAt(0) ?? 0;
  return code >= (from.codePointAt(0) ?? 0) && code <= (to.codePointAt(0) ?? 0);
}
