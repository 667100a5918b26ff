/**
 * Unit files as systemd.syntax(7) has them: text to options and back.
 * Promises: no text makes the parser throw; printing and parsing again gives the same options; the printed text and its
 * hash are those of fleet 1.0. Where fleet 1.0 and systemd read a line differently (line ends, comments between
 * continued lines, doubled backslashes), systemd is followed, because systemd runs the unit.
 */
import { failure, success } from './failure.ts';
import type { Result } from './failure.ts';
import { limits } from './limits.ts';

/**
 * One `Key=Value` line (continuation lines joined as the original keeps them). `line` counts from 1; 0 when made from
 * an API request.
 */
export interface UnitOption {
  readonly section: string;
  readonly name: string;
  /**
   * Without blanks around it; a continued value keeps its backslashes and line ends. {@link joinedValue} is what
   * systemd reads.
   */
  readonly value: string;
  readonly line: number;
}

/** A parsed unit file: its options in the order written. */
export interface UnitFile {
  readonly options: readonly UnitOption[];
}

/** Reads a unit file. Failures name line, column and the offending text: `line 3, column 5: ...`. */
export function parseUnitFile(text: string): Result<UnitFile> {
  if (isTooLarge(text)) return tooLarge;
  const lines = splitLines(text.startsWith(byteOrderMark) ? text.slice(1) : text);
  const options: UnitOption[] = [];
  let section: string | null = null;
  for (let index = 0; index < lines.length; ) {
    const line = lines[index] ?? '';
    const why = whyUnreadable(line);
    if (why !== null) return invalid(index + 1, why);
    const content = trimBlanks(line);
    if (content === '' || isComment(content)) {
      index += 1;
    } else if (content.startsWith('[')) {
      const header = readHeader(line);
      if (typeof header !== 'string') return invalid(index + 1, header);
      section = header;
      index += 1;
    } else {
      const assignment = readAssignment(line, section);
      if (!('name' in assignment)) return invalid(index + 1, assignment);
      const continued = readContinued(assignment.value, lines, index);
      if (!continued.ok) return continued;
      options.push({ ...assignment, value: continued.value.value, line: index + 1 });
      index = continued.value.next;
    }
  }
  return success({ options });
}

/** Bytes of a unit file as text. Fails on bytes that are not UTF-8, naming their line. */
export function decodeUnitText(bytes: Uint8Array): Result<string> {
  const decode = (part: Uint8Array): string => new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(part);
  const readable = (part: Uint8Array): boolean => {
    try {
      decode(part);
      return true;
    } catch {
      return false;
    }
  };
  if (bytes.length > limits.unitFileBytesMax) return tooLarge;
  if (readable(bytes)) return success(decode(bytes));
  let line = 1;
  for (let start = 0; start < bytes.length; line += 1) {
    const newline = bytes.indexOf(lineFeed, start);
    const end = newline === -1 ? bytes.length : newline + 1;
    if (!readable(bytes.subarray(start, end))) break;
    start = end;
  }
  return failure('UNIT_FILE_INVALID', `line ${line}: bytes that are not UTF-8; save the file as UTF-8`);
}

/** An option as an API request writes it. */
export interface GivenOption {
  readonly section: string;
  readonly name: string;
  readonly value: string;
}

/**
 * The unit file an API v1 request describes, its values brought into the form a parsed file has. Fails when an option
 * would not read back as itself, such as a name with "=" or a value with a line end that would start another option.
 */
export function unitFileFromOptions(options: readonly GivenOption[]): Result<UnitFile> {
  for (const option of options) {
    const why = whyNoOption(option);
    if (why !== null) return failure('UNIT_FILE_INVALID', `${describe(option)}: ${why}`);
  }
  const tidied = options.map((option) => ({ ...option, value: closeContinuation(trimBlanks(option.value)), line: 0 }));
  const given = groupBySection(tidied);
  const parsed = parseUnitFile(printUnitFile({ options: given }));
  if (!parsed.ok) return parsed;
  const read = parsed.value.options;
  const swallowed = given.find((option, index) => !isSameKey(option, read[index]));
  if (swallowed !== undefined) {
    return failure('UNIT_FILE_INVALID', `${describe(swallowed)}: the value before it continues over it`);
  }
  return success({ options: read.map((option) => ({ ...option, line: 0 })) });
}

function isSameKey(left: GivenOption, right: GivenOption | undefined): boolean {
  return left.section === right?.section && left.name === right.name;
}

function describe({ section, name }: GivenOption): string {
  return `option ${quote(name)} of section ${quote(section)}`;
}

/** What keeps an option from standing in a unit file as one line; null when nothing does. */
function whyNoOption({ section, name, value }: GivenOption): string | null {
  if (section === '' || /[[\]\r\n]/.test(section)) return 'a section name is not empty, without brackets and line ends';
  if (name === '' || name !== trimBlanks(name) || /^[#;[]|[=\r\n]/.test(name)) {
    return 'a key is not empty, starts with none of "#;[" and has no "=", outer blanks or line ends';
  }
  if (hasOpenLineEnd(trimBlanks(value))) return 'its value has a line end without a backslash before it';
  return whyUnreadable(section + name + value)?.why ?? null;
}

/**
 * Canonical text: what `cat` prints and the hash is made of. fleet 1.0: comments and blank lines go, sections come in
 * order of first appearance with a blank line between them, continued lines stay.
 */
export function printUnitFile(file: UnitFile): string {
  let text = '';
  let section: string | null = null;
  for (const option of groupBySection(file.options)) {
    if (option.section !== section) text += `${section === null ? '' : '\n'}[${option.section}]\n`;
    section = option.section;
    text += `${option.name}=${option.value}\n`;
  }
  return text;
}

/** A value as systemd reads it: a backslash before a line end, and the line end, are one blank. */
export function joinedValue(value: string): string {
  return trimBlanks(value.replaceAll('\\\n', ' '));
}

/** Every value of an option in the order written, as systemd reads them, empty assignments included. */
export function values(file: UnitFile, section: string, name: string): readonly string[] {
  const chosen = file.options.filter((option) => option.section === section && option.name === name);
  return chosen.map((option) => joinedValue(option.value));
}

/** The values of a list option: an empty assignment forgets what stood before it (systemd.syntax(7)). */
export function allValues(file: UnitFile, section: string, name: string): readonly string[] {
  const written = values(file, section, name);
  return written.slice(written.lastIndexOf('') + 1);
}

/** The value of an option that takes one: the last assignment wins; null when there is none or it is empty. */
export function lastValue(file: UnitFile, section: string, name: string): string | null {
  return allValues(file, section, name).at(-1) ?? null;
}

const byteOrderMark = '\uFEFF';
const lineFeed = 0x0a;
const excerptCharacters = 60;
const tooLarge = failure('UNIT_FILE_TOO_LARGE', `the unit file is larger than ${limits.unitFileBytesMax} bytes`);

/** What is wrong with a line, and where (columns count characters from 1). */
interface LineError {
  readonly column: number;
  readonly why: string;
}

function invalid(line: number, { column, why }: LineError): Result<never> {
  return failure('UNIT_FILE_INVALID', `line ${line}, column ${column}: ${why}`);
}

function quote(text: string): string {
  return JSON.stringify(text.length > excerptCharacters ? `${text.slice(0, excerptCharacters)}...` : text);
}

/** UTF-8 takes one to three bytes for each UTF-16 unit, so most texts need not be encoded to know. */
function isTooLarge(text: string): boolean {
  if (text.length > limits.unitFileBytesMax) return true;
  return text.length * 3 > limits.unitFileBytesMax && new TextEncoder().encode(text).length > limits.unitFileBytesMax;
}

/** systemd ends a line at LF, CR, or one of each in either order. */
function splitLines(text: string): readonly string[] {
  return text.split(/\r\n|\n\r|\n|\r/);
}

/** Removes blanks on both sides; a regular expression for this takes quadratic time on hostile text. */
function trimBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text.charAt(start))) start += 1;
  while (end > start && isBlank(text.charAt(end - 1))) end -= 1;
  return text.slice(start, end);
}

function isBlank(character: string): boolean {
  return character === ' ' || character === '\t' || character === '\n' || character === '\r';
}

function isComment(content: string): boolean {
  return content.startsWith('#') || content.startsWith(';');
}

function columnOf(line: string, content: string): number {
  return line.indexOf(content) + 1;
}

function whyUnreadable(line: string): LineError | null {
  const zero = line.indexOf('\0');
  if (zero !== -1) return { column: zero + 1, why: 'a zero byte; a unit file is text' };
  if (line.isWellFormed()) return null;
  return { column: line.search(/\p{Surrogate}/u) + 1, why: 'half a character; save the file as UTF-8' };
}

/** The section name of a header line. */
function readHeader(line: string): string | LineError {
  const content = trimBlanks(line);
  const column = columnOf(line, content);
  const end = content.indexOf(']');
  if (end === -1) return { column, why: `${quote(content)} has no closing "]"` };
  const rest = content.slice(end + 1);
  if (rest !== '') return { column: column + end + 1, why: `${quote(rest)} after a section header` };
  const name = content.slice(1, end);
  if (name === '' || name.includes('[')) return { column, why: `${quote(content)} is no section header` };
  return name;
}

/** Name and first line of the value of an assignment. */
function readAssignment(line: string, section: string | null): GivenOption | LineError {
  const content = trimBlanks(line);
  const column = columnOf(line, content);
  if (section === null) {
    return { column, why: `${quote(content)} stands before the first section; start with a header such as [Unit]` };
  }
  const equals = content.indexOf('=');
  if (equals === -1) return { column, why: `${quote(content)} is not an assignment; write Key=Value` };
  const name = trimBlanks(content.slice(0, equals));
  if (name === '') return { column, why: `${quote(content)} has no key before the "="` };
  return { section, name, value: line.slice(line.indexOf('=') + 1) };
}

/** A whole value and the index of the line behind it. */
interface Continued {
  readonly value: string;
  readonly next: number;
}

/** Whether a line ends in a backslash that no other backslash makes ordinary. */
function isContinued(line: string): boolean {
  let backslashes = 0;
  while (backslashes < line.length && line.charAt(line.length - 1 - backslashes) === '\\') backslashes += 1;
  return backslashes % 2 === 1;
}

/**
 * Collects a value over its continued lines: comments between them are dropped, a blank line ends it. `next` is the
 * index behind it.
 */
function readContinued(first: string, lines: readonly string[], start: number): Result<Continued> {
  const pieces = [first];
  let next = start + 1;
  let isOpen = isContinued(first);
  for (; isOpen && next < lines.length; next += 1) {
    const line = lines[next] ?? '';
    const why = whyUnreadable(line);
    if (why !== null) return invalid(next + 1, why);
    const content = trimBlanks(line);
    if (content === '') break;
    if (isComment(content)) continue;
    pieces.push(line);
    isOpen = isContinued(line);
  }
  return success({ value: closeContinuation(trimBlanks(pieces.join('\n'))), next });
}

/**
 * A value that ends in an open continuation keeps the line end behind it (fleet 1.0), so that nothing printed after it
 * belongs to it.
 */
function closeContinuation(value: string): string {
  return isContinued(value) ? `${value}\n` : value;
}

/** Whether a value holds a line end that does not continue it. */
function hasOpenLineEnd(value: string): boolean {
  return value.split(/[\r\n]/).slice(0, -1).some((line) => !isContinued(line));
}

/** Options ordered by the first appearance of their section, stable within it. */
function groupBySection(options: readonly UnitOption[]): readonly UnitOption[] {
  return [...Map.groupBy(options, (option) => option.section).values()].flat();
}
