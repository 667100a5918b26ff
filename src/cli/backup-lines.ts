/**
 * From pieces of text to the lines of a backup that have been checked.
 * Promises: one line is held at a time; what is no whole backup ends with one line that says why.
 */
import { backupLineCharactersMax, createBackupReader } from '../core/backup.ts';
import type { BackupLine } from '../core/backup.ts';
import { failure } from '../core/failure.ts';
import type { Failure } from '../core/failure.ts';

/** A text that is no whole backup. */
export class NoBackup extends Error {
  readonly failure: Failure;

  constructor(why: Failure) {
    super(why.message);
    this.failure = why;
  }
}

/** The lines of a backup, each as soon as it is there; the last one is its seal. Throws NoBackup. */
export async function* readBackup(pieces: AsyncIterable<string>): AsyncGenerator<BackupLine> {
  const reader = createBackupReader();
  for await (const text of linesOf(pieces)) {
    const line = reader.take(text);
    if (!line.ok) throw new NoBackup(line.failure);
    yield line.value;
  }
  const end = reader.end();
  if (!end.ok) throw new NoBackup(end.failure);
}

async function* linesOf(pieces: AsyncIterable<string>): AsyncGenerator<string> {
  let pending = '';
  for await (const piece of pieces) {
    const lines = (pending + piece).split('\n');
    pending = lines.pop() ?? '';
    if (pending.length > backupLineCharactersMax) {
      throw new NoBackup(failure('BACKUP_INVALID', 'this is no whole backup of a fleet: a line of it has no end').failure);
    }
    yield* lines;
  }
  if (pending !== '') yield pending;
}

/** What reading and writing files throws. */
export function isFileTrouble(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'code' in error && /^E[A-Z]+$/.test(String(error.code));
}
