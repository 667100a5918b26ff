/**
 * Fences of the fake machine: what process 1 does when a moment is over, whether a fleetd runs or not.
 * Promises: a fence falls exactly when its moment is over; everything bound to it begins to stop then.
 */
import { fenceUnit } from '../core/fence/fence-unit.ts';
import type { Clock } from '../lib/clock.ts';
import type { RenderedUnit, UnitFence } from './runner.ts';

/** Moments on the machine's own clock until which its fences stand, by lostAfterMs. */
export type FakeFences = Map<number, number>;

/** Whether a unit runs only behind this fence. */
export function isBoundTo(known: RenderedUnit, lostAfterMs: number): boolean {
  const line = `BindsTo=${fenceUnit(lostAfterMs)}`;
  return Object.values(known.dropIns).some((text) => text.split('\n').includes(line));
}

/** Whether a unit may be started: each fence it is bound to stands. */
export function mayRun(known: RenderedUnit, fences: FakeFences): boolean {
  const bound = Object.values(known.dropIns).flatMap((text) => [...text.matchAll(/^BindsTo=fleet-fence-(\d+)\.service$/gm)]);
  return bound.every(([, lostAfterMs]) => fences.has(Number(lostAfterMs)));
}

export interface FakeFenceNeeds {
  readonly clock: Clock;
  readonly fences: FakeFences;
  /** Brings the machine to now: what is due falls. */
  readonly settle: () => void;
  /** Whoever waits for the machine's next moment is to look again. */
  readonly tell: () => void;
  readonly enter: (signal: AbortSignal) => void;
}

export function createFakeFence({ clock, fences, settle, tell, enter }: FakeFenceNeeds): UnitFence {
  return {
    async standing(signal) {
      enter(signal);
      return new Set(fences.keys());
    },
    async raise({ lostAfterMs, untilMs }, signal) {
      enter(signal);
      if (untilMs <= clock.uptimeMs()) return 'its fence does not stand: its moment is over';
      fences.set(lostAfterMs, Math.max(untilMs, fences.get(lostAfterMs) ?? 0));
      tell();
      return null;
    },
    extend({ lostAfterMs, untilMs }) {
      settle();
      const before = fences.get(lostAfterMs);
      if (before !== undefined) fences.set(lostAfterMs, Math.max(before, untilMs));
    },
    async lower(lostAfterMs, signal) {
      enter(signal);
      if (fences.has(lostAfterMs)) fences.set(lostAfterMs, clock.uptimeMs());
      settle();
      return null;
    },
  };
}
