/**
 * `npm run sim`: runs simulated clusters by seed and says which promise was broken, how to see it again, and what
 * happened.
 *   npm run sim -- --seed 7 [--events 3,9] [--calm] [--trace]     one run
 *   npm run sim -- --seeds 1..500                                 many
 *   npm run sim -- --hours 24 [--from 1]                          seeds until so many hours have been simulated
 *   npm run sim -- --every-call                                   each call of a story fails once, in four ways
 *   npm run sim -- --call 17 --how 'dies after' [--trace]         the same story, with one call that goes wrong
 * Promises: exits non-zero when a promise was broken; a failing seed is made short before it is shown.
 */
import { parseArgs } from 'node:util';
import { singleKinds, singlesOf, tellStory } from '../sim/every-call.ts';
import type { Breach } from '../sim/run.ts';
import { scenarioOf } from '../sim/scenario.ts';
import { cutScenario, replayArguments, shorten, wholeRun } from '../sim/shorten.ts';
import type { Cut } from '../sim/shorten.ts';
import { simulate } from '../sim/simulate.ts';
import type { RunResult } from '../sim/simulate.ts';
import { replayOf } from '../sim/task.ts';
import type { SimTask } from '../sim/task.ts';
import { runTasks } from './simulation/threads.ts';

/** Lines of a failing run that are printed without --trace. */
const traceLinesMax = 120;
const hourMs = 3_600_000;
/** Runs between two lines that say how far it has come. */
const progressRuns = 100;

const print = (line: string): void => void process.stdout.write(`${line}\n`);

/** What is wrong with the command line, in one line. */
class UsageError extends Error {}

const { values: options } = parseOptions();

function parseOptions(): { readonly values: Readonly<Record<string, string | boolean | undefined>> } {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  const known = {
    seed: text, seeds: text, hours: text, from: text, events: text, call: text, how: text, calm: flag, trace: flag, 'every-call': flag,
  };
  try {
    return parseArgs({ options: known });
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    process.exit(2);
  }
}

/** A whole number that is at least 1. */
function numberOf(name: string, text: unknown): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 1) throw new UsageError(`--${name}: "${String(text)}" is not a whole number from 1 on`);
  return number;
}

function say({ checker, what, atMs }: Breach): string {
  return `BROKEN ${checker} at ${(atMs / 1_000).toFixed(3)}s: ${what}`;
}

/** Runs one seed; answers whether all promises were kept. */
async function runSeed(seed: number, cut: Cut): Promise<boolean> {
  const scenario = cutScenario(scenarioOf(seed), cut);
  const { breach, lengthMs } = await simulate(scenario, options['trace'] === true ? { write: print } : {});
  if (breach === null) {
    print(`seed ${String(seed)}: every promise was kept for ${(lengthMs / 60_000).toFixed(1)} simulated minutes`);
    return true;
  }
  print(`seed ${String(seed)}: ${say(breach)}`);
  if (options['trace'] !== true) await show(seed, cut.events === null ? await shorten(scenario, breach) : cut);
  return false;
}

/** Prints the end of a failing run, and how to see all of it. */
async function show(seed: number, cut: Cut): Promise<void> {
  const lines: string[] = [];
  await simulate(cutScenario(scenarioOf(seed), cut), { write: (line) => lines.push(line) });
  if (lines.length > traceLinesMax) print(`  … ${String(lines.length - traceLinesMax)} lines before`);
  for (const line of lines.slice(-traceLinesMax)) print(`  ${line}`);
  print(`replay: npm run sim -- ${replayArguments(seed, cut)} --trace`);
}

/** Runs many tasks on all processors and says how it went; answers whether all promises were kept. */
async function runMany(tasks: (lengthMs: () => number) => Iterable<SimTask>): Promise<boolean> {
  const startedMs = performance.now();
  const broken: { readonly task: SimTask; readonly breach: Breach }[] = [];
  let [runs, lengthMs] = [0, 0];
  const onRun = (task: SimTask, result: RunResult): void => {
    runs += 1;
    lengthMs += result.lengthMs;
    if (result.breach !== null) {
      broken.push({ task, breach: result.breach });
      print(`${'seed' in task ? `seed ${String(task.seed)}: ` : ''}${say(result.breach)}; replay: ${replayOf(task)}`);
    }
    if (runs % progressRuns === 0) print(`${String(runs)} runs, ${(lengthMs / hourMs).toFixed(1)} simulated hours`);
  };
  await runTasks(tasks(() => lengthMs), { onRun });
  const minutes = (performance.now() - startedMs) / 60_000;
  const hours = lengthMs / hourMs;
  print(
    `${String(runs)} runs, ${hours.toFixed(1)} simulated hours in ${minutes.toFixed(1)} minutes ` +
      `(${(hours / minutes).toFixed(0)} hours per minute), ${String(broken.length)} broke a promise`,
  );
  const first = broken.find(({ task }) => 'seed' in task);
  if (first !== undefined && 'seed' in first.task) await runSeed(first.task.seed, wholeRun);
  return broken.length === 0;
}

function* seedsFrom(first: number, goesOn: (seed: number) => boolean): Generator<SimTask> {
  for (let seed = first; goesOn(seed); seed += 1) yield { seed };
}

async function runEveryCall(): Promise<boolean> {
  const { callsInTrouble } = await tellStory(null);
  return runMany(() => singlesOf(callsInTrouble, true).map((single): SimTask => ({ single })));
}

async function runCall(): Promise<boolean> {
  const kind = singleKinds.find((one) => one === options['how']);
  if (kind === undefined) throw new UsageError(`--how: "${String(options['how'])}" is none of ${singleKinds.join(', ')}`);
  const { breach } = await tellStory({ number: numberOf('call', options['call']), kind }, options['trace'] === true ? print : undefined);
  print(breach === null ? 'every promise was kept' : say(breach));
  return breach === null;
}

async function main(): Promise<boolean> {
  if (options['every-call'] === true) return runEveryCall();
  if (options['call'] !== undefined) return runCall();
  const first = numberOf('from', options['from'] ?? 1);
  if (options['seeds'] !== undefined) {
    const range = /^(\d+)\.\.(\d+)$/.exec(String(options['seeds']));
    if (range === null) throw new UsageError(`--seeds: "${String(options['seeds'])}" is not of the form FIRST..LAST`);
    const [from, to] = [numberOf('seeds', range[1]), numberOf('seeds', range[2])];
    return runMany(() => seedsFrom(from, (seed) => seed <= to));
  }
  if (options['hours'] !== undefined) {
    const wantedMs = Number(options['hours']) * hourMs;
    if (!(wantedMs > 0)) throw new UsageError(`--hours: "${String(options['hours'])}" is not a number of hours`);
    return runMany((lengthMs) => seedsFrom(first, () => lengthMs() < wantedMs));
  }
  const events = options['events'] === undefined ? null : String(options['events']).split(',').map((text) => numberOf('events', text));
  return runSeed(numberOf('seed', options['seed'] ?? first), { events, calm: options['calm'] === true });
}

try {
  process.exitCode = (await main()) ? 0 : 1;
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
}
