/**
 * Draining: a unit that serves somebody is taken out of the directory first, and stopped when its DrainTime= has passed.
 * Promises: pure; a unit without DrainTime= and one that does not run are stopped as ever; a wish that is taken back while a
 * unit drains puts it into the directory again; a stop that was carried out is never taken for a wish taken back.
 */
import type { UnitName } from '../unit-name.ts';
import type { Step } from './step.ts';

/** What is known of a running unit that has a DrainTime=. Moments are on the clock of the plan's `nowMs`. */
export interface Drain {
  readonly drainMs: number;
  /** Since when it drains; null while it does not. */
  readonly sinceMs: number | null;
  /** Whether it was stopped or restarted since: what is seen of it may be older than that. */
  readonly stopped: boolean;
}

/** What a unit that is to drain is planned with. */
export interface DrainView {
  readonly drains: ReadonlyMap<UnitName, Drain>;
  readonly observations: ReadonlyMap<UnitName, { readonly active: string }>;
  readonly nowMs: number;
}

/** systemd's states of a unit that answers others: only such a unit stands in the directory. */
export function isServing(active: string): boolean {
  return active === 'active' || active === 'reloading' || active === 'refreshing';
}

/** The steps planned for a unit, with what would end it put off until it has drained. */
export function drainFirst(view: DrainView, name: UnitName, steps: readonly Step[]): readonly Step[] {
  const drain = view.drains.get(name);
  if (drain === undefined || !isServing(view.observations.get(name)?.active ?? '')) return steps;
  const end = steps.find(({ kind }) => kind === 'stop' || kind === 'restart');
  if (end === undefined) {
    // The file of a unit that is about to be restarted is written first: nothing is taken back by that.
    if (drain.sinceMs === null || drain.stopped || steps.length > 0) return steps;
    return [{ kind: 'undrain', unit: name, why: 'it is to go on after all' }];
  }
  const others = steps.filter((step) => step !== end);
  if (drain.sinceMs === null) return [...others, { kind: 'drain', unit: name, why: end.why }];
  return leftMs(drain, view.nowMs) > 0 ? others : steps;
}

/** How long until a unit has drained; 0 when it has, or does not drain. */
export function leftMs({ drainMs, sinceMs }: Drain, nowMs: number): number {
  return sinceMs === null ? 0 : Math.max(0, sinceMs + drainMs - nowMs);
}
