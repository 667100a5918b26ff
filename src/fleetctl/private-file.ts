/**
 * Files that may hold secrets and may be large: written and read piece by piece.
 * Promises: only their owner can read them (mode 0600); a file is there whole or not at all, also after a power cut; nothing is left behind
 * when writing fails.
 */
import { createReadStream } from 'node:fs';
import { chmod, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

const ownerOnly = 0o600;

/** Writes pieces of text to a file; what was there before stays until the new one is whole. Rejects as node:fs or `pieces` do. */
export async function writePrivately(path: string, pieces: AsyncIterable<string>): Promise<void> {
  const beside = join(dirname(path), `.${basename(path)}.fleet-new`);
  await rm(beside, { force: true });
  const file = await open(beside, 'wx', ownerOnly);
  try {
    try {
      for await (const piece of pieces) await file.writeFile(piece);
      await file.sync();
    } finally {
      await file.close();
    }
    await chmod(beside, ownerOnly);
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
  const folder = await open(dirname(path), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** The text of a file in pieces. Rejects as node:fs does. */
export async function* readPieces(path: string): AsyncGenerator<string> {
  for await (const piece of createReadStream(path, { encoding: 'utf8' })) yield piece as string;
}
