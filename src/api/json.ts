/**
 * JSON from outside, and JSON to outside.
 * Promises: a text that is not JSON is a failure whose message is one line, whatever the text.
 */
import { failure, success, type Result } from '../core/failure.ts';

const problemCharactersMax = 200;

/** Reads one JSON value; nothing may follow it. */
export function parseJson(text: string): Result<unknown> {
  if (text.trim() === '') return failure('REQUEST_INVALID', 'the body is empty, should be JSON');
  try {
    return success(JSON.parse(text));
  } catch (error) {
    return failure('REQUEST_INVALID', `the body is not JSON: ${oneLine((error as Error).message)}`);
  }
}

/** A text of any origin as part of one line: control characters escaped, cut when long. */
export function oneLine(text: string): string {
  const escaped = JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"');
  return escaped.length > problemCharactersMax ? `${escaped.slice(0, problemCharactersMax)}...` : escaped;
}

const shownCharacters = 60;

/**
 * A value from outside as part of one line; of lists and objects only their kind, because printing deep ones overflows
 * the stack.
 */
export function shown(value: unknown): string {
  if (typeof value === 'object' || value === undefined) return kindOf(value);
  const text = JSON.stringify(value);
  return text.length > shownCharacters ? `${text.slice(0, shownCharacters)}...` : text;
}

/** What kind of JSON value it is, with its article. */
export function kindOf(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
