/**
 * A release as desired state: which generation the units of a name are to have, and how far they have come.
 * Promises: plain data; everything the engine needs to carry a release on stands in the record, so that any engine can do it.
 */
import type { MachineId } from '../machine.ts';
import type { FileHash, UnitRecord } from '../unit.ts';
import type { UnitName } from '../unit-name.ts';

/** How many units of a release are changed at a time: a number of them, or a share of all in percent. */
export interface ReleaseBatch {
  readonly amount: number;
  readonly percent: boolean;
}

/**
 * `surge`: an instance with the next free number is started, and when it is healthy the old one is destroyed.
 * `in-place`: the unit is stopped and started anew under its name.
 */
export type ReleaseWay = 'surge' | 'in-place';
export const releaseWays: readonly ReleaseWay[] = ['surge', 'in-place'];

/** How a release proceeds. */
export interface ReleaseStrategy {
  readonly way: ReleaseWay;
  readonly batch: ReleaseBatch;
  /** Pause once the first batch is healthy. */
  readonly pause: boolean;
  /** Units that may fail before the release itself has failed. */
  readonly maxFailures: number;
  /** How long a unit has to stay healthy until it counts. */
  readonly minActiveMs: number;
  /** How long a unit may take to become healthy. */
  readonly healthTimeoutMs: number;
  /** Go back to the generation before when it fails; otherwise it is held as it is. */
  readonly rollback: boolean;
}

/** What holds where neither the unit nor the command says otherwise. A unit that is no numbered instance goes in place all the same. */
export const defaultStrategy: ReleaseStrategy = {
  way: 'surge', batch: { amount: 1, percent: false }, pause: false, maxFailures: 0, minActiveMs: 5_000, healthTimeoutMs: 300_000,
  rollback: true,
};

/** What became of a generation. `left`: another one took its place before it was everywhere. */
export type GenerationOutcome = 'rolling' | 'done' | 'failed' | 'left';
export const generationOutcomes: readonly GenerationOutcome[] = ['rolling', 'done', 'failed', 'left'];

/** One generation: the content that the units of a name had from some moment on. */
export interface Generation {
  /** Grows with every release; units carry it as {@link UnitRecord.release}. */
  readonly number: number;
  readonly hash: FileHash;
  readonly atMs: number;
  readonly by: string;
  /** The generation whose content an undo brought back; null for a release. */
  readonly undoOf: number | null;
  readonly outcome: GenerationOutcome;
  /** A sentence about the outcome; empty when there is nothing to say. */
  readonly why: string;
}

/** One unit, or one machine of a global unit, on its way to a generation. */
export interface ReleaseMove {
  /** The unit that gets the generation. */
  readonly unit: UnitName;
  /** The unit that goes; null when `unit` is changed in place. */
  readonly old: UnitName | null;
  /** The machine whose turn it is, of a global unit; null for all others. */
  readonly machine: MachineId | null;
  readonly generation: number;
  /**
   * `starting`: it has not proved itself yet. `leaving`: `old` was destroyed and its machine has not let go of it yet.
   * `failed`: it did not get healthy, and a person is to decide.
   */
  readonly phase: ReleasePhase;
  readonly beganAtMs: number;
  /** Since when it is seen healthy without interruption; null while it is not. */
  readonly healthySinceMs: number | null;
  /** Which run of the unit is meant by that: another run begins anew. */
  readonly run: string;
  /** Why it failed; empty otherwise. */
  readonly why: string;
}
export type ReleasePhase = 'starting' | 'leaving' | 'failed';
export const releasePhases: readonly ReleasePhase[] = ['starting', 'leaving', 'failed'];

/** A unit that did not get healthy, and why. */
export interface ReleaseFailure {
  readonly unit: UnitName;
  readonly machine: MachineId | null;
  readonly generation: number;
  readonly why: string;
  readonly atMs: number;
}

/**
 * `rolling`: units get the target. `rolling-back`: those that got it go back to the origin. `held`: it failed, and waits for a
 * person. The other two are ends.
 */
export type ReleaseState = 'rolling' | 'rolling-back' | 'held' | 'done' | 'rolled-back';
export const releaseStates: readonly ReleaseState[] = ['rolling', 'rolling-back', 'held', 'done', 'rolled-back'];

/**
 * The releases of a template, or of a unit that is no instance of one (store key `releases/<name>`). Written by the API when a
 * person asks for something, by the engine when it carries that out, both guarded by the revision they have read.
 */
export interface ReleaseRecord {
  /** Oldest first; the last ones, see limits.generationsKept. */
  readonly generations: readonly Generation[];
  /** Number of the generation that is brought about. */
  readonly target: number;
  /** Number of the generation to go back to. */
  readonly origin: number;
  readonly strategy: ReleaseStrategy;
  readonly state: ReleaseState;
  /** No new unit is begun with; those begun with are brought to their end. */
  readonly paused: boolean;
  /** A sentence about the state; empty when there is nothing to say. */
  readonly why: string;
  /** Why it goes in place though a surge was wanted; empty when it does not. */
  readonly inPlaceWhy: string;
  readonly moves: readonly ReleaseMove[];
  readonly failures: readonly ReleaseFailure[];
  /** Batches begun with in this state. */
  readonly batches: number;
  readonly startedAtMs: number;
  readonly changedAtMs: number;
  readonly by: string;
}

/** One step of one release: everything in it happens together. */
export interface ReleaseStep {
  readonly name: UnitName;
  /** A sentence for people. */
  readonly why: string;
  /** The release as it is from now on; null when it is forgotten. */
  readonly record: ReleaseRecord | null;
  /** Units that are created, changed (a record) or destroyed (null). */
  readonly units: ReadonlyMap<UnitName, UnitRecord | null>;
}

/** Whether there is anything left to do for the engine or a person. */
export function isActive({ state }: Pick<ReleaseRecord, 'state'>): boolean {
  return state === 'rolling' || state === 'rolling-back' || state === 'held';
}

/** The number of the generation that the units are to have. */
export function goalOf({ state, target, origin }: Pick<ReleaseRecord, 'state' | 'target' | 'origin'>): number {
  return state === 'rolling-back' || state === 'rolled-back' ? origin : target;
}

export function generationOf({ generations }: ReleaseRecord, number: number): Generation | undefined {
  return generations.find((generation) => generation.number === number);
}
