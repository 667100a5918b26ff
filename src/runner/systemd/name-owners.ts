/**
 * Which unit names the machine's owner uses already.
 * Promises: a unit of the machine is never shadowed; links and files of our own are never taken for the machine's.
 */
import { lstat, readdir, readlink } from 'node:fs/promises';
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

/** Who owns `names`, by the directories of systemd's unit path, first one first. Links into `ownDirectory` are ours. */
export async function readNameOwners(unitPath: readonly string[], ownDirectory: string, names: Iterable<string>): Promise<NameOwners> {
  const wanted = new Set<string>();
  for (const name of names) for (const each of [name, templateName(name)]) if (each !== null) wanted.add(each);
  const owned = new Map<string, string>();
  const listings = await inParallel(unitPath, (directory) => foreignNames(directory, { ownDirectory, wanted }));
  for (const [index, names] of listings.entries()) {
    for (const name of names) if (!owned.has(name)) owned.set(name, join(unitPath[index] ?? '', name));
  }
  return {
    pathOf: (name) => owned.get(name) ?? null,
    templateOf: (name) => owned.get(templateName(name) ?? '') ?? null,
  };
}

/** The template an instance comes from; null for what is no instance. */
function templateName(name: string): string | null {
  const at = name.indexOf('@');
  return at === -1 ? null : name.slice(0, at + 1) + name.slice(name.lastIndexOf('.'));
}

interface Search {
  readonly ownDirectory: string;
  readonly wanted: ReadonlySet<string>;
}

/** Those of the wanted names that a directory has and that are not ours. Only they are looked at: a machine has hundreds of others. */
async function foreignNames(directory: string, { ownDirectory, wanted }: Search): Promise<readonly string[]> {
  let entries;
  try {
    entries = (await readdir(directory)).filter((name) => wanted.has(name));
  } catch (error) {
    // Most directories of the unit path need not exist.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  const isForeign = await inParallel(entries, async (name) => {
    const path = join(directory, name);
    const found = await lstat(path).catch(() => null);
    if (found === null || found.isDirectory()) return false;
    return !found.isSymbolicLink() || dirname(await readlink(path).catch(() => '')) !== resolve(ownDirectory);
  });
  return entries.filter((_, index) => isForeign[index]);
}

/** Why a unit may not have this name on this machine, as one line; `path` is what the machine has. */
export function nameTaken(name: UnitName, taken: string, path: string): string {
  const what = taken === name ? 'the name is' : `its alias ${taken} is`;
  return `${what} taken on this machine by ${path}, which is not fleet's: choose another name or remove that unit`;
}
