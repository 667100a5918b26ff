/** One run of the simulator as data, so that it can be handed to another thread. */
import { tellStory } from './every-call.ts';
import type { Single } from './fate.ts';
import { scenarioOf } from './scenario.ts';
import { simulate } from './simulate.ts';
import type { RunResult } from './simulate.ts';

/** The run of a seed, or the story with one call that goes wrong. */
export type SimTask = { readonly seed: number } | { readonly single: Single | null };

/** Runs it; the same task gives the same result. */
export function runTask(task: SimTask): Promise<RunResult> {
  return 'seed' in task ? simulate(scenarioOf(task.seed)) : tellStory(task.single);
}

/** How to see the run of a task again. */
export function replayOf(task: SimTask): string {
  if ('seed' in task) return `npm run sim -- --seed ${String(task.seed)}`;
  const { single } = task;
  return `npm run sim -- --call ${String(single?.number ?? 0)} --how '${single?.kind ?? 'fails before'}'`;
}
