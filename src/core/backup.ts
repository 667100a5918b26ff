/**
 * A backup of a cluster as text: a line that says what it is, a line for every entry, a line that seals it.
 * Promises: what a writer has sealed a reader takes, whole; a backup that is cut off, changed, or of a newer format is refused with one
 * line that says which; no more than a line is held in memory. docs/design/backup.md has the format.
 */
import { createHash } from 'node:crypto';
import { failure, success } from './failure.ts';
import type { Result } from './failure.ts';

/** The format this version writes, and the newest it reads. */
const backupFormat = 1;

/** Characters of one line: an entry of the largest value that a store takes, every character of it escaped. */
export const backupLineCharactersMax = 9_000_000;

/** The first line. */
export interface BackupHeader {
  readonly fleetBackup: number;
  /** Version of the fleet that wrote it. */
  readonly version: string;
  readonly createdAtMs: number;
  /** The revision all entries are of. */
  readonly revision: number;
  /** What fencing tokens had grown by before: a restore makes them grow on (design/backup.md). */
  readonly tokenBase: number;
  readonly store: string;
}

/** One thing that is kept. */
export interface BackupEntry {
  readonly key: string;
  readonly value: string;
}

/** The last line: what stands before it. */
interface BackupSeal {
  readonly entries: number;
  /** SHA-256 of all bytes before this line, in hexadecimal. */
  readonly sha256: string;
}

/** Makes the lines of a backup, each with its line end: header, entries, seal. */
export interface BackupWriter {
  header(header: Omit<BackupHeader, 'fleetBackup'>): string;
  entry(entry: BackupEntry): string;
  seal(): string;
}

export function createBackupWriter(): BackupWriter {
  const hash = createHash('sha256');
  let entries = 0;
  const line = (value: BackupHeader | BackupEntry): string => {
    const text = `${JSON.stringify(value)}\n`;
    hash.update(text);
    return text;
  };
  return {
    header: (header) => line({ fleetBackup: backupFormat, ...header }),
    entry({ key, value }): string {
      entries += 1;
      return line({ key, value });
    },
    seal: () => `${JSON.stringify({ entries, sha256: hash.digest('hex') } satisfies BackupSeal)}\n`,
  };
}

/** What a line turned out to be. */
export type BackupLine =
  | { readonly kind: 'header'; readonly header: BackupHeader }
  | { readonly kind: 'entry'; readonly entry: BackupEntry }
  | { readonly kind: 'seal'; readonly entries: number };

/** Reads the lines of a backup one after the other. */
export interface BackupReader {
  /** Takes the next line, without its line end. */
  take(line: string): Result<BackupLine>;
  /** Whether the backup has been read to its seal. */
  end(): Result<void>;
}

export function createBackupReader(): BackupReader {
  const hash = createHash('sha256');
  let lines = 0;
  let isSealed = false;
  return {
    take(line): Result<BackupLine> {
      if (isSealed) return broken('something stands behind its last line');
      lines += 1;
      const value = parseLine(line);
      if (lines === 1) {
        hash.update(`${line}\n`);
        return readHeader(value);
      }
      if (value !== null && typeof value['key'] === 'string' && typeof value['value'] === 'string') {
        hash.update(`${line}\n`);
        return success({ kind: 'entry', entry: { key: value['key'], value: value['value'] } });
      }
      if (value === null || typeof value['sha256'] !== 'string') return broken(`line ${String(lines)} is no entry`);
      const entries = lines - 2;
      if (value['entries'] !== entries || value['sha256'] !== hash.digest('hex')) {
        return broken('its checksum does not fit: it was changed or damaged');
      }
      isSealed = true;
      return success({ kind: 'seal', entries });
    },
    end(): Result<void> {
      if (isSealed) return success(undefined);
      return lines === 0 ? broken('it is empty') : broken(`it ends after ${String(lines)} lines without the last one: it was cut off`);
    },
  };
}

function broken(why: string): ReturnType<typeof failure> {
  return failure('BACKUP_INVALID', `this is no whole backup of a fleet: ${why}`);
}

function readHeader(value: Readonly<Record<string, unknown>> | null): Result<BackupLine> {
  const format = value?.['fleetBackup'];
  if (value === null || typeof format !== 'number') return broken('its first line is not that of a backup');
  const version = textOf(value['version']);
  if (format > backupFormat) {
    return failure('BACKUP_INVALID',
      `this backup was written by a newer fleet (${version}, format ${String(format)}; this one reads ${String(backupFormat)}): update this fleet first`);
  }
  return success({
    kind: 'header', header: {
      fleetBackup: format, version, createdAtMs: wholeOf(value['createdAtMs']), revision: wholeOf(value['revision']),
      tokenBase: wholeOf(value['tokenBase']), store: textOf(value['store']),
    },
  });
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
const wholeOf = (value: unknown): number => (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : 0);

function parseLine(line: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? value as Readonly<Record<string, unknown>> : null;
  } catch {
    return null;
  }
}
