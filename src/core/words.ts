/**
 * Words of an option's value: systemd's splitting with quotes and C escapes (systemd.syntax(7) "QUOTING",
 * systemd.service(5)).
 * Promises: one pass over the text; an open quote is a failure that names it; an escape nobody knows stays as written,
 * as systemd leaves it in command lines (`sed s/\./-/`).
 */
import { failure, success } from './failure.ts';
import type { Result } from './failure.ts';

/** Escapes of one letter (systemd.syntax(7), table 1). */
const letterEscapes: Readonly<Record<string, string>> = {
  a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v', '\\': '\\', '"': '"', "'": "'", s: ' ',
};

/** Numeric escapes: how they look after the backslash, their base, and whether they are a byte or a code point. */
const numericEscapes = [
  { form: /^x([0-9a-fA-F]{2})/, base: 16, isByte: true },
  { form: /^([0-7]{3})/, base: 8, isByte: true },
  { form: /^u([0-9a-fA-F]{4})/, base: 16, isByte: false },
  { form: /^U([0-9a-fA-F]{8})/, base: 16, isByte: false },
] as const;

const lastCodePoint = 0x10ffff;

/** What an escape stands for, and how many characters it takes after the backslash. */
interface Escape {
  readonly bytes: readonly number[];
  readonly length: number;
}

/**
 * Splits a value into words at blanks. Quotes of either kind keep blanks and are removed wherever they stand; escapes
 * are expanded inside and outside quotes, or stay as they are with `keep` ([X-Fleet]: unit names and globs hold
 * backslashes). Fails with UNIT_OPTION_INVALID, naming the text where it went wrong.
 */
export function splitQuoted(text: string, escapes: 'expand' | 'keep' = 'expand'): Result<readonly string[]> {
  const words: string[] = [];
  let at = skipBlanks(text, 0);
  while (at < text.length) {
    const word = readWord(text, at, escapes);
    if (!word.ok) return word;
    words.push(word.value.word);
    at = skipBlanks(text, word.value.end);
  }
  return success(words);
}

function isBlank(character: string): boolean {
  return character === ' ' || character === '\t' || character === '\n' || character === '\r';
}

function skipBlanks(text: string, start: number): number {
  let at = start;
  while (at < text.length && isBlank(text.charAt(at))) at += 1;
  return at;
}

/** A word and the index behind it. */
interface ReadWord {
  readonly word: string;
  readonly end: number;
}

/** Reads one word, as bytes because `\xNN` escapes may spell one character in several bytes. */
function readWord(text: string, start: number, escapes: 'expand' | 'keep'): Result<ReadWord> {
  const pieces: (string | readonly number[])[] = [];
  let quote = '';
  let at = start;
  while (at < text.length) {
    const character = text.charAt(at);
    if (character === '\\' && escapes === 'expand') {
      const escape = readEscape(text.slice(at + 1, at + 1 + longestEscape));
      pieces.push(escape === null ? text.slice(at, at + 2) : escape.bytes);
      at += escape === null ? 2 : 1 + escape.length;
      continue;
    }
    if (quote === '' && isBlank(character)) break;
    if (quote === '' && (character === '"' || character === "'")) quote = character;
    else if (character === quote) quote = '';
    else pieces.push(character);
    at += 1;
  }
  if (quote !== '') {
    return failure('UNIT_OPTION_INVALID', `the quote in ${excerpt(text, start)} is not closed; add ${quote}`);
  }
  const word = joinPieces(pieces);
  if (word === null) {
    return failure('UNIT_OPTION_INVALID', `the escapes in ${excerpt(text, start)} do not make UTF-8 text`);
  }
  return success({ word, end: at });
}

/** Characters the longest escape takes after its backslash: `U` and eight digits. */
const longestEscape = 9;

function readEscape(text: string): Escape | null {
  const letter = letterEscapes[text.charAt(0)];
  if (letter !== undefined) return { bytes: [letter.charCodeAt(0)], length: 1 };
  for (const { form, base, isByte } of numericEscapes) {
    const digits = form.exec(text);
    if (digits === null) continue;
    const code = Number.parseInt(digits[1] ?? '', base);
    const isSurrogate = code >= 0xd800 && code <= 0xdfff;
    if (code === 0 || code > (isByte ? 0xff : lastCodePoint) || (!isByte && isSurrogate)) return null;
    const bytes = isByte ? [code] : [...new TextEncoder().encode(String.fromCodePoint(code))];
    return { bytes, length: digits[0].length };
  }
  return null;
}

/** Text and escaped bytes as one string; null when the bytes are not UTF-8. */
function joinPieces(pieces: readonly (string | readonly number[])[]): string | null {
  if (pieces.every((piece) => typeof piece === 'string')) return pieces.join('');
  const bytes: number[] = [];
  let plain = '';
  const encoder = new TextEncoder();
  const flush = (): void => {
    for (const byte of encoder.encode(plain)) bytes.push(byte);
    plain = '';
  };
  for (const piece of pieces) {
    if (typeof piece === 'string') {
      plain += piece;
    } else {
      flush();
      bytes.push(...piece);
    }
  }
  flush();
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(bytes));
  } catch {
    return null;
  }
}

/** Characters of the offending text a message quotes. */
const excerptCharacters = 40;

function excerpt(text: string, start: number): string {
  const rest = text.slice(start, start + excerptCharacters);
  return start + excerptCharacters < text.length ? `${rest}...` : rest;
}
