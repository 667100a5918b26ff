/**
 * The SQLite file of the embedded store; runs in the worker, because every commit waits for the disk.
 *
 * Promises: a write is on disk when write() returns, whole or not at all; no other process can open the same store;
 * every failure is told as one sentence that names the file.
 *
 * Choices that durability rests on:
 * - journal_mode=WAL and synchronous=FULL: each transaction is appended to `FILE-wal` and synced before write() returns; before a
 *   checkpoint copies pages into FILE the log is synced, before the log is begun anew FILE is synced. So FILE together with any
 *   prefix of `FILE-wal` that holds the last acknowledged transaction is a whole store with everything acknowledged: each frame
 *   carries a salted checksum over all before it, and reading stops at the last complete transaction.
 * - wal_autocheckpoint (SQLite's default of 1000 pages, about 4 MB): the log stays small.
 * - `FILE-lock`, an empty SQLite file on which an exclusive transaction is held open, keeps other processes out; the kernel
 *   drops it when the process dies, however it dies. FILE itself stays readable: `sqlite3 FILE 'select * from entries'`.
 */
import { closeSync, fsyncSync, mkdirSync, openSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { StatementSync } from 'node:sqlite';
import type { LeaseRow, LedgerContents, LedgerDelta } from '../ledger.ts';
import type { Revision, StoreEntry } from '../store.ts';

export interface DatabaseOptions {
  readonly file: string;
  /** How large the file may grow. */
  readonly bytesMax: number;
  /** Pages the log may have before they are copied into the file; 1000, SQLite's default, when left out. */
  readonly checkpointPages?: number;
}

export type DatabaseWrite = Pick<LedgerDelta, 'revision' | 'lastLease' | 'entries' | 'leases'>;

export interface Database {
  load(): LedgerContents;
  /** Writes in one synced transaction; throws DatabaseTrouble, having written nothing that load() would show. */
  write(write: DatabaseWrite): void;
  close(): void;
}

/** Why the file cannot be used. `usable`: the failed transaction was undone cleanly and the next one may work. */
export class DatabaseTrouble extends Error {
  override readonly name = 'DatabaseTrouble';
  readonly usable: boolean;
  constructor(message: string, usable: boolean) {
    super(message);
    this.usable = usable;
  }
}

/** "flee" in ASCII: marks a SQLite file as ours, for file(1) and for us. */
const applicationId = 0x66_6c_65_65;
const layoutVersion = 1;
const pageBytes = 4_096;
/** Somebody reading with sqlite3 may hold the file for a moment; a checkpoint or write waits that long. */
const busyWaitMs = 5_000;

const layout = `
  CREATE TABLE entries (key TEXT PRIMARY KEY, value TEXT NOT NULL, mod_revision INTEGER NOT NULL, lease_id TEXT) STRICT;
  CREATE TABLE leases (id TEXT PRIMARY KEY, ttl_ms INTEGER NOT NULL) STRICT;
  CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
  INSERT INTO meta (name, value) VALUES ('revision', 0), ('last_lease', 0);
  PRAGMA application_id = ${applicationId};
  PRAGMA user_version = ${layoutVersion};`;

/** Opens the store's file, made with mode 0600 (its folder 0700) when missing. Throws DatabaseTrouble. */
export function openDatabase(options: DatabaseOptions): Database {
  const { file } = options;
  const opened: DatabaseSync[] = [];
  const open = (path: string): DatabaseSync => {
    const database = new DatabaseSync(path);
    opened.push(database);
    return database;
  };
  const close = (): void => {
    for (const database of opened.splice(0).reverse()) database.close();
  };
  try {
    createFolder(resolve(dirname(file)));
    createPrivately(`${file}-lock`);
    lockOut(open(`${file}-lock`), file);
    createPrivately(file);
    const database = open(file);
    prepare(database, options);
    const statements = prepareStatements(database);
    return {
      load: () => explained(file, () => load(database)),
      write: (write) => explained(file, () => transact(database, () => writeRows(statements, write))),
      close,
    };
  } catch (error) {
    close();
    throw troubleOf(file, error);
  }
}

/** Makes a folder and those above it, and syncs what lists them: SQLite syncs the files and the last folder only. */
function createFolder(folder: string): void {
  const first = mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  for (let made = folder; made.length >= first.length; made = dirname(made)) {
    const above = openSync(dirname(made), 'r');
    fsyncSync(above);
    closeSync(above);
  }
}

/**
 * Makes an empty file for its owner alone, unless it is there: SQLite gives its log the mode of its database. An existing file is
 * not opened here, because closing it again would drop the locks this process holds on it.
 */
function createPrivately(file: string): void {
  try {
    closeSync(openSync(file, 'wx', 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

function lockOut(lock: DatabaseSync, file: string): void {
  try {
    lock.exec('PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE');
  } catch (error) {
    if (sqliteCode(error) !== 5) throw error;
    throw new DatabaseTrouble(`the store ${file} is open in another process: is a second fleetd running with the same data directory?`, false);
  }
}

function prepare(database: DatabaseSync, { file, bytesMax, checkpointPages = 1_000 }: DatabaseOptions): void {
  database.exec(`PRAGMA busy_timeout = ${busyWaitMs}; PRAGMA page_size = ${pageBytes}; PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = ${checkpointPages}; PRAGMA max_page_count = ${Math.ceil(bytesMax / pageBytes)}`);
  const found = numberOf(database, 'PRAGMA application_id');
  const tables = numberOf(database, 'SELECT count(*) FROM sqlite_schema');
  if (tables === 0) return transact(database, () => database.exec(layout));
  if (found !== applicationId) {
    throw new DatabaseTrouble(`${file} is a SQLite file of some other program, not a store of fleet: set another data directory`, false);
  }
  const version = numberOf(database, 'PRAGMA user_version');
  if (version > layoutVersion) {
    throw new DatabaseTrouble(`the store ${file} was written by a newer fleet (layout ${version}, this one knows ${layoutVersion}): install that one`, false);
  }
  const verdict = String(Object.values(database.prepare('PRAGMA quick_check(1)').get() ?? {})[0]);
  if (verdict !== 'ok') throw new DatabaseTrouble(damaged(file, oneLine(verdict)), false);
}

function numberOf(database: DatabaseSync, query: string): number {
  return Number(Object.values(database.prepare(query).get() ?? {})[0]);
}

function load(database: DatabaseSync): LedgerContents {
  const rows = (query: string): unknown[] => database.prepare(query).all();
  const meta = new Map((rows('SELECT name, value FROM meta') as { name: string; value: number }[]).map((row) => [row.name, row.value]));
  return {
    revision: (meta.get('revision') ?? 0) as Revision,
    lastLease: meta.get('last_lease') ?? 0,
    entries: rows('SELECT key, value, mod_revision AS modRevision, lease_id AS leaseId FROM entries') as StoreEntry[],
    leases: rows('SELECT id, ttl_ms AS ttlMs FROM leases') as LeaseRow[],
  };
}

type Statements = Readonly<Record<'putEntry' | 'deleteEntry' | 'putLease' | 'deleteLease' | 'putMeta', StatementSync>>;

function prepareStatements(database: DatabaseSync): Statements {
  return {
    putEntry: database.prepare('INSERT OR REPLACE INTO entries (key, value, mod_revision, lease_id) VALUES (?, ?, ?, ?)'),
    deleteEntry: database.prepare('DELETE FROM entries WHERE key = ?'),
    putLease: database.prepare('INSERT OR REPLACE INTO leases (id, ttl_ms) VALUES (?, ?)'),
    deleteLease: database.prepare('DELETE FROM leases WHERE id = ?'),
    putMeta: database.prepare('UPDATE meta SET value = ? WHERE name = ?'),
  };
}

function writeRows(statements: Statements, write: DatabaseWrite): void {
  for (const [key, entry] of write.entries) {
    if (entry === null) statements.deleteEntry.run(key);
    else statements.putEntry.run(key, entry.value, entry.modRevision, entry.leaseId);
  }
  for (const [id, lease] of write.leases) {
    if (lease === null) statements.deleteLease.run(id);
    else statements.putLease.run(id, lease.ttlMs);
  }
  statements.putMeta.run(write.revision, 'revision');
  statements.putMeta.run(write.lastLease, 'last_lease');
}

function transact(database: DatabaseSync, work: () => void): void {
  database.exec('BEGIN IMMEDIATE');
  try {
    work();
    database.exec('COMMIT');
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK'); // SQLite has already rolled back after some failures.
    throw error;
  }
}

function explained<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw troubleOf(file, error);
  }
}

const oneLine = (text: string): string => text.replace(/\s+/g, ' ');

const damaged = (file: string, detail: string): string =>
  `the store ${file} is damaged (${detail}): move it away and put a copy back, or save what is left with "sqlite3 ${file} .recover"`;

/** What SQLite's result codes (sqlite.org/rescode.html) mean for the person who has to do something. */
const sentences: Readonly<Record<number, (file: string, detail: string) => string>> = {
  5: (file) => `the store ${file} is locked by another program, perhaps an sqlite3 that writes: end that program`,
  8: (file) => `the store ${file} cannot be written: make it and its folder writable for this user`,
  10: (file, detail) => `the disk of the store ${file} fails (${detail}): look at the kernel's log`,
  11: damaged,
  13: (file) => `no space for the store ${file}: free some on its disk, or allow it to grow larger`,
  14: (file) => `the store ${file} cannot be opened: is its folder there and writable for this user?`,
  26: (file) => `${file} is not a store of fleet (not a SQLite file): move it away or set another data directory`,
};

/** SQLITE_BUSY and SQLITE_FULL: the transaction is undone, the file is whole, and a later one may work. */
const usableAfter: readonly (number | null)[] = [5, 13];

function troubleOf(file: string, error: unknown): DatabaseTrouble {
  if (error instanceof DatabaseTrouble) return error;
  const detail = oneLine(error instanceof Error ? error.message : String(error));
  const code = sqliteCode(error);
  const sentence = code === null ? undefined : sentences[code];
  return new DatabaseTrouble(sentence?.(file, detail) ?? `the store ${file} cannot be used: ${detail}`, usableAfter.includes(code));
}

/** The primary result code of an error of SQLite; null for other errors. */
function sqliteCode(error: unknown): number | null {
  const code = error instanceof Error && 'errcode' in error ? error.errcode : null;
  return typeof code === 'number' ? code & 0xff : null;
}
