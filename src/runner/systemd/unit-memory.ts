/**
 * What the runner must remember of each loaded unit, on disk, so that a new fleetd restarts nothing.
 * Promises: one file for each unit, whole or absent; a file that cannot be understood counts as absent, which makes the agent
 * load the unit again; memory of a unit whose unit file is gone is forgotten.
 */
import { statSync } from 'node:fs';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseUnitName } from '../../core/unit-name.ts';
import type { UnitName } from '../../core/unit-name.ts';
import { notStarted } from '../../core/unit.ts';
import type { FileHash } from '../../core/unit.ts';
import { inParallel } from '../in-parallel.ts';
import { removeFile, stageFile } from './staged-file.ts';
import type { StagedFile } from './staged-file.ts';

/** One loaded unit. */
export interface UnitMemory {
  readonly hash: FileHash;
  readonly renderedHash: string;
  /** The restart generation last carried out, or core/unit.ts's `notStarted` or `outdated`. */
  readonly restart: number;
  /** The reset generation last carried out. */
  readonly reset: number;
  /** systemd works with an older rendering, or has not read the links of [Install] yet. */
  readonly needsReload: boolean;
  /** Links of [Install] were made. */
  readonly installed: boolean;
  readonly oneshot: boolean;
  /** File names of the drop-ins written for it: others in the same directory belong to the machine's owner. */
  readonly dropIns: readonly string[];
}

/** A unit file nothing is remembered of: its hashes match no rendering, so the agent loads or unloads it. */
export const blankMemory: UnitMemory = {
  hash: '' as FileHash, renderedHash: '', restart: notStarted, reset: 0, needsReload: false, installed: false, oneshot: false, dropIns: [],
};

export interface UnitMemories {
  get(name: UnitName): UnitMemory | undefined;
  names(): readonly UnitName[];
  /** Looks which unit files are there: forgets those that are gone, takes up those that were not known. */
  followDirectory(): Promise<void>;
  /** Writes the memory beside its place; nothing is remembered before `commit` of the result. */
  stage(name: UnitName, memory: UnitMemory): Promise<StagedFile>;
  save(name: UnitName, memory: UnitMemory): Promise<void>;
  /** Changes part of a unit's memory; writes nothing when it is so already, or nothing is remembered of the unit. */
  change(name: UnitName, to: Partial<Pick<UnitMemory, 'restart' | 'reset' | 'needsReload'>>): Promise<void>;
  remove(name: UnitName): Promise<void>;
}

/** A directory may change twice under one time stamp: the kernel's stamps are as coarse as its ticks. */
const stampMs = 100;

/** Directories: where the unit files lie, where their memory lies. */
export interface UnitMemoryDirectories {
  readonly units: string;
  readonly memories: string;
}

export async function openUnitMemories(directories: UnitMemoryDirectories): Promise<UnitMemories> {
  const known = new Map<UnitName, UnitMemory>();
  await mkdir(directories.units, { recursive: true, mode: 0o755 });
  await mkdir(directories.memories, { recursive: true, mode: 0o755 });
  const pathOf = (name: string): string => join(directories.memories, name);

  /** What the directory was like when it was read last. */
  let lastRead = { changedNs: 0n, atMs: -Infinity };
  const followDirectory = async (): Promise<void> => {
    const { mtimeNs: changedNs } = statSync(directories.units, { bigint: true });
    if (changedNs === lastRead.changedNs && lastRead.atMs - Number(changedNs / 1_000_000n) > stampMs) return;
    const atMs = Date.now();
    const present = new Set(unitNames(await readdir(directories.units)));
    for (const name of known.keys()) if (!present.has(name)) known.delete(name);
    const added = [...present].filter((name) => !known.has(name));
    await inParallel(added, async (name) => {
      const memory = await readMemory(pathOf(name));
      if (!known.has(name)) known.set(name, memory);
    });
    lastRead = { changedNs, atMs };
  };
  const stage = async (name: UnitName, memory: UnitMemory): Promise<StagedFile> => {
    const staged = await stageFile(pathOf(name), `${JSON.stringify(memory)}\n`);
    return {
      ...staged,
      async commit() {
        await staged.commit();
        known.set(name, memory);
      },
    };
  };

  const save = async (name: UnitName, memory: UnitMemory): Promise<void> => (await stage(name, memory)).commit();

  await followDirectory();
  const orphans = (await readdir(directories.memories)).filter((name) => !known.has(name as UnitName));
  await inParallel(orphans, (name) => rm(pathOf(name), { force: true, recursive: true }));

  return {
    get: (name) => known.get(name),
    names: () => [...known.keys()],
    followDirectory,
    stage,
    save,
    async change(name, to) {
      const memory = known.get(name);
      if (memory === undefined || Object.entries(to).every(([key, value]) => memory[key as keyof UnitMemory] === value)) return;
      await save(name, { ...memory, ...to });
    },
    async remove(name) {
      await removeFile(pathOf(name));
      known.delete(name);
    },
  };
}

function unitNames(files: readonly string[]): readonly UnitName[] {
  return files.flatMap((file) => {
    const parsed = parseUnitName(file);
    return parsed.ok ? [parsed.value.name] : [];
  });
}

async function readMemory(path: string): Promise<UnitMemory> {
  try {
    const stored: unknown = JSON.parse(await readFile(path, 'utf8'));
    // Memories of fleet before resets have none.
    return isUnitMemory(stored) ? { ...blankMemory, ...stored } : blankMemory;
  } catch {
    // Absent or torn: the unit is loaded again, which is always safe.
    return blankMemory;
  }
}

function isUnitMemory(value: unknown): value is UnitMemory {
  if (typeof value !== 'object' || value === null) return false;
  const { hash, renderedHash, restart, reset = 0, needsReload, installed, oneshot, dropIns } = value as Record<string, unknown>;
  return [hash, renderedHash].every((text) => typeof text === 'string') && [restart, reset].every((count) => Number.isInteger(count)) &&
    [needsReload, installed, oneshot].every((flag) => typeof flag === 'boolean') &&
    Array.isArray(dropIns) && dropIns.every((dropIn) => typeof dropIn === 'string');
}
