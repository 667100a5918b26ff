/**
 * What happened in a run, as data: lives of processes, requests of people, faults, and how the cluster stands in the end. The verdict is a
 * function of it.
 * Promises: all times are those of one host's clock, ms since the epoch.
 */

/** One process of a unit, from its first to its last heartbeat. */
export interface Life {
  readonly unit: string;
  readonly machine: string;
  readonly pid: number;
  readonly fromMs: number;
  readonly untilMs: number;
  /** Which release its file is of; 0 for the first one, and where nothing is released. */
  readonly version: number;
}

/** What a person can ask of a unit here, of a template, and of a machine. */
export type UnitVerb = 'start' | 'stop' | 'restart' | 'destroy';
export type TemplateVerb = 'scale' | 'release';
export type MachineVerb = 'drain' | 'undrain' | 'cordon' | 'uncordon';
export type Verb = UnitVerb | TemplateVerb | MachineVerb;

/** One request, and whether fleetctl said that it was accepted. */
export interface Request {
  /** A unit, a template or a machine. */
  readonly subject: string;
  readonly verb: Verb;
  /** How many instances a scale asks for, which version a release brings; 0 for everything else. */
  readonly amount: number;
  readonly atMs: number;
  readonly accepted: boolean;
  /** Of a release: when it was seen to be over; null before. Others take effect at once, or not at all. */
  readonly overMs: number | null;
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

/** Seen by the kernel: a process found its unit's lock held, or its port in use on its machine. */
export interface Collision {
  readonly unit: string;
  readonly machine: string;
  readonly atMs: number;
}

/** How a release stands, as fleetctl says. */
export interface ReleaseEnd {
  readonly template: string;
  readonly state: 'rolling' | 'rolling-back' | 'held' | 'done' | 'rolled-back';
  readonly why: string;
}

/** How a machine stands, as fleetctl says. */
export interface MachineEnd {
  readonly machine: string;
  readonly state: 'up' | 'cordoned' | 'draining' | 'drained' | 'lost' | 'left';
}

export interface History {
  readonly lives: readonly Life[];
  readonly requests: readonly Request[];
  readonly faults: readonly Fault[];
  readonly overlaps: readonly Collision[];
  readonly portClashes: readonly Collision[];
  readonly releases: readonly ReleaseEnd[];
  readonly machines: readonly MachineEnd[];
  /** When the lives were read: a life whose last heartbeat is close to it goes on. */
  readonly readAtMs: number;
}
