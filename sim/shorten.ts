/**
 * Makes a failing run short: fewer events, better weather, as long as the same promise is broken.
 * Promises: what it answers breaks the same promise; it tries a bounded number of runs.
 */
import { calm } from './fate.ts';
import type { Scenario } from './scenario.ts';
import { simulate } from './simulate.ts';
import type { Breach } from './run.ts';

/** Runs that are tried before the shortest so far is good enough. */
const runsMax = 150;

/** What is left of the scenario of a seed. */
export interface Cut {
  /** Numbers of the events that happen; null for all. */
  readonly events: readonly number[] | null;
  /** No call is slow or fails by chance. */
  readonly calm: boolean;
}

export const wholeRun: Cut = { events: null, calm: false };

/** The scenario of a seed with less in it. */
export function cutScenario(scenario: Scenario, cut: Cut): Scenario {
  const { events } = cut;
  return {
    ...scenario,
    weather: cut.calm ? calm : scenario.weather,
    events: events === null ? scenario.events : scenario.events.filter(({ number }) => events.includes(number)),
  };
}

/** The arguments of `npm run sim --` that replay it. */
export function replayArguments(seed: number, { events, calm: isCalm }: Cut): string {
  return [
    `--seed ${String(seed)}`,
    ...(events === null ? [] : [`--events ${events.join(',')}`]),
    ...(isCalm ? ['--calm'] : []),
  ].join(' ');
}

/** A cut that breaks the same promise with as little as can be found. */
export async function shorten(scenario: Scenario, breach: Breach): Promise<Cut> {
  let runs = 0;
  const breaks = async (cut: Cut): Promise<boolean> => {
    runs += 1;
    const result = await simulate(cutScenario(scenario, cut));
    return result.breach?.checker === breach.checker;
  };
  let best: Cut = { events: scenario.events.map(({ number }) => number), calm: false };
  const offer = async (cut: Cut): Promise<boolean> => {
    const isGood = runs < runsMax && (await breaks(cut));
    if (isGood) best = cut;
    return isGood;
  };
  const before = scenario.events.filter(({ atMs }) => atMs <= breach.atMs).map(({ number }) => number);
  await offer({ events: before, calm: false });
  await offer({ ...best, calm: true });
  // Leave out halves, then quarters, and so on, down to single events (Zeller's delta debugging, without complements).
  for (
    let size = Math.ceil((best.events?.length ?? 0) / 2);
    size >= 1 && runs < runsMax;
    size = size === 1 ? 0 : Math.ceil(size / 2)
  ) {
    for (let at = 0; at < (best.events?.length ?? 0) && runs < runsMax;) {
      const events = (best.events ?? []).toSpliced(at, size);
      if (!(await offer({ ...best, events }))) at += size;
    }
  }
  await offer({ ...best, calm: true });
  return best;
}
