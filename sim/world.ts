/** What the events of a run act on: the cluster from outside, as people and misfortune reach it. */
import type { ManualClock } from '../src/lib/manual-clock.ts';
import type { LedgerContents } from '../src/store/ledger.ts';
import type { Chronicle } from './chronicle.ts';
import type { Fates } from './fate.ts';
import type { SimulatedMachine } from './machine.ts';
import type { SimProcess } from './process.ts';
import type { StoreServer } from './store-server.ts';
import type { Acknowledged } from './witness.ts';

export interface World {
  /** True time. */
  readonly clock: ManualClock;
  readonly server: StoreServer;
  readonly chronicle: Chronicle;
  readonly machines: readonly SimulatedMachine[];
  readonly fates: Fates;
  readonly ttlMs: number;
  /** Undoes something after `forMs`, or earlier when faults stop. */
  during(forMs: number, undo: () => void): void;
  acknowledged(answer: Acknowledged): void;
  /** A part of a fleetd failed by a bug. */
  failed(process: SimProcess, error: unknown): void;
  /** Processes with a request that they have not answered yet, once for each. */
  readonly asked: Set<{ readonly process: SimProcess }>;
  /** Copies that people have made of the store's data, the oldest first. */
  readonly copies: LedgerContents[];
  /** For the trace. */
  tell(text: string): void;
}

/**
 * Numbers in [0, 1) that an event makes its choices with: the same ones choose the same, whatever else happens in the
 * run.
 */
export type Dice = readonly [number, number, number, number];

/** A kind of event: something people do, or that goes wrong. */
export interface EventKind {
  /** How often it is chosen, compared with the others. */
  readonly weight: number;
  /** Does it; answers what was done, null when it cannot be done now. */
  begin(world: World, dice: Dice): string | null;
}

/** One of a list that is not empty, by a die. */
export function pick<T>(list: readonly T[], die: number): T {
  const chosen = list[Math.floor(die * list.length)];
  if (chosen === undefined) throw new Error('an empty list has nothing to pick');
  return chosen;
}

/** A whole number from a range by a die, small ones more often: most troubles are short. */
export function scaled(die: number, [min, max]: readonly [number, number]): number {
  return Math.round(min + (max - min) * die ** 3);
}
