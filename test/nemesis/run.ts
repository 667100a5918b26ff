/**
 * One run of the nemesis: trouble by a seed while people work, then peace, then the verdict.
 * Promises: the order of faults and requests is a function of the seed; every kind of fault comes once in each round, on machines that are ready; a
 * run in which one took no effect fails; it ends in a bounded time.
 */
import { seededRandom, type Random } from '../../src/lib/random.ts';
import { createDriver } from './driver.ts';
import { faultKinds } from './faults.ts';
import type { Fault, History } from './history.ts';
import { readCollisions, readLives } from './holder.ts';
import type { Torment } from './torment.ts';
import { clock, violations } from './verdict.ts';
import { openWorld, type World } from './world.ts';

export interface NemesisOptions {
  readonly seed: number;
  /** For how long faults are begun; at least one round of all kinds is made. */
  readonly minutes: number;
  /** Name of the lab, at most 7 characters. */
  readonly lab: string;
  readonly log: (line: string) => void;
}

export interface NemesisResult {
  readonly violations: readonly string[];
  readonly summary: readonly string[];
}

const restMs = { least: 300, most: 1_500 };
/** How long after the last fault everything that was accepted has to be in effect. */
const convergenceMs = 120_000;

export async function runNemesis(options: NemesisOptions): Promise<NemesisResult> {
  const random = seededRandom(options.seed);
  const world = await openWorld(options.lab);
  const pause = (ms: number): Promise<void> => new Promise((resolve) => { setTimeout(resolve, ms); });
  try {
    const driver = createDriver(world, seededRandom(options.seed + 1), pause);
    await driver.begin();
    const stop = new AbortController();
    const working = driver.run(stop.signal);
    const faults: Fault[] = [];
    const failed: string[] = [];
    try {
      await inflictAll({ world, random, hold: pause, driver }, { faults, failed, endMs: Date.now() + options.minutes * 60_000, log: options.log });
    } finally {
      stop.abort();
      await working;
    }
    await world.whole();
    await driver.settle();
    const history = await settled(world, async () => ({
      faults, ...await driver.look(), requests: driver.requests, lives: await readLives(world.folder),
      overlaps: await readCollisions(world.folder, 'overlaps'), portClashes: await readCollisions(world.folder, 'clashes'), readAtMs: Date.now(),
    }), pause);
    return { violations: [...failed, ...violations(history)], summary: summaryOf(options, history) };
  } finally {
    await world.close();
  }
}

interface Course {
  /** What has been done; it grows. */
  readonly faults: Fault[];
  /** Faults that did not show their effect, or could not be taken back, one sentence each; it grows. */
  readonly failed: string[];
  /** When no more faults are begun, once every kind has come. */
  readonly endMs: number;
  readonly log: (line: string) => void;
}

/** Rounds of every kind once, in random order. */
async function inflictAll(torment: Torment, { faults, failed, endMs, log }: Course): Promise<void> {
  const kinds = Object.keys(faultKinds);
  let order: readonly string[] = [];
  while (Date.now() < endMs || faults.length < kinds.length) {
    order = order.length === 0 ? shuffled(kinds, torment.random) : order.slice(1);
    const [kind = ''] = order;
    const inflict = faultKinds[kind];
    if (inflict === undefined) continue;
    let fromMs = Date.now();
    try {
      // Two short faults in a row are as long as a long one, and each is to show by itself that it is not noticed.
      await torment.world.renewed();
      fromMs = Date.now();
      faults.push({ kind, ...await inflict(torment), fromMs, untilMs: Date.now() });
    } catch (error) {
      const evidence = `${kind} at ${clock(fromMs)} failed: ${error instanceof Error ? error.message : String(error)}`;
      failed.push(evidence);
      // Whatever it has done, nobody else is to be blamed for it.
      faults.push({ kind, takes: torment.world.machines.map(({ name }) => name), fences: true, evidence, fromMs, untilMs: Date.now() });
    }
    log(`${clock(fromMs)} ${kind}: ${faults.at(-1)?.evidence ?? ''}`);
    await torment.hold(restMs.least + torment.random.next() * (restMs.most - restMs.least));
  }
}

/** Reads until nothing is wrong any more or the time for it is over. */
async function settled(world: World, read: () => Promise<History>, pause: (ms: number) => Promise<void>): Promise<History> {
  await world.whole();
  const endMs = Date.now() + convergenceMs;
  for (;;) {
    const history = await read();
    if (violations(history).length === 0 || Date.now() > endMs) return history;
    await pause(1_000);
  }
}

function shuffled(names: readonly string[], random: Random): readonly string[] {
  return names.map((name) => ({ name, order: random.next() })).sort((left, right) => left.order - right.order).map(({ name }) => name);
}

function summaryOf({ seed, minutes }: NemesisOptions, history: History): readonly string[] {
  const { faults, requests, lives, overlaps, releases } = history;
  const counts = Object.keys(faultKinds).map((kind) => `  ${String(faults.filter((fault) => fault.kind === kind).length).padStart(4)}  ${kind}`);
  const accepted = requests.filter((request) => request.accepted);
  const byVerb = [...new Set(requests.map(({ verb }) => verb))].sort()
    .map((verb) => `${accepted.filter((request) => request.verb === verb).length} ${verb}`);
  const durationS = Math.round((history.readAtMs - (faults[0]?.fromMs ?? history.readAtMs)) / 1_000);
  return [
    `seed ${seed}, ${minutes} minutes asked for, ${durationS} s with the return to peace`,
    `${faults.length} faults:`, ...counts,
    `${requests.length} requests, ${accepted.length} accepted (${byVerb.join(', ')}); ${lives.length} processes`,
    `releases in the end: ${releases.map(({ template, state }) => `${template} ${state}`).join(', ')}`,
    `${overlaps.length} processes began while another of their unit still ran, as units may that go on on lost machines`,
  ];
}
