/**
 * Files that appear together or not at all.
 * Promises: everything that can fail for want of space happens beside the files, before any is changed; a failure names the
 * path and the reason in one line.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileTrouble } from '../file-trouble.ts';

/** A keeper that is just ending may put a file into a directory that is being removed. */
const REMOVE_TRIES_MAX = 5;

/** Writes every file beside its place, making directories, then renames all in order. Throws FileTrouble. */
export async function replaceFiles(files: ReadonlyMap<string, string>): Promise<void> {
  const staged = new Map<string, string>();
  try {
    for (const [path, text] of files) {
      // Not named after the file: a unit name may be as long as a file name can be.
      const beside = join(dirname(path), `.new-${randomBytes(8).toString('hex')}`);
      staged.set(path, beside);
      await during('write', path, async () => {
        await mkdir(dirname(path), { recursive: true, mode: 0o755 });
        await writeFile(beside, text, { flag: 'wx', mode: 0o644 });
      });
    }
    for (const [path, beside] of staged) await during('write', path, () => rename(beside, path));
  } catch (error) {
    // What was renamed already is not there any more; the error that matters is the first one.
    for (const beside of staged.values()) await rm(beside, { force: true }).catch(() => undefined);
    throw error;
  }
}

/** Removes a file or directory with all it holds; absent is fine. Throws FileTrouble. */
export async function removePath(path: string): Promise<void> {
  await during('remove', path, () => rm(path, { force: true, recursive: true, maxRetries: REMOVE_TRIES_MAX }));
}

async function during(verb: 'write' | 'remove', path: string, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    throw fileTrouble(verb, path, error);
  }
}

/** Writes a file and removes it again. Throws FileTrouble. */
export async function tryWriting(path: string, text: string): Promise<void> {
  await replaceFiles(new Map([[path, text]]));
  await rm(path, { force: true });
}
