/**
 * What happens in a simulated cluster, told to those who watch it: the checkers of promises and the trace.
 * Promises: a witness changes nothing; it is told things in the order in which they happen.
 */
import type { UnitName } from '../src/core/unit-name.ts';
import type { Observation } from '../src/runner/runner.ts';
import type { Commit } from '../src/store/store.ts';
import type { Chronicle, Moment } from './chronicle.ts';
import type { FleetdPart } from './fleetd.ts';
import type { SimulatedMachine } from './machine.ts';
import type { SimProcess } from './process.ts';
import type { RunnerAct } from './runner-wire.ts';
import type { StoreServer } from './store-server.ts';
import type { Author, Strange } from './wire.ts';

/** A unit on a machine, as it really is. */
export interface UnitFacts {
  readonly active: string;
  readonly mainPid: number;
  readonly hash: string;
  readonly restart: number;
}

/** A unit's process or state on a machine changed; null: it is not loaded there. */
export interface UnitTurn {
  readonly machine: SimulatedMachine;
  readonly name: UnitName;
  readonly before: UnitFacts | null;
  readonly after: UnitFacts | null;
}

/** What an answer says of one key of the store. */
export interface Claim {
  readonly key: string;
  /** In words. */
  readonly says: string;
  /** Whether a value of the key, null when it does not exist, is as claimed. */
  holds(value: string | null): boolean;
}

/** An answer of the API that says: done. */
export interface Acknowledged {
  readonly process: SimProcess;
  /** The store's revision when it was asked. */
  readonly asked: number;
  /** The revision at which all of it is in the store. */
  readonly revision: number;
  readonly claims: readonly Claim[];
}

export interface Witness {
  /** The store has a new revision. */
  moment?(moment: Moment): void;
  /** A commit has reached the store and is about to be decided. */
  committing?(author: Author, commit: Commit): void;
  /** A part of a process has heard of everything under a prefix up to chronicle.heard(). */
  heard?(process: SimProcess, part: FleetdPart, prefix: string): void;
  /** A process has heard a store that is not the cluster's, or is about to change it. */
  strange?(author: Pick<Author, 'process' | 'part'>, met: Strange): void;
  /** A process calls the store or the runner; `what` is part and verb. */
  call?(process: SimProcess, what: string): void;
  /** A process asks for something, and it takes effect now. */
  acting?(machine: SimulatedMachine, process: SimProcess, act: RunnerAct): void;
  observed?(machine: SimulatedMachine, process: SimProcess, observations: ReadonlyMap<UnitName, Observation>): void;
  turned?(turn: UnitTurn): void;
  acknowledged?(answer: Acknowledged): void;
  /** Something was done to the cluster from outside: a fault, a request, their end. */
  event?(text: string): void;
  /** A part of a fleetd failed by a bug. */
  bug?(process: SimProcess, error: unknown): void;
  /** Nothing can go on without time passing. */
  step?(): void;
  /** The run is over: faults have stopped and the cluster has had time to come to rest. */
  rest?(): void;
}

/** What a checker may ask, and where it complains. */
export interface Court {
  readonly chronicle: Chronicle;
  readonly server: Pick<StoreServer, 'isRight' | 'era'>;
  readonly machines: readonly SimulatedMachine[];
  /** True time. */
  nowMs(): number;
  /** Sleeps that have not ended. */
  sleepers(): number;
  readonly ttlMs: number;
  readonly stopTimeoutMs: number;
  readonly massLossHoldMs: number;
  /** A promise was broken; `what` names unit, machine and process. */
  broken(what: string): void;
}

/** One promise and how it is watched. */
export interface Checker {
  /** Named in reports, in sim/seeds.txt and by the deliberate bugs that it has to catch. */
  readonly name: string;
  readonly promise: string;
  begin(court: Court): Witness;
}
