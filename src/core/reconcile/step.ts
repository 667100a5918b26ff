/**
 * What an agent does, as data: one step for one unit, with its reason.
 * Promises: an executor table typed by StepArgs does not compile while a kind of step has no executor.
 */
import type { FileHash } from '../unit.ts';
import type { UnitName } from '../unit-name.ts';
import type { RenderedUnit } from './render.ts';

interface StepArgs {
  /** Read a unit file from the store. */
  fetch: { readonly hash: FileHash };
  /** Take a unit out of the directory, some time before it is stopped. */
  drain: { readonly unit: UnitName };
  /** Put a unit back into the directory: it is not to be stopped after all. */
  undrain: { readonly unit: UnitName };
  /** Stop a unit, or note that one which does not run is not to be taken for a started one any more. */
  stop: { readonly unit: UnitName };
  /** Remove a stopped unit from the machine. */
  unload: { readonly unit: UnitName };
  /** Write the files of a unit. */
  load: { readonly unit: UnitName; readonly rendered: RenderedUnit };
  /** Have the manager read changed files. */
  reload: Record<never, never>;
  /** Have the manager forget that a unit failed, and how often it was started. */
  reset: { readonly unit: UnitName; readonly reset: number };
  /** Raise the fence of this lostAfterMs, so that units bound to it may run (docs/design/fencing.md). */
  raise: { readonly lostAfterMs: number };
  /** Take down a fence that no unit needs. */
  lower: { readonly lostAfterMs: number };
  /** Start a unit; one that runs already is left alone. */
  start: { readonly unit: UnitName; readonly restart: number };
  /** Start a unit anew, whether it runs or not. */
  restart: { readonly unit: UnitName; readonly restart: number };
}

export type StepKind = keyof StepArgs;
export type StepOf<K extends StepKind> = { readonly kind: K; readonly why: string } & StepArgs[K];
/** One step of an agent. `why` is a sentence for people. */
export type Step = { [K in StepKind]: StepOf<K> }[StepKind];

/** The order of a plan: room is made before anything is added, and all files are written before the first start. */
export const stepOrder: readonly StepKind[] = [
  'fetch', 'drain', 'undrain', 'stop', 'unload', 'load', 'reload', 'reset', 'lower', 'raise', 'start', 'restart',
];
