/** What every kind of fault works with, and what it has to say of itself. */
import type { Random } from '../../src/lib/random.ts';
import type { Driver } from './driver.ts';
import type { Fault } from './history.ts';
import type { World } from './world.ts';

export interface Torment {
  readonly world: World;
  readonly random: Random;
  /** Lets time pass with the fault in effect. */
  readonly hold: (ms: number) => Promise<void>;
  readonly driver: Pick<Driver, 'beginRelease'>;
}

/** What there is to say of a fault when it is over. */
export type Effect = Pick<Fault, 'takes' | 'fences' | 'evidence'>;
export type FaultKind = (torment: Torment) => Promise<Effect>;

/** Shorter than a third of agent_ttl (5 s): nothing may be noticed. */
export const shortMs = 1_500;
/** What lasts longer may take a lease with it: agent_ttl less the time between two renewals. A busy host makes short faults long. */
const noticedMs = 3_000;
/** Longer than agent_ttl and than LostAfter= of the units that stop: machines are lost, fences fall. */
export const longMs = 12_000;

/** One of them, by chance. */
export function pick<T>(random: Random, among: readonly T[]): T {
  const found = among[Math.floor(random.next() * among.length)];
  if (found === undefined) throw new Error('nothing to choose from');
  return found;
}

/** Machines a fault that began then may have cost their lease by now. */
export function takenSince(beganMs: number, machines: readonly string[]): readonly string[] {
  return Date.now() - beganMs > noticedMs ? machines : [];
}

/** The effect of a fault that no unit may notice. */
export function unnoticed(evidence: string): Effect {
  return { takes: [], fences: false, evidence };
}
