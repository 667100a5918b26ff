/**
 * Files that appear whole or not at all. Promises: all that can fail for want of space happens in stageFile(), beside the
 * file, before anything is changed; commit() only renames. A failure names the path and the reason in one line. The directories
 * lie in memory (/run), where writing takes microseconds: handing each step to another thread would take ten times as long. Others get
 * their turn after every few files.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readlinkSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setImmediate as othersTurn } from 'node:timers/promises';
import { fileTrouble } from '../file-trouble.ts';

/** Files written or removed in one go before others get their turn: a few milliseconds. */
const filesInOneGo = 32;
let touched = 0;
/** Of this process alone: what one that was killed has left behind is in nobody's way. */
const mark = randomBytes(8).toString('hex');

/** Content that lies ready beside its file. */
export interface StagedFile {
  readonly path: string;
  /** Puts the content in place. */
  commit(): Promise<void>;
  /** Removes what was staged; after commit() it does nothing. */
  discard(): Promise<void>;
}

/** Writes `text` beside `path`, making the directory when it is missing. Throws FileTrouble, and leaves nothing then. */
export async function stageFile(path: string, text: string): Promise<StagedFile> {
  // Not named after the file: a unit name may be as long as a file name can be.
  touched += 1;
  const staged = join(dirname(path), `.new-${mark}-${touched}`);
  let isStaged = true;
  const discard = async (): Promise<void> => {
    if (isStaged) rmSync(staged, { force: true });
  };
  try {
    writeOrMakeDirectory(staged, text);
    await turnOfOthers();
  } catch (error) {
    await discard().catch(() => undefined);
    throw fileTrouble('write', path, error);
  }
  return {
    path, discard,
    async commit() {
      try {
        renameSync(staged, path);
        isStaged = false;
      } catch (error) {
        throw fileTrouble('write', path, error);
      }
    },
  };
}

/** Removes a file, if there is one. Throws FileTrouble. */
export async function removeFile(path: string): Promise<void> {
  touched += 1;
  try {
    rmSync(path, { force: true });
  } catch (error) {
    throw fileTrouble('remove', path, error);
  }
  await turnOfOthers();
}

/** Removes a symbolic link to `target`; whatever else is there is left to its owner. Throws FileTrouble. */
export async function removeLink(path: string, target: string): Promise<void> {
  let found: string;
  try {
    found = readlinkSync(path);
  } catch {
    return; // There is none, or it is no link.
  }
  if (found === target) await removeFile(path);
}

/** Lets others have their turn, if it is time. */
async function turnOfOthers(): Promise<void> {
  if (touched % filesInOneGo === 0) await othersTurn();
}

function writeOrMakeDirectory(path: string, text: string): void {
  const options = { mode: 0o644, flag: 'wx' } as const;
  try {
    writeFileSync(path, text, options);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    writeFileSync(path, text, options);
  }
}

/** Writes a file beside its place and removes it again. Throws FileTrouble. */
export async function tryWriting(path: string, text: string): Promise<void> {
  await (await stageFile(path, text)).discard();
}
