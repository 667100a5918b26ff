/**
 * Templates of `fleetctl render`: text with tags in double braces, filled with the service directory (docs/services.md).
 * Promises: pure; a template is checked whole before anything is rendered, and what is wrong is named with its line; what a tag
 * prints is never read for tags again.
 */
import { failure, success } from './failure.ts';
import type { Result } from './failure.ts';
import { limits } from './limits.ts';
import { nearest } from './spelling.ts';

/** What a template is filled with. */
export interface ServiceFacts {
  readonly name: string;
  readonly portName: string;
  readonly instances: readonly {
    readonly unit: string;
    readonly machine: string;
    readonly address: string;
    readonly port: number;
    readonly health: string;
  }[];
}

const serviceFields = ['name', 'portName'] as const;
const instanceFields = ['name', 'portName', 'unit', 'instance', 'machine', 'address', 'host', 'port', 'health'] as const;
type Field = (typeof instanceFields)[number];
type Item = Readonly<Partial<Record<Field, string>>>;

type Over =
  | { readonly kind: 'services' }
  | { readonly kind: 'instances' }
  | { readonly kind: 'service'; readonly name: string; readonly portName: string | null };

type Part =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'field'; readonly field: Field }
  /** Printed after every item but the last. */
  | { readonly kind: 'separator'; readonly text: string }
  | { readonly kind: 'range'; readonly over: Over; readonly each: readonly Part[]; readonly otherwise: readonly Part[] };

declare const templateBrand: unique symbol;
/** A template that was read and found right. */
export type Template = readonly Part[] & { readonly [templateBrand]: 'Template' };

/** Reads a template. Fails with TEMPLATE_INVALID, naming the line and the tag. */
export function parseTemplate(text: string): Result<Template> {
  if (Buffer.byteLength(text) > limits.templateBytesMax) return failure('TEMPLATE_INVALID', `larger than ${limits.templateBytesMax} bytes`);
  const reader: Reader = { pieces: cut(text), at: 0 };
  const parts = readParts(reader, []);
  if (!parts.ok) return parts;
  const rest = reader.pieces[reader.at];
  if (rest !== undefined) return wrong(rest, `{{${rest.text}}} without a {{range …}} before it`);
  return success(parts.value as Template);
}

/** A stretch of text, or the inside of a tag, with the line it begins in. */
interface Piece {
  readonly isTag: boolean;
  readonly text: string;
  readonly line: number;
}

const tagPattern = /\{\{((?:"(?:[^"\\\n]|\\.)*"|[^"}\n]|\}(?!\}))*)\}\}/g;
/** What may stand in a line of its own, which is then taken out whole. */
const standsAlone = /^\s*(?:range\b|else\s*$|end\s*$|#)/;

/** Cuts a text at its tags. A line that holds nothing but one range, else, end or comment is taken out. */
function cut(text: string): readonly Piece[] {
  const pieces: Piece[] = [];
  let from = 0;
  let line = 1;
  const pass = (upTo: number): string => {
    const passed = text.slice(from, upTo);
    line += passed.split('\n').length - 1;
    from = upTo;
    return passed;
  };
  for (const { index, 0: tag, 1: inside = '' } of text.matchAll(tagPattern)) {
    const around = standsAlone.test(inside) ? lineAround(text, index, index + tag.length) : null;
    const piece = { isTag: false, line, text: pass(around?.begin ?? index) };
    pass(index);
    pieces.push(piece, { isTag: true, line, text: inside.trim() });
    pass(around?.end ?? index + tag.length);
  }
  pieces.push({ isTag: false, line, text: pass(text.length) });
  return pieces.filter(({ isTag, text: piece }) => isTag || piece !== '');
}

/** Begin and end of the line that a tag has for itself; null when something else stands in it. */
function lineAround(text: string, tagBegin: number, tagEnd: number): { readonly begin: number; readonly end: number } | null {
  // lastIndexOf() would look at the first character when it is told to begin before it.
  const begin = tagBegin === 0 ? 0 : text.lastIndexOf('\n', tagBegin - 1) + 1;
  const lineFeed = text.indexOf('\n', tagEnd);
  const end = lineFeed === -1 ? text.length : lineFeed + 1;
  const isBlank = (part: string): boolean => part.trim() === '';
  return isBlank(text.slice(begin, tagBegin)) && isBlank(text.slice(tagEnd, end)) ? { begin, end } : null;
}

interface Reader {
  readonly pieces: readonly Piece[];
  at: number;
}

/** Reads up to an else or end, which is left for the caller. `inside` are the ranges around. */
function readParts(reader: Reader, inside: readonly Over['kind'][]): Result<readonly Part[]> {
  const parts: Part[] = [];
  for (;;) {
    const piece = reader.pieces[reader.at];
    if (piece === undefined || (piece.isTag && (piece.text === 'else' || piece.text === 'end'))) return success(parts);
    reader.at += 1;
    if (!piece.isTag) {
      const open = piece.text.indexOf('{{');
      if (open !== -1) {
        const line = piece.line + piece.text.slice(0, open).split('\n').length - 1;
        return wrong({ line }, 'a tag that begins with {{ has to end with }} in the same line; write {{"{{"}} for the braces themselves');
      }
      parts.push({ kind: 'text', text: piece.text });
      continue;
    }
    const part = readTag(reader, piece, inside);
    if (!part.ok) return part;
    if (part.value !== null) parts.push(part.value);
  }
}

function readTag(reader: Reader, piece: Piece, inside: readonly Over['kind'][]): Result<Part | null> {
  if (piece.text.startsWith('#')) return success(null);
  const words = wordsOf(piece);
  if (!words.ok) return words;
  const [first = { text: '', isQuoted: false }, ...rest] = words.value;
  if (first.isQuoted && rest.length === 0) return success({ kind: 'text', text: first.text });
  if (first.text === 'range') return readRange(reader, { piece, words: rest.map(({ text }) => text) }, inside);
  if (first.text === 'separator') return readSeparator(piece, rest, inside);
  const known: readonly string[] = inside.length === 0 ? [] : inside.at(-1) === 'services' ? serviceFields : instanceFields;
  if (rest.length === 0 && known.includes(first.text)) return success({ kind: 'field', field: first.text as Field });
  if (inside.length === 0 && instanceFields.some((field) => field === first.text)) {
    return wrong(piece, `{{${piece.text}}} stands for something of an instance; put it between {{range service NAME}} and {{end}}`);
  }
  const near = nearest(first.text, [...known, 'range', 'else', 'end', 'separator']);
  return wrong(piece, `there is no tag {{${piece.text}}}${near === null ? '' : `; did you mean {{${near}}}?`}`);
}

function readSeparator(piece: Piece, rest: readonly Word[], inside: readonly Over['kind'][]): Result<Part> {
  const [text, ...more] = rest;
  if (inside.length > 0 && text?.isQuoted === true && more.length === 0) return success({ kind: 'separator', text: text.text });
  return wrong(piece, 'write {{separator "TEXT"}} inside of a range: it is printed after every item but the last');
}

function readRange(
  reader: Reader, { piece, words }: { readonly piece: Piece; readonly words: readonly string[] }, inside: readonly Over['kind'][],
): Result<Part> {
  const over = readOver(words, inside);
  if (over === null) return wrong(piece, `{{${piece.text}}}: ${howToRange}`);
  if (inside.length === rangesDeepMax) return wrong(piece, `more than ${rangesDeepMax} ranges inside of each other`);
  const each = readParts(reader, [...inside, over.kind]);
  if (!each.ok) return each;
  const hasElse = reader.pieces[reader.at]?.text === 'else';
  if (hasElse) reader.at += 1;
  const otherwise = hasElse ? readParts(reader, inside) : success([]);
  if (!otherwise.ok) return otherwise;
  const end = reader.pieces[reader.at];
  if (end === undefined) return wrong(piece, `{{${piece.text}}} has no {{end}}`);
  if (end.text === 'else') return wrong(end, 'a second {{else}}');
  reader.at += 1;
  return success({ kind: 'range', over, each: each.value, otherwise: otherwise.value });
}

const rangesDeepMax = 8;
const howToRange = 'write {{range services}}, {{range instances}} inside of it, or {{range service NAME}} with or without the name of a port';

function readOver([what, name, portName, ...more]: readonly string[], inside: readonly Over['kind'][]): Over | null {
  if (more.length > 0) return null;
  if (what === 'services' && name === undefined) return { kind: 'services' };
  if (what === 'instances' && name === undefined && inside.at(-1) === 'services') return { kind: 'instances' };
  return what === 'service' && name !== undefined && name !== '' ? { kind: 'service', name, portName: portName ?? null } : null;
}

interface Word {
  readonly text: string;
  readonly isQuoted: boolean;
}

/** Words at blanks; in quotes a backslash makes the next character ordinary, and \n and \t stand for themselves. */
function wordsOf(piece: Piece): Result<readonly Word[]> {
  const words: Word[] = [];
  const word = /\s*(?:"((?:[^"\\]|\\.)*)"|([^\s"]+))(?=\s|$)/y;
  while (word.lastIndex < piece.text.length) {
    const match = word.exec(piece.text);
    if (match === null) return wrong(piece, `{{${piece.text}}}: quotes go around a whole word`);
    const [, quoted, plain = ''] = match;
    words.push({ text: quoted === undefined ? plain : unescape(quoted), isQuoted: quoted !== undefined });
  }
  return success(words);
}

const escapes: Readonly<Record<string, string>> = { n: '\n', t: '\t' };

function unescape(text: string): string {
  return text.replaceAll(/\\(.)/g, (_, character: string) => escapes[character] ?? character);
}

function wrong({ line }: Pick<Piece, 'line'>, message: string): ReturnType<typeof failure> {
  return failure('TEMPLATE_INVALID', `line ${line}: ${message}`);
}

/** Fills a template. A service that has no instance is an empty range. */
export function renderTemplate(template: Template, services: readonly ServiceFacts[]): string {
  return print(template, { services, service: null, item: {}, isLast: true });
}

interface Scope {
  readonly services: readonly ServiceFacts[];
  /** The service of the range around; null outside. */
  readonly service: ServiceFacts | null;
  readonly item: Item;
  readonly isLast: boolean;
}

function print(parts: readonly Part[], scope: Scope): string {
  return parts.map((part) => {
    switch (part.kind) {
      case 'text':
        return part.text;
      case 'field':
        return scope.item[part.field] ?? '';
      case 'separator':
        return scope.isLast ? '' : part.text;
      case 'range': {
        const items = itemsOf(part.over, scope);
        if (items.length === 0) return print(part.otherwise, scope);
        return items.map((each, index) => print(part.each, { ...scope, ...each, isLast: index === items.length - 1 })).join('');
      }
    }
  }).join('');
}

function itemsOf(over: Over, { services, service }: Scope): readonly Pick<Scope, 'service' | 'item'>[] {
  switch (over.kind) {
    case 'services':
      return services.map((each) => ({ service: each, item: { name: each.name, portName: each.portName } }));
    case 'instances':
      return service === null ? [] : instancesOf(service);
    case 'service':
      return services.filter(({ name, portName }) => name === over.name && (over.portName === null || portName === over.portName))
        .flatMap(instancesOf);
  }
}

function instancesOf(service: ServiceFacts): readonly Pick<Scope, 'service' | 'item'>[] {
  const { name, portName } = service;
  return service.instances.map(({ unit, machine, address, port, health }) => ({
    service, item: {
      name, portName, unit, machine, address, health, port: String(port),
      instance: /@(.*)\.[^.]*$/.exec(unit)?.[1] ?? '',
      // An IPv6 address stands in brackets before a port (RFC 3986 section 3.2.2).
      host: address.includes(':') ? `[${address}]` : address,
    },
  }));
}
