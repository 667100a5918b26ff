/**
 * Runs simulations on several threads at once.
 * Promises: each task is run once, on any thread; a run that does not end is ended, and counts as one that broke a promise; nothing is left
 * running when it has resolved.
 */
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { RunResult } from '../../sim/simulate.ts';
import type { SimTask } from '../../sim/task.ts';
import type { ThreadData } from './thread.ts';

/** No run takes long: after this time of the wall it is taken for one that never ends. */
const runMsMax = 300_000;

export interface Threads {
  /** URL of the folder that has sim/ and src/; this repository when it is left out. */
  readonly root?: URL;
  /** As many as there are processors when it is left out. */
  readonly count?: number;
  /** Told of every run as it ends; answers whether it has seen enough, and no other task is begun then. */
  readonly onRun: (task: SimTask, result: RunResult) => boolean | void;
}

/** Runs the tasks. Rejects when a thread fails in a way that no simulation should. */
export async function runTasks(tasks: Iterable<SimTask>, { root, count, onRun }: Threads): Promise<void> {
  const queue = tasks[Symbol.iterator]();
  let isEnough = false;
  const next = (): SimTask | null => {
    const { done, value } = isEnough ? { done: true, value: undefined } : queue.next();
    return done === true ? null : value ?? null;
  };
  const data: ThreadData = { root: (root ?? new URL('../../', import.meta.url)).href };
  const work = async (): Promise<void> => {
    let worker: Worker | null = null;
    try {
      for (let task = next(); task !== null; task = next()) {
        worker ??= new Worker(new URL('thread.ts', import.meta.url), { workerData: data, execArgv: ['--disable-warning=ExperimentalWarning'] });
        const result = await runOn(worker, task);
        if (result === null) {
          await worker.terminate();
          worker = null;
        }
        isEnough = onRun(task, result ?? endless) === true || isEnough;
      }
    } finally {
      await worker?.terminate();
    }
  };
  await Promise.all(Array.from({ length: count ?? availableParallelism() }, work));
}

/** null when it does not end. */
async function runOn(worker: Worker, task: SimTask): Promise<RunResult | null> {
  const signal = AbortSignal.timeout(runMsMax);
  worker.postMessage(task);
  try {
    const [result] = (await once(worker, 'message', { signal })) as [RunResult];
    return result;
  } catch (error) {
    if (!signal.aborted) throw error;
    return null;
  }
}

const endless: RunResult = {
  breach: { checker: 'ends', what: `the run did not end within ${String(runMsMax / 1_000)} s`, atMs: 0 },
  lengthMs: 0, calls: 0, callsInTrouble: 0, revisions: 0,
};
