/**
 * Deliberate mistakes: patches in sim/bugs/ that the simulator has to find, or its checkers are worth nothing.
 * Promises: a patch is only ever applied to a copy under build/, which is removed again; one that does not apply any more is an error that
 * names it.
 */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import type { SimTask } from '../../sim/task.ts';
import { runTasks } from './threads.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const bugsDirectory = join(root, 'sim/bugs');

/** One mistake: a patch that opens by saying what it breaks, who has to find it, and with which seeds that is known to happen. */
export interface Bug {
  readonly name: string;
  readonly checker: string;
  /** Seeds that found it when it was written down; tried before others. */
  readonly seeds: readonly number[];
}

/** All of them, by name. */
export async function readBugs(): Promise<readonly Bug[]> {
  const files = (await readdir(bugsDirectory)).filter((file) => file.endsWith('.patch')).sort();
  return Promise.all(files.map(async (file): Promise<Bug> => {
    const [first = '', second = ''] = (await readFile(join(bugsDirectory, file), 'utf8')).split('\n');
    const checker = /^Breaks .+, found by ([a-z-]+): .+\.$/.exec(first)?.[1];
    const seeds = /^Seeds: (\d+(?: \d+)*)$/.exec(second)?.[1]?.split(' ').map(Number);
    if (checker === undefined || seeds === undefined) throw new Error(`${file} does not open with what it breaks, who finds it and the seeds`);
    return { name: file.replace('.patch', ''), checker, seeds };
  }));
}

/** Runs the sources with the mistake, seed by seed; answers with the one that found it, null when none of them did. */
export async function findBug({ name, checker }: Bug, seeds: Iterable<number>): Promise<number | null> {
  await mkdir(join(root, 'build'), { recursive: true });
  const copy = await mkdtemp(join(root, 'build/bug-'));
  let found: number | null = null;
  try {
    const isProduct = (path: string): boolean => !/\.(test|contract)\.ts$|\/testdata$/.test(path);
    for (const part of ['src', 'sim']) await cp(join(root, part), join(copy, part), { recursive: true, filter: isProduct });
    await apply(name, copy);
    await runTasks(tasksOf(seeds), {
      root: pathToFileURL(`${copy}/`),
      count: 1,
      onRun(task, { breach }): boolean {
        if (breach?.checker === checker && 'seed' in task) found = task.seed;
        return found !== null;
      },
    });
  } finally {
    await rm(copy, { recursive: true });
  }
  return found;
}

async function apply(name: string, copy: string): Promise<void> {
  const args = ['apply', `--directory=${relative(root, copy)}`, join(bugsDirectory, `${name}.patch`)];
  try {
    await promisify(execFile)('git', args, { cwd: root });
  } catch (error) {
    throw new Error(`sim/bugs/${name}.patch does not apply any more: make it again from the sources as they are`, { cause: error });
  }
}

function* tasksOf(seeds: Iterable<number>): Generator<SimTask> {
  for (const seed of seeds) yield { seed };
}
