/**
 * Releases as API v2 has them.
 * Promises: plain JSON types without behaviour; every field name is the glossary's word.
 *
 * POST /releases        ReleaseRequest -> ReleaseAnswer   a new generation of the units of a template, or of one unit
 * POST /releases/NAME   ReleaseOrder   -> ReleaseAnswer   pause, resume, undo
 * GET  /releases        -> ReleaseList
 * GET  /releases/NAME   -> ReleaseDetails
 */

/** How a release is to proceed; what is left out is said by the unit's file, else by the default. */
export interface StrategyWish {
  readonly way?: 'surge' | 'in-place';
  /** "3" or "25%". */
  readonly batch?: string;
  readonly pause?: boolean;
  readonly maxFailures?: number;
  readonly minActiveMs?: number;
  readonly healthTimeoutMs?: number;
  readonly rollback?: boolean;
}

export interface ReleaseRequest {
  /** A template, or a unit that is to be released by itself. */
  readonly name: string;
  /** The new unit text; absent: what the cluster has, for a changed environment or image. */
  readonly text?: string;
  readonly strategy?: StrategyWish;
  /** Who asks, for the record. */
  readonly by?: string;
}

export interface ReleaseOrder {
  readonly action: 'pause' | 'resume' | 'undo';
  /** With undo: the generation to go back to; absent: the one before. */
  readonly to?: number;
  readonly by?: string;
}

export interface ReleaseAnswer {
  readonly revision: number;
  readonly release: ReleaseView;
}

export interface ReleaseList {
  readonly revision: number;
  readonly releases: readonly ReleaseView[];
}

export interface GenerationView {
  readonly number: number;
  readonly hash: string;
  readonly atMs: number;
  readonly by: string;
  readonly undoOf: number | null;
  readonly outcome: 'rolling' | 'done' | 'failed' | 'left';
  readonly why: string;
}

/** A unit, or a machine of a global unit, on its way. */
export interface ReleaseMoveView {
  readonly unit: string;
  /** The unit in whose place it starts; null in place. */
  readonly old: string | null;
  readonly machine: string | null;
  readonly phase: 'starting' | 'leaving' | 'failed';
  readonly generation: number;
  readonly healthySinceMs: number | null;
  readonly why: string;
}

export interface ReleaseFailureView {
  readonly unit: string;
  readonly machine: string | null;
  readonly generation: number;
  readonly why: string;
  readonly atMs: number;
}

/** A release and how far it is. */
export interface ReleaseView {
  readonly name: string;
  readonly state: 'rolling' | 'rolling-back' | 'held' | 'done' | 'rolled-back';
  readonly paused: boolean;
  /** A sentence about the state; may be empty. */
  readonly why: string;
  /** Why it goes in place though a surge was wanted; empty when it does not. */
  readonly inPlaceWhy: string;
  /** The generation being brought about, the one to go back to, and which of the two is the goal now. */
  readonly target: number;
  readonly origin: number;
  readonly goal: number;
  /** Units (of global ones: machines) that run, and those of them that have the goal. */
  readonly total: number;
  readonly changed: number;
  readonly strategy: Required<StrategyWish>;
  /** Oldest first. */
  readonly generations: readonly GenerationView[];
  readonly moves: readonly ReleaseMoveView[];
  readonly failures: readonly ReleaseFailureView[];
  readonly startedAtMs: number;
  readonly changedAtMs: number;
  readonly by: string;
}

/** One unit of a release on one machine. */
export interface ReleaseUnitView {
  readonly name: string;
  /** Empty when it is on none. */
  readonly machine: string;
  readonly address: string;
  readonly generation: number;
  readonly active: string;
  readonly health: string;
  /** Ports given out, by name. */
  readonly ports: Readonly<Record<string, number>>;
}

export interface ReleaseDetails extends ReleaseView {
  readonly units: readonly ReleaseUnitView[];
}
