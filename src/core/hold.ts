/**
 * Holds: times in which no unit is moved because its machine is gone. The engine begins one when most machines vanish at once, and a
 * person may order one, or end one early.
 * Promises: a hold never keeps a unit from being started on a machine that lives.
 */
import type { MachineId } from './machine.ts';

/** A hold that the engine began (store key `holds/mass-loss`, written by the engine only). */
export interface Hold {
  /** Also its name: an order to end a hold says which one. */
  readonly sinceMs: number;
  /** How long it lasts at most; null: until all machines are back or a person ends it. */
  readonly holdMs: number | null;
  /** Machines whose units wait for them, sorted. */
  readonly missing: readonly MachineId[];
  /** One line for people. */
  readonly why: string;
}

/** What a person last ordered about holds (store key `hold-order`, written by the API only). */
export interface HoldOrder {
  readonly action: 'hold' | 'release';
  readonly atMs: number;
  /** With `hold`: when it ends by itself; null: when a person says so. */
  readonly untilMs: number | null;
  /** With `release`: which hold of the engine ends ({@link Hold.sinceMs}); null when there was none. */
  readonly of: number | null;
  readonly reason: string;
  readonly by: string;
}
