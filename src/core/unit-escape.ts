/**
 * Escaping text and file system paths into unit names and back: the rules of systemd-escape(1).
 * Promises: unescapeUnitText(escapeUnitText(x)) is x; the same for absolute paths in their shortest form.
 */
import { failure, success } from './failure.ts';
import type { Result } from './failure.ts';

/** Bytes that stand for themselves: systemd's VALID_CHARS without "-" (it stands for "/") and the backslash. */
const plainByte = /^[A-Za-z0-9:_.]$/;

/** Text as one part of a unit name: "/" becomes "-", other bytes that a name cannot hold become `\xNN`. */
export function escapeUnitText(text: string): string {
  let escaped = '';
  for (const byte of new TextEncoder().encode(text)) {
    const character = String.fromCharCode(byte);
    if (character === '/') escaped += '-';
    else if (plainByte.test(character) && !(character === '.' && escaped === '')) escaped += character;
    else escaped += String.raw`\x${byte.toString(16).padStart(2, '0')}`;
  }
  return escaped;
}

/**
 * The text that an escaped part of a unit name stands for. Fails on a malformed escape and on bytes that are not UTF-8.
 */
export function unescapeUnitText(escaped: string): Result<string> {
  const encoder = new TextEncoder();
  const bytes: number[] = [];
  // The cut keeps escapes whole; everything between them stands for itself, except "-".
  for (const part of escaped.split(/(\\(?:x[0-9a-fA-F]{2})?)/u)) {
    if (!part.startsWith('\\')) {
      for (const byte of encoder.encode(part.replaceAll('-', '/'))) bytes.push(byte);
      continue;
    }
    const byte = Number.parseInt(part.slice(2), 16);
    if (part.length === 1 || byte === 0) {
      return failure('UNIT_NAME_INVALID', `"${escaped}" has a backslash that starts no escape such as \\x2d`);
    }
    bytes.push(byte);
  }
  try {
    return success(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(bytes)));
  } catch {
    return failure('UNIT_NAME_INVALID', `"${escaped}" stands for bytes that are not UTF-8`);
  }
}

/**
 * An absolute path as a unit name part: repeated slashes and "." parts go, "/" itself is "-". Fails on relative paths
 * and "..".
 */
export function escapeUnitPath(path: string): Result<string> {
  if (!path.startsWith('/')) return failure('UNIT_NAME_INVALID', `"${path}" is not an absolute path`);
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) return failure('UNIT_NAME_INVALID', `the path "${path}" must not contain ".."`);
  return success(parts.length === 0 ? '-' : escapeUnitText(parts.join('/')));
}

/**
 * The absolute path that an escaped part stands for. Fails when it stands for a path that escapeUnitPath would not
 * make.
 */
export function unescapeUnitPath(escaped: string): Result<string> {
  if (escaped === '-') return success('/');
  const text = unescapeUnitText(escaped);
  if (!text.ok) return text;
  const isNormal = text.value.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
  if (!isNormal) return failure('UNIT_NAME_INVALID', `"${escaped}" does not stand for a path in its shortest form`);
  return success(`/${text.value}`);
}
