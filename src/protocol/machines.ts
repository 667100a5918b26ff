/**
 * The HTTP API v2 about machines: what is seen of them and what people order.
 *
 * GET  /machines         -> MachineList   those that are here, those that are gone, and what holds
 * POST /machines/NAME       MachineOrder -> MachineAnswer   NAME is the whole id of a machine
 * POST /hold                HoldRequest -> HoldAnswer
 * GET  /rebalance        -> RebalanceView   the moves that would even out the machines; ?fenced=true with fenced units
 * POST /rebalance           RebalanceOrder -> RebalanceAnswer
 * POST /accept-store        AcceptStoreRequest -> AcceptStoreAnswer   the store is right although machines doubt it
 */

/** A machine that is here. */
export interface MachineView {
  readonly id: string;
  readonly address: string;
  readonly hostname: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly version: string;
  readonly runner: string;
  readonly store: string;
  readonly units: number;
  readonly leader: boolean;
  readonly startedAtMs: number;
  /** `draining`: units are still to leave, or to end; `drained`: nothing is left but what stays. */
  readonly state: 'up' | 'cordoned' | 'draining' | 'drained';
  /** Why it is in that state and how far it is, as one line; empty when up. */
  readonly reason: string;
  /** Units that are still to leave or to end there, and those that stay; 0 unless it is being drained. */
  readonly leaving: number;
  readonly staying: number;
}

/** A machine that is gone and not forgotten. */
export interface AbsentMachineView {
  readonly id: string;
  readonly address: string;
  readonly hostname: string;
  /** `lost` went without a word, `left` was stopped. */
  readonly state: 'lost' | 'left';
  /** What is waited for, or ordered about it, as one line; may be empty. */
  readonly reason: string;
  /** Units that are still assigned to it. */
  readonly units: number;
  readonly firstSeenMs: number;
  readonly goneSinceMs: number;
}

/** A time in which no unit is moved because its machine is gone. */
export interface HoldView {
  /** Whether a person ordered it; else most machines vanished at once. */
  readonly byHand: boolean;
  readonly why: string;
  readonly sinceMs: number;
  /** When it ends by itself; null: when all machines are back, or a person says so. */
  readonly untilMs: number | null;
  /** Machines that are waited for. */
  readonly missing: readonly string[];
}

export interface MachineList {
  readonly revision: number;
  readonly machines: readonly MachineView[];
  readonly absent: readonly AbsentMachineView[];
  readonly holds: readonly HoldView[];
  /** What is wrong with the store or the fleetd that answers, one line each. */
  readonly troubles: readonly string[];
}

export type MachineAction = 'cordon' | 'uncordon' | 'drain' | 'undrain' | 'forget';

export interface MachineOrder {
  readonly action: MachineAction;
  /** With cordon and drain: why, for people. */
  readonly reason?: string;
  /** Who asks, for the record. */
  readonly by?: string;
  /** With drain: leave units with OnMachineLost=stop where they are. */
  readonly keepFenced?: boolean;
  /** With drain: stop global units there, too. */
  readonly global?: boolean;
}

export interface MachineAnswer {
  readonly revision: number;
  /** Whether anything changed. */
  readonly changed: boolean;
}

export interface HoldRequest {
  readonly action: 'hold' | 'release';
  /** With hold: how long, in milliseconds; absent: until released. */
  readonly forMs?: number;
  readonly reason?: string;
  readonly by?: string;
}

export interface RebalanceOrder {
  readonly action: 'start' | 'stop';
  /** With start: units with OnMachineLost=stop move, too. */
  readonly fenced?: boolean;
  readonly by?: string;
}

export type RebalanceAnswer = HoldAnswer;

/** Units that would change their machine together, and the load of both machines. */
export interface RebalanceMoveView {
  readonly units: readonly string[];
  readonly from: RebalanceSide;
  readonly to: RebalanceSide;
}

export interface RebalanceSide {
  readonly machine: string;
  readonly address: string;
  /** Units there that are not global, by their Weight=. */
  readonly before: number;
  readonly after: number;
}

export interface RebalanceView {
  readonly revision: number;
  /** The rebalance that goes on; null when none does. */
  readonly running: { readonly sinceMs: number; readonly by: string; readonly fenced: boolean } | null;
  /** In order; the next one is begun when the one before it is known to run. */
  readonly moves: readonly RebalanceMoveView[];
}

export interface AcceptStoreRequest {
  /** Also when units that run would be stopped. */
  readonly force?: boolean;
  readonly reason?: string;
  readonly by?: string;
}

export interface AcceptStoreAnswer {
  readonly revision: number;
  /** Whether any machine doubted the store. */
  readonly changed: boolean;
}

export interface HoldAnswer {
  readonly revision: number;
  readonly changed: boolean;
}
