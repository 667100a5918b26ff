/**
 * Brace expressions of unit names, `app@{1..3}.service`, as bash(1) "Brace Expansion" has them: for names that reach
 * fleet without a shell having expanded them (quoted, from a script, from another kind of shell).
 * Promises: the same names in the same order as bash; what is no brace expression stays as it is; a list is refused
 * before it is made when it would be longer than the limit. A backslash makes the next character ordinary, as in bash,
 * but stays in the text: unit names hold escapes such as `\x2d`.
 */
import { failure, success } from './failure.ts';
import type { Result } from './failure.ts';
import { limits } from './limits.ts';

/** The words a piece of text stands for; null when there are more than the limit. */
type Names = readonly string[] | null;

/** Characters of an expression that a message shows. */
const excerptCharacters = 60;

/**
 * All names an expression stands for; the text itself when it has no braces to expand. Fails with BRACES_INVALID beyond
 * the limits.
 */
export function expandBraces(text: string): Result<readonly string[]> {
  if (!text.includes('{')) return success([text]);
  const excerpt = text.length > excerptCharacters ? `${text.slice(0, excerptCharacters)}...` : text;
  if (text.length > limits.braceCharactersMax) {
    const most = `${limits.braceCharactersMax} characters`;
    return failure('BRACES_INVALID', `"${excerpt}" is longer than ${most}; name fewer units at once`);
  }
  const names = expandText(text);
  if (names !== null) return success(names.filter((name) => name !== ''));
  const most = `${limits.braceNamesMax} names`;
  return failure('BRACES_INVALID', `"${excerpt}" stands for more than ${most}; name fewer units at once`);
}

/** Expands one brace after the other, from left to right. */
function expandText(text: string): Names {
  let names: Names = [''];
  let rest = text;
  while (names !== null) {
    const brace = findBrace(rest);
    if (brace === null) return combine(names, [rest]);
    const heads: Names = combine(names, [rest.slice(0, brace.open)]);
    names = combine(heads, expandBody(rest.slice(brace.open + 1, brace.close)));
    rest = rest.slice(brace.close + 1);
  }
  return null;
}

/** Every head with every tail. */
function combine(heads: Names, tails: Names): Names {
  if (heads === null || tails === null || heads.length * tails.length > limits.braceNamesMax) return null;
  return heads.flatMap((head) => tails.map((tail) => head + tail));
}

/** What stands between two braces: alternatives, a sequence, or (bash) text that keeps its braces. */
function expandBody(body: string): Names {
  if (!hasComma(body)) return expandSequence(body);
  const names: string[] = [];
  for (const alternative of splitAlternatives(body)) {
    const expanded = expandText(alternative);
    if (expanded === null || names.length + expanded.length > limits.braceNamesMax) return null;
    names.push(...expanded);
  }
  return names;
}

/** Whether there is a comma at any depth; only a backslash hides one. */
function hasComma(body: string): boolean {
  for (let at = 0; at < body.length; at += body[at] === '\\' ? 2 : 1) {
    if (body[at] === ',') return true;
  }
  return false;
}

function splitAlternatives(body: string): readonly string[] {
  const alternatives: string[] = [];
  let start = 0;
  for (let end = find(body, 0, ','); end !== -1; end = find(body, start, ',')) {
    alternatives.push(body.slice(start, end));
    start = end + 1;
  }
  return [...alternatives, body.slice(start)];
}

/** The first brace that opens an expression; a brace without an end, a comma or dots is ordinary text. */
function findBrace(text: string): { readonly open: number; readonly close: number } | null {
  for (let open = find(text, 0, '{'); open !== -1; open = find(text, open + 1, '{')) {
    const close = find(text, open + 1, '}');
    if (close !== -1) return { open, close };
  }
  return null;
}

/**
 * Where `wanted` stands outside of inner braces, from `start` on; -1 when nowhere. A closing brace counts only behind a
 * comma or a sequence's dots, so that `{a}b,c}` is one expression, as in bash; `${` opens a brace that is never
 * expanded.
 */
function find(text: string, start: number, wanted: '{' | '}' | ','): number {
  let depth = 0;
  let isExpression = wanted !== '}';
  for (let at = start; at < text.length; at += 1) {
    const character = text[at];
    if (character === '\\') {
      at += 1;
    } else if (character === '$' && text[at + 1] === '{') {
      depth += 1;
      at += 1;
    } else if (character === wanted && depth === 0 && isExpression) {
      if (wanted !== '{' || !isBareBrace(text, at)) return at;
    } else if (character === '{') {
      depth += 1;
    } else if (character === '}' && depth > 0) {
      depth -= 1;
    } else if (depth === 0 && (character === ',' || isDots(text, at))) {
      isExpression = true;
    }
  }
  return -1;
}

/**
 * Whether an opening brace stands alone or opens an empty pair at the start of a word: bash leaves `{}` and `{ ` alone.
 */
function isBareBrace(text: string, at: number): boolean {
  const isBlank = (character: string | undefined): boolean => character === undefined || ' \t\n'.includes(character);
  return isBlank(text[at - 1]) && (isBlank(text[at + 1]) || text[at + 1] === '}');
}

function isDots(text: string, at: number): boolean {
  return text.startsWith('..', at) && text[at + 2] !== '}';
}

/** A sequence such as `1..3`, `01..10`, `a..e` or `1..9..2`; other text stays, with its braces. */
function expandSequence(body: string): Names {
  const numbers = /^\s*([+-]?\d+)\.\.([+-]?\d+)(?:\.\.([+-]?\d+))?$/.exec(body);
  if (numbers?.slice(1).every((digits) => digits === undefined || fitsInteger(digits))) {
    return expandNumbers(numbers[1] ?? '', numbers[2] ?? '', numbers[3] ?? '1');
  }
  const letters = /^([A-Za-z])\.\.([A-Za-z])(?:\.\.([+-]?\d+))?$/.exec(body);
  if (letters !== null && fitsInteger(letters[3] ?? '1')) {
    const codes = countFrom(codeOf(letters[1]), codeOf(letters[2]), integerOf(letters[3] ?? '1'));
    return codes === null ? null : codes.map((code) => String.fromCharCode(Number(code)));
  }
  return [`{${body}}`];
}

function codeOf(letter: string | undefined): bigint {
  return BigInt(letter?.charCodeAt(0) ?? 0);
}

function integerOf(digits: string): bigint {
  return BigInt(digits.replace('+', ''));
}

/** bash counts in 64 bits and takes a sequence that does not fit as text. */
function fitsInteger(digits: string): boolean {
  const value = integerOf(digits);
  return BigInt.asIntN(64, value) === value;
}

/** Numbers, filled with zeros to the wider end when either end is written with a leading zero. */
function expandNumbers(first: string, last: string, step: string): Names {
  const numbers = countFrom(integerOf(first), integerOf(last), integerOf(step));
  if (numbers === null) return null;
  const isPadded = [first, last].some((end) => /^-?0./.test(end));
  const width = isPadded ? Math.max(first.length, last.length) : 0;
  const print = (number: bigint): string =>
    number < 0n ? `-${String(-number).padStart(width - 1, '0')}` : String(number).padStart(width, '0');
  return numbers.map(print);
}

/**
 * Counts from one end to the other, whatever the sign of the step; a step of 0 counts as 1. Null when there are too
 * many.
 */
function countFrom(first: bigint, last: bigint, step: bigint): readonly bigint[] | null {
  const size = step === 0n ? 1n : step < 0n ? -step : step;
  const distance = last > first ? last - first : first - last;
  const count = distance / size + 1n;
  if (count > BigInt(limits.braceNamesMax)) return null;
  return Array.from({ length: Number(count) }, (_, index) => first + (last > first ? size : -size) * BigInt(index));
}
