/** A unit of the cluster: what a person asked for, and what was decided and seen about it. */
import type { Health } from './health-check.ts';
import type { MachineId } from './machine.ts';
import type { PortOrigin } from './ports.ts';
import type { UnitName } from './unit-name.ts';

declare const fileHashBrand: unique symbol;
/** SHA-1 of the canonical unit text, 40 hexadecimal characters (compat.md: what people see as HASH). */
export type FileHash = string & { readonly [fileHashBrand]: 'FileHash' };

/** What a person wants of a unit; the words of fleet 1.0's API. */
export type DesiredState = 'inactive' | 'loaded' | 'launched';
export const desiredStates: readonly DesiredState[] = ['inactive', 'loaded', 'launched'];

/** A unit as asked for (store key `units/<name>`, written by the API, and by the engine for a release). */
export interface UnitRecord {
  readonly hash: FileHash;
  readonly desired: DesiredState;
  /** Grows by one with every change of this record: tells a new wish from the old one. */
  readonly generation: number;
  /**
   * Grows by one with every wish to run it anew: `fleetctl restart`, and a start after a stop. The agent restarts what was started
   * before; together with the hash it tells whether a oneshot has done what was asked.
   */
  readonly restart: number;
  /** Grows by one with every `fleetctl reset-failed`: its failures are forgotten, and so is how often it was started. */
  readonly reset: number;
  /** Grows by one with every release of the unit: it gets the next ports, which a restart keeps. */
  readonly release: number;
  readonly changedAtMs: number;
  readonly changedBy: string;
  /**
   * Where the unit runs already without having been placed: it was taken over from another cluster (`fleetctl import`).
   * Until it is first assigned it waits for that machine. Null for all others; any later wish ends it.
   */
  readonly adoptOn: MachineId | null;
}

/** All a machine needs to know to run a unit (store key `assignments/<machine>/<name>`, written by the engine only). */
export interface Assignment {
  readonly hash: FileHash;
  readonly desired: 'loaded' | 'launched';
  readonly restart: number;
  /** The reset generation of the unit's record. */
  readonly reset: number;
  /** The unit's release that the ports were given out for. */
  readonly release: number;
  /** Ports given out, by name. */
  readonly ports: Readonly<Record<string, number>>;
  /** Where the ports came from, by the same names. */
  readonly portOrigins: Readonly<Record<string, PortOrigin>>;
  /** How often this run of the unit was given other ports because its own were in use. */
  readonly portMoves: number;
  /** Why this machine, as a sentence for people. */
  readonly why: string;
  readonly assignedAtMs: number;
  /** The wish is done: a oneshot that has succeeded is loaded, and not run again when its machine reboots or it moves. */
  readonly finished: boolean;
  /** The fencing token of this placement: greater than all before; 0 for a unit without OnMachineLost=stop. */
  readonly fence: number;
  /** How long a fenced unit may run after its machine was last certain to belong to the cluster; 0 without a fence. */
  readonly lostAfterMs: number;
  /** How long after that moment a fenced unit has surely stopped: only then it may run elsewhere. */
  readonly goneAfterMs: number;
  /** A fenced unit is to stop here; the assignment goes once its machine has said that it did. */
  readonly leaving: boolean;
}

/** The part of an assignment that says: not fenced. */
export const unfenced: Pick<Assignment, 'fence' | 'lostAfterMs' | 'goneAfterMs' | 'leaving'> = {
  fence: 0, lostAfterMs: 0, goneAfterMs: 0, leaving: false,
};

/**
 * The restart generation of a unit that still has to be started: it was loaded, or stopped, and not started since. It tells
 * "never started" from "started, and has ended", so that nothing is started twice or forgotten.
 */
export const notStarted = -1;

/**
 * The restart generation of a unit that ran when another rendering of it was loaded, and has not been restarted since: what runs
 * was started by fleet, but is not what is on disk. Told from {@link notStarted} because a unit that nobody started and that
 * runs all the same was activated by its socket or timer and is none of our business.
 */
export const outdated = -2;

/** systemd's words (org.freedesktop.systemd1(5)): LoadState, ActiveState, SubState. */
export interface UnitStatus {
  readonly load: string;
  readonly active: string;
  readonly sub: string;
  /** Hash of the submitted file that runs, not of the one that should. */
  readonly hash: FileHash;
  /** When it entered its active state, ms since the epoch; 0 when never. */
  readonly sinceMs: number;
  /** systemd's Result ("success", "exit-code", "timeout", "start-limit-hit" …). */
  readonly result: string;
  /** Exit code of the main process when it has ended, else null. */
  readonly exitStatus: number | null;
  /** Whether it has run to its end with success since it was last started (oneshots). */
  readonly succeeded: boolean;
  /** systemd's NRestarts: automatic restarts. */
  readonly restarts: number;
  readonly mainPid: number;
  /** The restart generation that this run belongs to; {@link notStarted} or {@link outdated} until it is carried out. */
  readonly restart: number;
  /** The reset generation that was carried out; where there is nothing to reset, the one that was asked for. */
  readonly reset: number;
  /** The fence of the placement that has ended here for good: the unit does not run and will not under it; else 0. */
  readonly released: number;
  /** When its fence has stopped it in this placement, because the machine was cut off for too long (ms since the epoch); else 0. */
  readonly fencedAtMs: number;
  /** Why fleet itself could not do what was asked (a file refused, a name taken on the machine …); empty when fine. */
  readonly problem: string;
  /** What its HealthCheck= says. */
  readonly health: Health;
  /** Why the last check that failed did, one line; empty while it is healthy or nothing checks it. */
  readonly healthWhy: string;
  /** It is about to be stopped and waits for its DrainTime= to pass: nobody is to send it anything new. */
  readonly draining: boolean;
  /** It failed, and its machine finds out whether a port was in use, or waits for another one: not settled yet. */
  readonly portsInDoubt: boolean;
  /** The ports it was started with, by name; empty when it does not run, or runs an older rendering of its file. */
  readonly ports: Readonly<Record<string, number>>;
}

/** The part of an assignment that is about ports. */
export type PortPart = Pick<Assignment, 'release' | 'ports' | 'portOrigins' | 'portMoves'>;

/** What it says of a unit that asks for none. */
export const withoutPorts: PortPart = {
  release: 0, ports: {}, portOrigins: {}, portMoves: 0,
};

/** The part of a status that says nothing: of a unit nobody checks, that does not drain, with no ports, and that no fence has stopped. */
export const unchecked: Pick<UnitStatus, 'health' | 'healthWhy' | 'draining' | 'ports' | 'portsInDoubt' | 'released' | 'fencedAtMs'> = {
  health: 'none', healthWhy: '', draining: false, ports: {}, portsInDoubt: false, released: 0, fencedAtMs: 0,
};

/** Where a unit stands for API v1: the word fleet 1.0 calls currentState. */
export type CurrentState = DesiredState;

/** One unit on one machine. */
export interface Placement {
  readonly unit: UnitName;
  readonly machine: MachineId;
}

/** The restart generation of a unit's next record: `isAsked` by a restart, or because it is to be launched after it was not. */
export function restartAfter(before: UnitRecord, desired: DesiredState, isAsked: boolean): number {
  const isStarted = desired === 'launched' && before.desired !== 'launched';
  return before.restart + (isStarted || (isAsked && desired === 'launched') ? 1 : 0);
}
