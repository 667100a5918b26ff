/**
 * The journal that a keeper writes for its unit, read as journalctl(1) would show it.
 * Promises: lines are never torn; following misses nothing when the file is rotated, unless a reader is so slow that what it
 * has not read yet is rotated away; memory stays bounded.
 */
import { watch } from 'node:fs';
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { createBell } from '../../lib/wakeups.ts';

/** Bytes read at once. */
const CHUNK_BYTES = 65_536;

/** One line of a journal. */
export interface JournalEntry {
  /** Microseconds since the epoch. */
  readonly atUs: bigint;
  readonly pid: string;
  readonly priority: string;
  readonly identifier: string;
  readonly message: string;
}

/** A line as native/keeper/journal.h describes it; null when it is none. */
export function parseJournalLine(line: string): JournalEntry | null {
  const [, at = '', pid = '', priority = '', identifier = '', message = ''] = /^(\d+)\t(\d+)\t(\d)\t([^\t]*)\t(.*)$/s.exec(line) ?? [];
  return at === '' ? null : { atUs: BigInt(at), pid, priority, identifier, message };
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const two = (number: number): string => String(number).padStart(2, '0');

function clockTime(date: Date): string {
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

function isoTime(date: Date): string {
  const offset = -date.getTimezoneOffset();
  const zone = `${offset < 0 ? '-' : '+'}${two(Math.floor(Math.abs(offset) / 60))}${two(Math.abs(offset) % 60)}`;
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}T${clockTime(date)}${zone}`;
}

type Stamp = (date: Date, atUs: bigint) => string;

const shortStamp: Stamp = (date) => `${months[date.getMonth()] ?? ''} ${two(date.getDate())} ${clockTime(date)}`;
const micros = (atUs: bigint): string => String(atUs % 1_000_000n).padStart(6, '0');

/** How each of journalctl's short outputs writes the time. */
const stamps: Readonly<Record<string, Stamp>> = {
  short: shortStamp,
  'short-iso': isoTime,
  'short-precise': (date, atUs) => `${shortStamp(date, atUs)}.${micros(atUs)}`,
  'short-iso-precise': (date, atUs) => isoTime(date).replace(/(?=[+-]\d{4}$)/, `.${micros(atUs)}`),
  'short-unix': (_, atUs) => `${String(atUs / 1_000_000n)}.${micros(atUs)}`,
};

/** Outputs of journalctl that the supervisor's journal has, too. */
export const journalOutputs: readonly string[] = [...Object.keys(stamps), 'cat', 'json'];

/** One entry as text, its line end included. */
export function formatEntry(entry: JournalEntry, output: string, names: { readonly hostname: string; readonly unit: string }): string {
  if (output === 'cat') return `${entry.message}\n`;
  if (output === 'json') {
    return `${JSON.stringify({
      __REALTIME_TIMESTAMP: String(entry.atUs), _HOSTNAME: names.hostname, UNIT: names.unit, SYSLOG_IDENTIFIER: entry.identifier,
      _PID: entry.pid, PRIORITY: entry.priority, MESSAGE: entry.message,
    })}\n`;
  }
  const stamp = stamps[output] ?? shortStamp;
  const date = new Date(Number(entry.atUs / 1_000n));
  return `${stamp(date, entry.atUs)} ${names.hostname} ${entry.identifier}[${entry.pid}]: ${entry.message}\n`;
}

/** How far a journal was read: in which file, up to where. */
export interface JournalPosition {
  readonly inode: number;
  readonly bytes: number;
}

const nowhere: JournalPosition = { inode: 0, bytes: 0 };

/** The last `count` lines, and where the next ones will stand. */
export async function readLastLines(directory: string, count: number): Promise<{ readonly lines: readonly string[]; readonly end: JournalPosition }> {
  const current = await readTail(join(directory, 'journal'), count);
  const missing = count - current.lines.length;
  const older = missing > 0 ? await readTail(join(directory, 'journal.1'), missing) : { lines: [] };
  return { lines: [...older.lines, ...current.lines], end: current.end };
}

async function readTail(path: string, count: number): Promise<{ readonly lines: readonly string[]; readonly end: JournalPosition }> {
  const handle = await open(path, 'r').catch(absent);
  if (handle === null) return { lines: [], end: nowhere };
  try {
    const { size, ino } = await handle.stat();
    const chunks: Buffer[] = [];
    let start = size;
    let newlines = 0;
    while (start > 0 && newlines <= count) {
      const length = Math.min(CHUNK_BYTES, start);
      start -= length;
      const chunk = await readBytes(handle, start, length);
      newlines += countNewlines(chunk);
      chunks.unshift(chunk);
    }
    const tail = Buffer.concat(chunks);
    // What was being written when it was read comes with the next look.
    const whole = tail.subarray(0, tail.lastIndexOf(newline) + 1);
    const lines = whole.toString('utf8').split('\n').slice(0, -1);
    return { lines: count === 0 ? [] : lines.slice(-count), end: { inode: ino, bytes: start + whole.length } };
  } finally {
    await handle.close();
  }
}

const newline = 0x0a;

function countNewlines(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(newline); at !== -1; at = bytes.indexOf(newline, at + 1)) count += 1;
  return count;
}

async function readBytes(handle: FileHandle, start: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await handle.read(buffer, 0, length, start);
  return buffer.subarray(0, bytesRead);
}

function absent(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT') return null;
  throw error;
}

/** Lines written after `from`, some at a time, until the signal is aborted or the unit is unloaded. */
export async function* followLines(directory: string, from: JournalPosition, signal: AbortSignal): AsyncGenerator<readonly string[]> {
  const bell = createBell();
  const watcher = watch(directory, { persistent: false }, () => bell.wake());
  watcher.on('error', () => bell.wake());
  try {
    let position = from;
    for (;;) {
      const next = await readNext(directory, position);
      if (next === null) return;
      position = next.end;
      if (next.lines.length > 0) yield next.lines;
      else await bell.wait(signal);
      signal.throwIfAborted();
    }
  } finally {
    watcher.close();
  }
}

interface NextLines {
  readonly lines: readonly string[];
  readonly end: JournalPosition;
}

/** The next lines after `position`, at most one chunk; null when the unit's directory is gone. */
async function readNext(directory: string, position: JournalPosition): Promise<NextLines | null> {
  const present = await open(directory, 'r').catch(absent);
  if (present === null) return null;
  await present.close();
  const current = await open(join(directory, 'journal'), 'r').catch(absent);
  if (current === null) return { lines: [], end: position };
  try {
    const { ino } = await current.stat();
    if (ino === position.inode || position.inode === 0) return await readWhole(current, { inode: ino, bytes: position.bytes });
    const rest = await readRotated(directory, position);
    return rest.lines.length > 0 ? rest : await readWhole(current, { inode: ino, bytes: 0 });
  } finally {
    await current.close();
  }
}

/** What comes before the newest file: the rest of the older one, or all of it when the file that was being read is gone. */
async function readRotated(directory: string, position: JournalPosition): Promise<NextLines> {
  const older = await open(join(directory, 'journal.1'), 'r').catch(absent);
  if (older === null) return { lines: [], end: position };
  try {
    const { ino } = await older.stat();
    return await readWhole(older, ino === position.inode ? position : { inode: ino, bytes: 0 });
  } finally {
    await older.close();
  }
}

async function readWhole(handle: FileHandle, { inode, bytes }: JournalPosition): Promise<NextLines> {
  const chunk = await readBytes(handle, bytes, CHUNK_BYTES);
  const length = chunk.lastIndexOf(newline) + 1;
  const lines = chunk.subarray(0, length).toString('utf8').split('\n').slice(0, -1);
  return { lines, end: { inode, bytes: bytes + length } };
}
