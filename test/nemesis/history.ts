/**
 * What happened in a run, as data: lives of processes, requests of people, faults. The verdict is a function of it.
 * Promises: all times are those of one host's clock, ms since the epoch.
 */

/** Whether a unit may go on running on a machine the cluster has lost (keep) or stops by itself before it starts elsewhere (stop). */
export type UnitKind = 'keep' | 'stop';

/** One process of a unit, from its first to its last heartbeat. */
export interface Life {
  readonly unit: string;
  readonly machine: string;
  readonly pid: number;
  readonly fromMs: number;
  readonly untilMs: number;
}

/** What a person can ask of a unit here. */
export type Verb = 'start' | 'stop' | 'restart' | 'destroy';

/** One request, and whether fleetctl said that it was accepted. */
export interface Request {
  readonly unit: string;
  readonly verb: Verb;
  readonly atMs: number;
  readonly accepted: boolean;
}

/** A fault that took effect. */
export interface Fault {
  readonly kind: string;
  /** Machines it may have taken units from: their power, or their place in the cluster. Empty when units must not notice it. */
  readonly takes: readonly string[];
  /** Whether machines could not renew their leases, so that units of kind "stop" may have stopped, on any machine. */
  readonly fences: boolean;
  readonly fromMs: number;
  /** When its cause was over. */
  readonly untilMs: number;
  /** How it was seen that it took effect, one line. */
  readonly evidence: string;
}

/** Seen by the kernel: a process found its unit's lock held by another. */
export interface Overlap {
  readonly unit: string;
  readonly machine: string;
  readonly atMs: number;
}

export interface History {
  readonly lives: readonly Life[];
  readonly requests: readonly Request[];
  readonly faults: readonly Fault[];
  readonly overlaps: readonly Overlap[];
  /** When the lives were read: a life whose last heartbeat is close to it goes on. */
  readonly readAtMs: number;
}
