/**
 * Replaces a file's text in one step.
 * Promises: a reader sees the old text or the new one, never half of it; mode and owner stay as they were, also where a symbolic
 * link leads to the file; a process that ends in between leaves at most a hidden file beside it.
 */
import { chmod, chown, open, realpath, rename, rm, stat } from 'node:fs/promises';
import type { Stats } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** Of a file that is new: what everybody may read, as configuration usually is. */
const newFileMode = 0o644;

export async function replaceFile(path: string, text: string): Promise<void> {
  const target = (await orAbsent(realpath(path))) ?? path;
  const before: Stats | null = await orAbsent(stat(target));
  // Hidden and without the target's ending, so that no pattern such as *.conf takes it for a file of its own.
  const beside = join(dirname(target), `.${basename(target)}.fleet-new`);
  const file = await open(beside, 'w', newFileMode);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  if (before !== null) {
    const own = await stat(beside);
    if (own.uid !== before.uid || own.gid !== before.gid) await chown(beside, before.uid, before.gid);
    await chmod(beside, before.mode & 0o7777);
  } else {
    await chmod(beside, newFileMode);
  }
  await rename(beside, target);
}

/** Removes a file; one that is not there is as good. */
export async function removeFile(path: string): Promise<void> {
  await rm(path, { force: true });
}

async function orAbsent<T>(answer: Promise<T>): Promise<T | null> {
  try {
    return await answer;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
