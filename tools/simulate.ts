/**
 * `npm run sim`: runs simulated clusters by seed and says which promise was broken, how to see it again, and what
 * happened.
 *   npm run sim -- --seed 7 [--events 3,9] [--calm] [--trace]     one run
 *   npm run sim -- --seeds 1..500                                 many
 *   npm run sim -- --hours 24 [--from 1]                          seeds until so many hours have been simulated
 *   npm run sim -- --every-call                                   each call of a story fails once, in four ways
 * Promises: exits non-zero when a promise was broken; a failing seed is made short before it is shown.
 */
import { parseArgs } from 'node:util';
import { everyCall } from '../sim/every-call.ts';
import { scenarioOf } from '../sim/scenario.ts';
import { cutScenario, replayArguments, shorten, wholeRun } from '../sim/shorten.ts';
import type { Cut } from '../sim/shorten.ts';
import { simulate } from '../sim/simulate.ts';
import type { Breach } from '../sim/run.ts';

/** Lines of a failing run that are printed without --trace. */
const traceLinesMax = 120;
const hourMs = 3_600_000;

const { values: options } = parseArgs({
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string' },
    hours: { type: 'string' },
    from: { type: 'string', default: '1' },
    events: { type: 'string' },
    calm: { type: 'boolean', default: false },
    trace: { type: 'boolean', default: false },
    'every-call': { type: 'boolean', default: false },
  },
});

const print = (line: string): void => void process.stdout.write(`${line}\n`);

function say({ checker, what, atMs }: Breach): string {
  return `BROKEN ${checker} at ${(atMs / 1_000).toFixed(3)}s: ${what}`;
}

/** Runs one seed; answers how long it was, and whether all promises were kept. */
async function runSeed(seed: number, cut: Cut): Promise<{ readonly lengthMs: number; readonly kept: boolean }> {
  const scenario = cutScenario(scenarioOf(seed), cut);
  const result = await simulate(scenario, options.trace ? { write: print } : {});
  if (result.breach === null) return { lengthMs: result.lengthMs, kept: true };
  print(`seed ${String(seed)}: ${say(result.breach)}`);
  if (!options.trace) await show(seed, cut.events === null ? await shorten(scenario, result.breach) : cut);
  return { lengthMs: result.lengthMs, kept: false };
}

/** Prints the end of a failing run, and how to see all of it. */
async function show(seed: number, cut: Cut): Promise<void> {
  const lines: string[] = [];
  await simulate(cutScenario(scenarioOf(seed), cut), { write: (line) => lines.push(line) });
  if (lines.length > traceLinesMax) print(`  … ${String(lines.length - traceLinesMax)} lines before`);
  for (const line of lines.slice(-traceLinesMax)) print(`  ${line}`);
  print(`replay: npm run sim -- ${replayArguments(seed, cut)} --trace`);
}

/** Seeds of a range, or from one on until the time has been simulated. */
async function runMany(first: number, isEnough: (seed: number, lengthMs: number) => boolean): Promise<boolean> {
  const startedMs = performance.now();
  let [seed, lengthMs, broken] = [first, 0, 0];
  for (; !isEnough(seed, lengthMs); seed += 1) {
    const run = await runSeed(seed, wholeRun);
    lengthMs += run.lengthMs;
    if (!run.kept) broken += 1;
    if ((seed - first + 1) % 100 === 0)
      print(`${String(seed - first + 1)} seeds, ${(lengthMs / hourMs).toFixed(1)} simulated hours`);
  }
  const minutes = (performance.now() - startedMs) / 60_000;
  const hours = lengthMs / hourMs;
  print(
    `${String(seed - first)} seeds, ${hours.toFixed(1)} simulated hours in ${minutes.toFixed(1)} minutes ` +
      `(${(hours / minutes).toFixed(0)} hours per minute), ${String(broken)} seeds broke a promise`,
  );
  return broken === 0;
}

async function runEveryCall(): Promise<boolean> {
  const { breaches, runs, calls } = await everyCall(true);
  for (const { number, kind, breach } of breaches) print(`call ${String(number)} ${kind}: ${say(breach)}`);
  print(`${String(calls)} calls, ${String(runs)} runs, ${String(breaches.length)} broke a promise`);
  return breaches.length === 0;
}

async function main(): Promise<boolean> {
  if (options['every-call']) return runEveryCall();
  if (options.seeds !== undefined) {
    const [first = 1, last = first] = options.seeds.split('..').map(Number);
    return runMany(first, (seed) => seed > last);
  }
  if (options.hours !== undefined) {
    const wantedMs = Number(options.hours) * hourMs;
    return runMany(Number(options.from), (_seed, lengthMs) => lengthMs >= wantedMs);
  }
  const seed = Number(options.seed ?? options.from);
  const events = options.events?.split(',').map(Number) ?? null;
  const { kept, lengthMs } = await runSeed(seed, { events, calm: options.calm });
  if (kept)
    print(`seed ${String(seed)}: every promise was kept for ${(lengthMs / 60_000).toFixed(1)} simulated minutes`);
  return kept;
}

process.exitCode = (await main()) ? 0 : 1;
