/**
 * What happens in a run, worked out from its seed before it begins: how many machines, what weather, which events when.
 * Promises: the same seed gives the same scenario; any subset of the events is a scenario, too, which is how failures
 * are made short.
 */
import type { Random } from '../src/lib/random.ts';
import { seededRandom } from '../src/lib/random.ts';
import { mixed } from './fate.ts';
import type { Weather } from './fate.ts';
import { faults } from './faults.ts';
import { requests } from './requests.ts';
import { storeLosses } from './store-losses.ts';
import type { ClockError } from './process.ts';
import type { Dice, EventKind } from './world.ts';

/** One thing that people do or that goes wrong. */
export interface SimEvent {
  /** Its place among the events of its seed, from 1: how a replay names it. */
  readonly number: number;
  readonly atMs: number;
  readonly kind: string;
  readonly dice: Dice;
}

export interface Scenario {
  readonly seed: number;
  readonly ttlMs: number;
  readonly weather: Weather;
  /** One for each machine. */
  readonly clockErrors: readonly ClockError[];
  readonly roles: readonly string[];
  readonly events: readonly SimEvent[];
  /** How long events happen; then faults stop and everything must come to rest. */
  readonly troubleMs: number;
}

/** All that people do and that goes wrong, by name. */
export const eventKinds: Readonly<Record<string, EventKind>> = { ...requests, ...faults, ...storeLosses };

const weathers: readonly Weather[] = [
  { latencyMs: [0, 2], failing: 0, slow: 0, slowMs: 0 },
  { latencyMs: [1, 20], failing: 0.002, slow: 0.01, slowMs: 2_000 },
  { latencyMs: [1, 60], failing: 0.02, slow: 0.02, slowMs: 12_000 },
];

/** Length of the trouble, and the mean time between two events, in milliseconds. */
const troubleMs = { min: 60_000, max: 300_000 } as const;
const betweenMs = { min: 1_500, max: 9_000 } as const;
/** Copies, wiped stores and stores put back in a run that has them. */
const storeLossesCount = 8;
/** Clocks of real machines err by less than 500 ppm (the most that NTP corrects), their wall clocks by anything. */
const rateErrorMax = 0.000_5;
const wallErrorMsMax = 600_000;

export function scenarioOf(seed: number): Scenario {
  const random = seededRandom(seed);
  const between = (min: number, max: number): number => min + random.next() * (max - min);
  const count = [1, 2, 3, 3, 3, 4, 5][Math.floor(random.next() * 7)] ?? 3;
  const lengthMs = Math.round(between(troubleMs.min, troubleMs.max));
  const meanMs = between(betweenMs.min, betweenMs.max);
  const errors = (): ClockError => ({
    offsetMs: Math.round(between(-wallErrorMsMax, wallErrorMsMax)),
    rate: 1 + between(-rateErrorMax, rateErrorMax),
  });
  return {
    seed,
    ttlMs: random.next() < 0.7 ? 30_000 : 10_000,
    troubleMs: lengthMs,
    weather: weathers[Math.floor(random.next() * weathers.length)] ?? weathers[0]!,
    clockErrors: Array.from({ length: count }, errors),
    roles: Array.from({ length: count }, () => (random.next() < 0.5 ? 'db' : 'web')),
    events: numbered([...drawEvents(random, { lengthMs, meanMs }), ...drawStoreLosses(seed, lengthMs)]),
  };
}

function drawEvents(
  random: Random,
  { lengthMs, meanMs }: { readonly lengthMs: number; readonly meanMs: number },
): readonly Drawn[] {
  const events: Drawn[] = [];
  // Two kinds are left out of each run, so that what they cover up shows.
  const left = new Set([0, 1].map(() => Object.keys(faults)[Math.floor(random.next() * Object.keys(faults).length)]));
  const kinds = Object.entries({ ...requests, ...faults }).filter(([name]) => !left.has(name));
  for (let atMs = 1_000; atMs < lengthMs; atMs += Math.ceil(-Math.log(1 - random.next()) * meanMs)) {
    events.push({
      atMs,
      kind: choose(kinds, random.next()),
      dice: [random.next(), random.next(), random.next(), random.next()],
    });
  }
  return events;
}

type Drawn = Omit<SimEvent, 'number'>;

/** In every third run the store's data are lost, drawn apart so that the other events of a seed stay as they are. */
function drawStoreLosses(seed: number, lengthMs: number): readonly Drawn[] {
  const random = seededRandom(mixed(seed, 'store losses'));
  if (random.next() > 1 / 3) return [];
  const kinds = Object.entries(storeLosses);
  return Array.from({ length: storeLossesCount }, () => ({
    atMs: Math.round(random.next() * lengthMs),
    kind: choose(kinds, random.next()),
    dice: [random.next(), random.next(), random.next(), random.next()],
  }));
}

const numbered = (drawn: readonly Drawn[]): readonly SimEvent[] =>
  drawn.toSorted((one, other) => one.atMs - other.atMs).map((event, index) => ({ number: index + 1, ...event }));

function choose(kinds: readonly (readonly [string, EventKind])[], die: number): string {
  let left = die * kinds.reduce((sum, [, { weight }]) => sum + weight, 0);
  for (const [name, { weight }] of kinds) {
    left -= weight;
    if (left < 0) return name;
  }
  return 'start';
}
