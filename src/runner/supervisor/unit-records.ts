/**
 * What the supervisor knows of each loaded unit, on disk, so that a new fleetd restarts nothing.
 * Promises: a unit is loaded exactly when its record is there: it is written last and removed first; a record that cannot be
 * understood counts as absent, which makes the agent load the unit again.
 */
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseUnitName } from '../../core/unit-name.ts';
import type { UnitName } from '../../core/unit-name.ts';
import type { FileHash } from '../../core/unit.ts';
import { inParallel } from '../in-parallel.ts';
import type { NotHonoured } from './instructions.ts';
import { removePath, replaceFiles } from './replace-files.ts';

/** One loaded unit. */
export interface UnitRecord {
  readonly hash: FileHash;
  readonly renderedHash: string;
  /** The restart generation last carried out, or core/unit.ts's `notStarted` or `outdated`. */
  readonly restart: number;
  /** The reset generation last carried out. */
  readonly reset: number;
  readonly description: string;
  readonly notHonoured: readonly NotHonoured[];
  /** File names of its drop-ins. */
  readonly dropIns: readonly string[];
}

/** Where things lie; native/keeper/protocol.h has the layout of the state directory. */
export interface SupervisorDirectories {
  readonly units: string;
  readonly state: string;
}

export interface UnitRecords {
  get(name: UnitName): UnitRecord | undefined;
  names(): readonly UnitName[];
  /** Writes all files of a unit, its record last. Throws FileTrouble and changes nothing when they cannot be written. */
  put(name: UnitName, record: UnitRecord, files: ReadonlyMap<string, string>): Promise<void>;
  /** Records a restart generation; nothing is written when it is the one recorded. */
  setRestart(name: UnitName, restart: number): Promise<void>;
  /** Records a reset generation; nothing is written when it is the one recorded. */
  setReset(name: UnitName, reset: number): Promise<void>;
  /** Forgets a unit and removes all it left, its journal included. */
  remove(name: UnitName): Promise<void>;
}

export const unitDirectory = ({ state }: SupervisorDirectories, name: UnitName): string => join(state, 'units', name);
export const statePath = ({ state }: SupervisorDirectories, name: UnitName): string => join(state, 'states', name);

export async function openUnitRecords(directories: SupervisorDirectories): Promise<UnitRecords> {
  const known = new Map<UnitName, UnitRecord>();
  const pathOf = (name: UnitName): string => join(unitDirectory(directories, name), 'record');
  await mkdir(directories.units, { recursive: true, mode: 0o755 });
  await mkdir(join(directories.state, 'units'), { recursive: true, mode: 0o755 });
  await mkdir(join(directories.state, 'states'), { recursive: true, mode: 0o755 });
  await inParallel(await readdir(join(directories.state, 'units')), async (entry) => {
    const parsed = parseUnitName(entry);
    const record = parsed.ok ? parseRecord(await readFile(pathOf(parsed.value.name), 'utf8').catch(() => '')) : null;
    if (parsed.ok && record !== null) known.set(parsed.value.name, record);
  });
  const change = async (name: UnitName, to: Partial<Pick<UnitRecord, 'restart' | 'reset'>>): Promise<void> => {
    const record = known.get(name);
    if (record === undefined || Object.entries(to).every(([key, value]) => record[key as keyof typeof to] === value)) return;
    await put(name, { ...record, ...to }, new Map());
  };
  const put = async (name: UnitName, record: UnitRecord, files: ReadonlyMap<string, string>): Promise<void> => {
    await replaceFiles(new Map([...files, [pathOf(name), `${JSON.stringify(record)}\n`]]));
    known.set(name, record);
  };
  return {
    get: (name) => known.get(name),
    names: () => [...known.keys()],
    put,
    setRestart: (name, restart) => change(name, { restart }),
    setReset: (name, reset) => change(name, { reset }),
    async remove(name) {
      const { dropIns = [] } = known.get(name) ?? {};
      await removePath(pathOf(name));
      known.delete(name);
      if (dropIns.length > 0) await removePath(join(directories.units, `${name}.d`));
      await removePath(join(directories.units, name));
      await removePath(statePath(directories, name));
      await removePath(unitDirectory(directories, name));
    },
  };
}

function parseRecord(text: string): UnitRecord | null {
  try {
    const value: unknown = JSON.parse(text);
    // Records of fleet before resets have none.
    return isRecord(value) ? { ...value, reset: value.reset ?? 0 } : null;
  } catch {
    return null; // Absent or of another version: the unit is loaded again, which is always safe.
  }
}

function isRecord(value: unknown): value is Omit<UnitRecord, 'reset'> & { readonly reset?: number } {
  if (typeof value !== 'object' || value === null) return false;
  const { hash, renderedHash, restart, reset = 0, description, notHonoured, dropIns } = value as Record<string, unknown>;
  return typeof hash === 'string' && typeof renderedHash === 'string' && [restart, reset].every((count) => Number.isInteger(count)) &&
    typeof description === 'string' &&
    Array.isArray(notHonoured) && Array.isArray(dropIns);
}
