/**
 * Puts unit files, drop-ins and links in place, and takes them away.
 * Promises: files first, all of a call, then one call to systemd for all links, because systemd builds its map of unit files
 * anew after every change; what cannot be written is found out before anything is changed; a unit's memory is written last,
 * so that whatever was interrupted is done again.
 */
import { readFile, rmdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { parseUnitFile, printUnitFile } from '../../core/unit-file.ts';
import type { UnitName } from '../../core/unit-name.ts';
import { notStarted, outdated } from '../../core/unit.ts';
import type { RenderedUnit, RunnerProblem } from '../runner.ts';
import { inParallel } from '../in-parallel.ts';
import { nameTaken, readNameOwners } from './name-owners.ts';
import { runRecordDropInName } from './run-record.ts';
import type { RunRecords } from './run-record.ts';
import { removeFile, removeLink, stageFile } from './staged-file.ts';
import type { StagedFile } from './staged-file.ts';
import type { SystemdManager } from './systemd-manager.ts';
import { factsOf } from './unit-facts.ts';
import type { UnitFacts } from './unit-facts.ts';
import { blankMemory } from './unit-memory.ts';
import type { UnitMemories, UnitMemory } from './unit-memory.ts';
import { createUnitProblems } from './unit-problems.ts';
import type { UnitProblems } from './unit-problems.ts';

export interface UnitLoaderNeeds {
  readonly manager: SystemdManager;
  readonly memories: UnitMemories;
  readonly records: RunRecords;
  readonly directories: LoaderDirectories;
}

export interface LoaderDirectories {
  /** Where unit files lie. */
  readonly units: string;
  /** systemd's own directory for run-time links and drop-ins; drop-ins beside a linked file would be ignored. */
  readonly links: string;
}

export interface UnitLoader {
  /** Loads these units, also those that are loaded with another rendering; `running` names those of them that run now. */
  load(units: readonly RenderedUnit[], running: ReadonlySet<UnitName>, signal: AbortSignal): Promise<readonly RunnerProblem[]>;
  /** Removes these units, which must have stopped. */
  remove(names: readonly UnitName[], signal: AbortSignal): Promise<readonly RunnerProblem[]>;
}

/** A unit on its way into systemd. */
interface Loading {
  readonly name: UnitName;
  readonly facts: UnitFacts;
  /** What was loaded under this name before. */
  readonly before: UnitMemory | undefined;
  /** What will be remembered. */
  readonly memory: UnitMemory;
  /** Path to text: drop-ins first, the unit file last. */
  readonly files: ReadonlyMap<string, string>;
  /** Whether systemd has loaded a unit of this name already. */
  isLoaded: boolean;
  staged: readonly StagedFile[];
  stagedMemory: StagedFile | null;
}

export function createUnitLoader(needs: UnitLoaderNeeds): UnitLoader {
  const { manager, memories, directories } = needs;
  return {
    async load(units, running, signal) {
      const problems = createUnitProblems();
      const loadings = await inParallel(units, (unit) => plan(unit, running.has(unit.name), needs));
      try {
        // One after the other on the connection, without waiting in between.
        await Promise.all([
          refuseTaken(loadings, { needs, problems }, signal),
          problems.forAll(loadings, async (loading) => {
            loading.isLoaded = await manager.isLoaded(loading.name, signal);
          }),
        ]);
        await problems.forEach(loadings, (loading) => stage(loading, memories));
        await problems.forEach(loadings, (loading) => putInPlace(loading, directories));
        await link(loadings, { needs, problems }, signal);
        await problems.forEach(loadings, async (loading) => {
          const isOutdated = loading.isLoaded && await manager.isOutdated(loading.name, signal);
          if (isOutdated) await memories.save(loading.name, { ...loading.memory, needsReload: true });
          else await loading.stagedMemory?.commit();
        });
      } finally {
        for (const loading of loadings) await tidyUp(loading, { needs, problems });
      }
      return problems.list();
    },
    async remove(names, signal) {
      const problems = createUnitProblems();
      const removals = names.map((name) => ({ name, memory: memories.get(name) }));
      // For each that systemd disables it looks through all its directories again, which takes a third of a millisecond.
      const installed = removals.filter(({ memory }) => !isOnlyLinked(memory));
      await problems.together(installed, (some) => manager.disableUnitFiles(some.map(({ name }) => name), signal));
      await problems.forEach(removals, async ({ name, memory }) => {
        if (isOnlyLinked(memory)) await removeLink(join(directories.links, name), join(directories.units, name));
        await removeDropIns(name, memory?.dropIns ?? [], directories);
        await removeFile(join(directories.units, name));
        await needs.records.remove(name);
        await memories.remove(name);
      });
      return problems.list();
    },
  };
}

interface LoadContext {
  readonly needs: UnitLoaderNeeds;
  readonly problems: UnitProblems;
}

async function plan(unit: RenderedUnit, runs: boolean, { memories, records, directories }: UnitLoaderNeeds): Promise<Loading> {
  const facts = factsOf(unit);
  const before = memories.get(unit.name);
  const dropIns = { ...unit.dropIns, ...(facts.oneshot ? { [runRecordDropInName]: records.dropIn } : {}) };
  const inDropIns = Object.entries(dropIns).map(([file, text]) => [dropInPath(unit.name, file, directories), text] as const);
  const files = new Map([...inDropIns, [join(directories.units, unit.name), unit.text]]);
  const restart = before?.renderedHash === unit.renderedHash ? before.restart : await restartAfter(before, runs, files);
  return {
    name: unit.name, facts, before, files, isLoaded: false, staged: [], stagedMemory: null,
    memory: {
      hash: unit.hash, renderedHash: unit.renderedHash, restart, reset: before?.reset ?? 0, needsReload: facts.installs,
      installed: facts.installs, oneshot: facts.oneshot, dropIns: Object.keys(dropIns),
    },
  };
}

/** The restart generation of a unit that is given other files. */
async function restartAfter(
  before: UnitMemory | undefined, runs: boolean, files: ReadonlyMap<string, string>,
): Promise<number> {
  // What runs after its memory was lost, or was started by another fleet, is left alone when it runs these very files; what
  // nobody started, its socket did.
  const isOutdated = runs && (before === blankMemory ? !await areRun(files) : before?.restart !== notStarted);
  return isOutdated ? outdated : notStarted;
}

/**
 * Whether these files are on disk, however their text is laid out. The drop-in that records how a oneshot ended changes nothing
 * about what runs: another fleet did not write it.
 */
async function areRun(files: ReadonlyMap<string, string>): Promise<boolean> {
  for (const [path, text] of files) {
    if (basename(path) === runRecordDropInName) continue;
    const onDisk = await readFile(path, 'utf8').catch(() => null);
    if (onDisk === null || canonical(onDisk) !== canonical(text)) return false;
  }
  return true;
}

function canonical(text: string): string {
  const file = parseUnitFile(text);
  return file.ok ? printUnitFile(file.value) : text;
}

const dropInPath = (name: UnitName, file: string, { links }: LoaderDirectories): string => join(links, `${name}.d`, file);

/** Refuses names and aliases that are somebody else's on this machine. */
async function refuseTaken(loadings: readonly Loading[], { needs, problems }: LoadContext, signal: AbortSignal): Promise<void> {
  const owners = await readNameOwners(
    await needs.manager.unitPath(signal), needs.directories.units, loadings.flatMap(({ name, facts }) => [name, ...facts.aliases]));
  for (const { name, facts } of loadings) {
    for (const taken of [name, ...facts.aliases]) {
      const path = owners.pathOf(taken);
      if (path !== null) problems.add(name, nameTaken(name, taken, path));
      const isOtherUnit = taken !== name && needs.memories.get(taken as UnitName) !== undefined;
      if (isOtherUnit) problems.add(name, `its alias ${taken} is the name of another unit: remove the alias or that unit`);
    }
  }
  // An instance may come from the machine's own template; fleet keeps off those that run.
  const instances = problems.fine(loadings)
    .filter(({ name, before }) => before === undefined && owners.templateOf(name) !== null);
  if (instances.length === 0) return;
  for (const row of await needs.manager.listUnitsByNames(instances.map(({ name }) => name), signal)) {
    if (row.active !== 'inactive') problems.add(row.name, nameTaken(row.name, row.name, owners.templateOf(row.name) ?? ''));
  }
}

async function stage(loading: Loading, memories: UnitMemories): Promise<void> {
  const staged: StagedFile[] = [];
  loading.staged = staged;
  for (const [path, text] of loading.files) staged.push(await stageFile(path, text));
  loading.stagedMemory = await memories.stage(loading.name, loading.memory);
}

async function putInPlace({ name, before, memory, staged }: Loading, directories: LoaderDirectories): Promise<void> {
  await removeDropIns(name, (before?.dropIns ?? []).filter((file) => !memory.dropIns.includes(file)), directories);
  for (const file of staged) await file.commit();
}

async function link(loadings: readonly Loading[], { needs, problems }: LoadContext, signal: AbortSignal): Promise<void> {
  const { manager, directories } = needs;
  const paths = (of: readonly Loading[]): string[] => of.map(({ name }) => join(directories.units, name));
  // Links of an older [Install] would stay for ever.
  const reinstalled = loadings.filter(({ before }) => before?.installed === true);
  await problems.together(reinstalled, (some) => manager.disableUnitFiles(some.map(({ name }) => name), signal));
  await problems.together(loadings, (some) => manager.linkUnitFiles(paths(some), signal));
  const installing = loadings.filter(({ facts }) => facts.installs);
  await problems.together(installing, (some) => manager.enableUnitFiles(paths(some), signal));
}

/** Whether the link of its file is the only one of a unit: [Install] asks for none, as far as that is remembered. */
function isOnlyLinked(memory: UnitMemory | undefined): boolean {
  return memory !== undefined && memory !== blankMemory && !memory.installed;
}

/** Removes what was staged and not used, and all of a new unit that could not be loaded. */
async function tidyUp(loading: Loading, { needs, problems }: LoadContext): Promise<void> {
  for (const file of [...loading.staged, loading.stagedMemory]) await file?.discard().catch(() => undefined);
  if (loading.before !== undefined || !problems.has(loading.name) || loading.staged.length === 0) return;
  // It is tried again or given up by whoever asked for it; a file that cannot even be removed is reported then.
  await removeDropIns(loading.name, loading.memory.dropIns, needs.directories).catch(() => undefined);
  await removeFile(join(needs.directories.units, loading.name)).catch(() => undefined);
}

async function removeDropIns(name: UnitName, files: readonly string[], directories: LoaderDirectories): Promise<void> {
  if (files.length === 0) return;
  for (const file of files) await removeFile(dropInPath(name, file, directories));
  // Others may keep drop-ins there too; then it stays.
  await rmdir(join(directories.links, `${name}.d`)).catch(() => undefined);
}
