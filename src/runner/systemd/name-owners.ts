/**
 * Which unit names the machine's owner uses already.
 * Promises: a unit of the machine is never shadowed; links and files of our own are never taken for the machine's.
 */
import { readdir, readlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { UnitName } from '../../core/unit-name.ts';
import { inParallel } from '../in-parallel.ts';

/** Where the machine has a unit of a name. */
export interface NameOwners {
  /** The path of the machine's own file (or link) of this name; null when it has none. */
  pathOf(name: string): string | null;
  /** The path of the machine's own template that the instance `name` would come from; null when there is none. */
  templateOf(name: string): string | null;
}

/** Reads the directories of systemd's unit path, first one first. Links into `ownDirectory` are ours. */
export async function readNameOwners(unitPath: readonly string[], ownDirectory: string): Promise<NameOwners> {
  const owned = new Map<string, string>();
  const listings = await inParallel(unitPath, (directory) => foreignNames(directory, ownDirectory));
  for (const [index, names] of listings.entries()) {
    for (const name of names) if (!owned.has(name)) owned.set(name, join(unitPath[index] ?? '', name));
  }
  return {
    pathOf: (name) => owned.get(name) ?? null,
    templateOf(name) {
      const at = name.indexOf('@');
      return at === -1 ? null : owned.get(name.slice(0, at + 1) + name.slice(name.lastIndexOf('.'))) ?? null;
    },
  };
}

async function foreignNames(directory: string, ownDirectory: string): Promise<readonly string[]> {
  let entries;
  try {
    entries = await readdir(directory, { withFileTypes: true });
  } catch (error) {
    // Most directories of the unit path need not exist.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  const units = entries.filter((entry) => !entry.isDirectory());
  const foreign = await inParallel(units, async (entry) => {
    if (!entry.isSymbolicLink()) return true;
    const target = await readlink(join(directory, entry.name)).catch(() => '');
    return dirname(target) !== resolve(ownDirectory);
  });
  return units.filter((_, index) => foreign[index]).map((entry) => entry.name);
}

/** Why a unit may not have this name on this machine, as one line; `path` is what the machine has. */
export function nameTaken(name: UnitName, taken: string, path: string): string {
  const what = taken === name ? 'the name is' : `its alias ${taken} is`;
  return `${what} taken on this machine by ${path}, which is not fleet's: choose another name or remove that unit`;
}
