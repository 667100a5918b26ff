/**
 * A story in which every single call to the store and to a runner fails once, before its effect and after it, and is
 * once the last thing its process does, before and after: a crash between any two awaits that leave the process.
 * Promises: the story is the same each time but for that call; checkers look at every step of each telling.
 */
import { calm } from './fate.ts';
import type { Single } from './fate.ts';
import type { Scenario, SimEvent } from './scenario.ts';
import { simulate } from './simulate.ts';
import type { Breach } from './run.ts';

/**
 * A story of two machines: units come, change, move with a machine that leaves, and go. Dice choose units of the
 * catalogue.
 */
const events: readonly Omit<SimEvent, 'number'>[] = [
  { atMs: 1_000, kind: 'start', dice: [0, 0.9, 0, 0] },
  { atMs: 6_000, kind: 'start', dice: [0.6, 0.9, 0.9, 0] },
  { atMs: 12_000, kind: 'restartUnit', dice: [0, 0.5, 0.9, 0] },
  { atMs: 18_000, kind: 'replace', dice: [0, 0, 0, 0.9] },
  { atMs: 24_000, kind: 'leave', dice: [0.9, 0.1, 0, 0] },
  { atMs: 35_000, kind: 'destroy', dice: [0.6, 0.9, 0, 0] },
];

const story: Scenario = {
  seed: 1,
  ttlMs: 10_000,
  weather: calm,
  troubleMs: 45_000,
  roles: ['db', 'web'],
  clockErrors: [
    { offsetMs: 0, rate: 1 },
    { offsetMs: 5_000, rate: 1.000_2 },
  ],
  events: events.map((event, index) => ({ ...event, number: index + 1 })),
};

/** How a call may go wrong. */
export const singleKinds: readonly Single['kind'][] = ['fails before', 'fails after', 'dies before', 'dies after'];

export interface EveryCall {
  readonly calls: number;
  readonly runs: number;
  readonly breaches: readonly (Single & { readonly breach: Breach })[];
}

/** Tells the story once for every call, each time with the next way to fail, or with all four of them. */
export async function everyCall(allKinds: boolean): Promise<EveryCall> {
  const breaches: (Single & { readonly breach: Breach })[] = [];
  const calls = (await simulate(story)).callsInTrouble;
  let runs = 0;
  for (let number = 1; number <= calls; number += 1) {
    const turn = number % singleKinds.length;
    for (const kind of allKinds ? singleKinds : singleKinds.slice(turn, turn + 1)) {
      const { breach } = await simulate(story, { single: { number, kind } });
      runs += 1;
      if (breach !== null) breaches.push({ number, kind, breach });
    }
  }
  return { calls, runs, breaches };
}
