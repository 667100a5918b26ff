/**
 * What the API is given: the cluster's memory, this process's machines, and how to reach the others.
 * Promises: everything the API knows of other parts of fleet stands here, as small interfaces that they fit by shape;
 * the API itself imports neither engine, agent nor runner.
 */
import type { Machine, MachineId } from '../core/machine.ts';
import type { UnitName } from '../core/unit-name.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { Mirror } from '../store/mirror.ts';
import type { MirrorRest } from '../store/resting-mirror.ts';
import type { StoreTrust } from '../store/trust.ts';
import type { Store } from '../store/store.ts';

/**
 * What one machine says of one of its units: text as `systemctl status -l` prints it, and that command's exit status.
 */
export interface StatusText {
  readonly text: string;
  readonly exitStatus: number;
}

/** Which lines of a unit's journal are wanted. */
export interface JournalRequest {
  readonly name: UnitName;
  /** How many of the last lines to begin with. */
  readonly lines: number;
  /** Go on with new lines until the signal is aborted. */
  readonly follow: boolean;
  /** journalctl's --output: short, cat, json and so on. */
  readonly output: string;
}

/** A machine of this process, asked about its units in words. */
export interface LocalMachine {
  status(name: UnitName, signal: AbortSignal): Promise<StatusText>;
  /** Chunks of text, lines never torn. */
  journal(request: JournalRequest, signal: AbortSignal): AsyncIterable<string>;
}

/** Machines of other processes, reached over their peer ports. Calls throw PeerUnreachable with a line for people. */
export interface Peers {
  status(machine: Machine, name: UnitName, signal: AbortSignal): Promise<StatusText>;
  journal(machine: Machine, request: JournalRequest, signal: AbortSignal): AsyncIterable<string>;
}

/** The machine cannot be asked: no peer port, no answer in time, or a certificate that is not the one in the store. */
export class PeerUnreachable extends Error {
  override readonly name = 'PeerUnreachable';
}

/** A component's inputs and last plan, printed by /debug/state; any value that JSON can hold. */
export type ReportReader = () => unknown;

/** What is known of the store's own health. */
export interface StoreHealth {
  readonly version: string;
  /** Size of the database file, and the part of it that holds data. */
  readonly databaseBytes: number;
  readonly databaseBytesInUse: number;
  readonly alarms: readonly string[];
  /** How often this process has thrown old history away, and up to which revision. */
  readonly compactions: number;
  readonly compactedTo: number;
}

/** Everything the API stands on. */
export interface ApiNeeds {
  readonly mirror: Mirror;
  /** How a mirror that rests is kept while a request lasts; null when it is always there. */
  readonly rest: MirrorRest | null;
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly version: string;
  /** The cluster's key prefix, as the configuration has it. */
  readonly keyPrefix: string;
  /** The machine that answers; one of `local` when this process runs units. */
  readonly machineId: MachineId;
  readonly storeKind: 'etcd' | 'embedded';
  /** Machines of this process: one, or several in a local fleet. */
  readonly local: ReadonlyMap<MachineId, LocalMachine>;
  /** The other machines; null when this process has no peer port. */
  readonly peers: Peers | null;
  /** Whether this machine's presence stands in the store under a lease that lives; the reason when it does not. */
  readonly presence: () => string | null;
  /** Whether the store is the one this machine knows. */
  readonly trust: Pick<StoreTrust, 'doubt' | 'known'>;
  /** What keeps this machine from taking new units; null when nothing does. */
  readonly trouble: () => string | null;
  /** null when nothing is known of it. */
  readonly storeHealth: () => StoreHealth | null;
  /** What keeps the store from taking changes, in lines for people. */
  readonly storeTroubles: () => readonly string[];
  /** By component: "engine", "agent" and so on. A report may have a number `passes`, which /metrics shows. */
  readonly reports: ReadonlyMap<string, ReportReader>;
  /** fleet 1.0's token_limit: items of one page of API v1. */
  readonly tokenLimit: number;
}
