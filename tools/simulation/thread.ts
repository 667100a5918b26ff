/** A thread that runs simulations: takes tasks one after the other, and answers with what became of each. */
import { parentPort, workerData } from 'node:worker_threads';
import type { RunResult } from '../../sim/simulate.ts';
import type { SimTask } from '../../sim/task.ts';

/** What a thread is started with. */
export interface ThreadData {
  /** URL of the folder that has sim/ and src/, ending in a slash: this repository, or a copy of it with a mistake. */
  readonly root: string;
}

const { root } = workerData as ThreadData;
const { runTask } = (await import(new URL('sim/task.ts', root).href)) as { readonly runTask: (task: SimTask) => Promise<RunResult> };

parentPort?.on('message', (task: SimTask) => {
  void runTask(task).then((result) => parentPort?.postMessage(result));
});
