/**
 * What becomes of each single call to the store and to a runner: how long it takes, and whether and when it fails.
 * Promises: drawn from a seed, one stream for each process and kind of call, so that leaving out one event of a run
 * disturbs as little as possible of the rest; the call of one number can be singled out to fail, or to be the last
 * thing its process does.
 */
import type { Random } from '../src/lib/random.ts';
import { seededRandom } from '../src/lib/random.ts';
import type { SimProcess } from './process.ts';

export interface Fate {
  /** Milliseconds until it has its effect, and from there until the answer is there. */
  readonly thereMs: number;
  readonly backMs: number;
  readonly fails: 'before' | 'after' | null;
  /** The process dies: before the call leaves it, or when it would hear the answer. */
  readonly dies: 'before' | 'after' | null;
  /** A call that its caller gives up while it is under way has no effect. */
  readonly endsWithCaller: boolean;
  /** A watch says again how far it has come. */
  readonly repeats: boolean;
}

/** How bad the weather is: ranges are drawn from evenly, shares are of calls. */
export interface Weather {
  readonly latencyMs: readonly [number, number];
  /** Share of calls that fail, half of them after their effect. */
  readonly failing: number;
  /** Share of calls that take long, and how long that is at most. */
  readonly slow: number;
  readonly slowMs: number;
}

/** Nothing goes wrong. */
export const calm: Weather = { latencyMs: [0, 2], failing: 0, slow: 0, slowMs: 0 };

/** One call that is singled out. */
export interface Single {
  /** Counts all calls of all processes from 1. */
  readonly number: number;
  readonly kind: 'fails before' | 'fails after' | 'dies before' | 'dies after';
}

export interface Fates {
  next(process: SimProcess, what: string): Fate;
  /** A process dies with its call of this number from now on, counted from 1. */
  doom(process: SimProcess, calls: number, dies: 'before' | 'after'): void;
  /** No process is doomed any more. */
  pardon(): void;
  /** The weather from now on. */
  become(weather: Weather): void;
  weather(): Weather;
  /** Calls so far. */
  calls(): number;
}

export interface FateNeeds {
  readonly seed: number;
  readonly weather: Weather;
  readonly single?: Single;
  /** Told of every call; `single` is how the one that was singled out ends. */
  readonly onCall: (process: SimProcess, what: string, single: string | null) => void;
}

export function createFates({ seed, weather, single, onCall }: FateNeeds): Fates {
  const streams = new Map<string, Random>();
  const doomed = new Map<SimProcess, { left: number; readonly dies: 'before' | 'after' }>();
  let now = weather;
  let calls = 0;
  const streamOf = (process: SimProcess, what: string): Random => {
    const key = `${process.name} ${what}`;
    let stream = streams.get(key);
    if (stream === undefined) streams.set(key, (stream = seededRandom(mixed(seed, key))));
    return stream;
  };
  return {
    next(process, what): Fate {
      calls += 1;
      const isSingled = single?.number === calls;
      onCall(process, what, isSingled ? single.kind : null);
      const drawn = draw(now, streamOf(process, what));
      const doom = doomed.get(process);
      if (doom !== undefined) doom.left -= 1;
      const dies = doom?.left === 0 ? doom.dies : null;
      return { ...drawn, dies, ...(isSingled ? singled[single.kind] : {}) };
    },
    doom: (process, left, dies) => void doomed.set(process, { left, dies }),
    pardon: () => doomed.clear(),
    become(weather): void {
      now = weather;
    },
    weather: () => now,
    calls: () => calls,
  };
}

const singled: Readonly<Record<Single['kind'], Partial<Fate>>> = {
  'fails before': { fails: 'before' },
  'fails after': { fails: 'after' },
  'dies before': { dies: 'before' },
  'dies after': { dies: 'after' },
};

function draw({ latencyMs: [min, max], failing, slow, slowMs }: Weather, random: Random): Fate {
  const latency = (): number => Math.floor(min + random.next() * (max - min + 1));
  const [thereMs, backMs] = [latency(), latency()];
  const luck = random.next();
  const extraMs = random.next() < slow ? Math.floor(random.next() * slowMs) : 0;
  const isSlowThere = random.next() < 0.5;
  return {
    thereMs: thereMs + (isSlowThere ? extraMs : 0),
    backMs: backMs + (isSlowThere ? 0 : extraMs),
    fails: luck < failing / 2 ? 'before' : luck < failing ? 'after' : null,
    dies: null,
    endsWithCaller: random.next() < 0.5,
    repeats: random.next() < 0.1,
  };
}

/** One seed from a seed and a word (FNV-1a over the word's characters). */
export function mixed(seed: number, word: string): number {
  let hash = (0x811c9dc5 ^ seed) >>> 0;
  for (let index = 0; index < word.length; index += 1)
    hash = Math.imul(hash ^ word.charCodeAt(index), 0x01000193) >>> 0;
  return hash;
}
