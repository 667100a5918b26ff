/**
 * A story in which every single call to the store and to a runner fails once, before its effect and after it, and is
 * once the last thing its process does, before and after: a crash between any two awaits that leave the process.
 * Promises: the story is the same each time but for that call; checkers look at every step of each telling.
 */
import { calm } from './fate.ts';
import type { Single } from './fate.ts';
import type { Scenario, SimEvent } from './scenario.ts';
import { simulate } from './simulate.ts';
import type { RunResult } from './simulate.ts';

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

/** Tells the story, with one call that goes wrong or none. */
export function tellStory(single: Single | null, write?: (line: string) => void): Promise<RunResult> {
  return simulate(story, { ...(single === null ? {} : { single }), ...(write === undefined ? {} : { write }) });
}

/** Every call of a story with so many of them, each with the next way to go wrong, or with all four. */
export function singlesOf(calls: number, allKinds: boolean): readonly Single[] {
  return Array.from({ length: calls }, (_, index) => index + 1).flatMap((number) => {
    const turn = number % singleKinds.length;
    return (allKinds ? singleKinds : singleKinds.slice(turn, turn + 1)).map((kind) => ({ number, kind }));
  });
}
