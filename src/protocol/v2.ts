/**
 * The HTTP API v2 as data: what fleetctl and other programs say to a fleetd. Shared by api, client and cli.
 * Promises: plain JSON types without behaviour; every field name is the glossary's word.
 *
 * POST /apply            ApplyRequest   -> ApplyAnswer    create, replace, change state, restart: all of it or nothing
 * POST /destroy          DestroyRequest -> DestroyAnswer
 * POST /reset-failed     ResetFailedRequest -> ResetFailedAnswer   failures and waits of units are forgotten
 * GET  /units            -> UnitList      every unit file with its state (list-unit-files)
 * GET  /units/NAME       -> UnitView
 * GET  /units/NAME/file  -> text/plain    canonical unit text (cat)
 * GET  /statuses         -> StatusList    every unit that a machine reports (list-units)
 * GET  /services       -> ServiceList   who listens where, now
 * GET  /services/NAME  -> ServiceList   one of them, an entry for each port name
 * GET  /prometheus-sd  -> PrometheusTargets[]; ?service=NAME… ?port=NAME…
 * GET  /machines, POST /machines/NAME, POST /hold: see machines.ts
 * GET  /explain/NAME     -> Explanation
 * GET  /status/NAME      -> StatusReport  one block per machine
 * GET  /journal/NAME     -> text/plain, chunked; ?lines=N&follow=true&output=short&machine=ID
 * GET  /events           -> text/event-stream; ?unit=NAME… ?service=NAME… ?kind=unit… ?from=REVISION | ?at-least=REVISION
 * POST /events              EventsRequest -> the same, for more names than a path holds
 * GET  /history         -> HistoryList   what happened to units and machines; /history/NAME for one unit or machine; ?lines=N
 * POST /scale            ScaleRequest   -> ScaleAnswer    instances are started, or destroyed, highest number first
 * /releases                              see protocol/releases.ts
 * /ports, /port-pools                    see protocol/ports.ts
 * GET  /backup          -> application/x-ndjson, the backup that docs/design/backup.md describes
 * POST /restore            RestoreRequest -> RestoreStep   begins; then /restore/entries, RestoreEntriesRequest, and /restore/finish,
 *                          RestoreFinishRequest, with the revision that the first answer names
 * GET  /info             -> InfoView      who answers, and for which cluster
 *
 * All paths begin with /fleet/v2. Errors: {"error":{"code":404,"reason":"UNIT_NOT_FOUND","message":"…"}} with the HTTP
 * status of the reason. An answer from memory while the store is away has the header `Fleet-Stale-Since` (ISO 8601).
 */

import type { MachineView } from './machines.ts';
import type { ReleaseView } from './releases.ts';

export type { MachineList, MachineView } from './machines.ts';

export type DesiredState = 'inactive' | 'loaded' | 'launched';

/**
 * One unit a request names. Its content is looked for in this order: `text`, the store, the template (of this request,
 * else the store's), `templateText`.
 */
export interface ApplyUnit {
  readonly name: string;
  /** Unit text to create the unit with, or to replace it with when `replace` is true. */
  readonly text?: string;
  /** Text of the local template file, used when the store has neither the unit nor its template. */
  readonly templateText?: string;
  /**
   * Id of the machine where the unit runs already, unknown to this cluster: the unit waits for that machine and is taken
   * over there as it runs. "" ends such a wait; so does every later change of the unit.
   */
  readonly adoptOn?: string;
}

export interface ApplyRequest {
  readonly units: readonly ApplyUnit[];
  /** The state wanted; absent: created units become inactive, existing ones keep theirs. */
  readonly desired?: DesiredState;
  /** Replace the content of existing units; without it a difference is answered as `differs` and left alone. */
  readonly replace?: boolean;
  /** Ask for a restart of units that are launched. */
  readonly restart?: boolean;
  /** Who asks, for the record. */
  readonly by?: string;
  /** Accept what fleet 1.0 accepted: options of [X-Fleet] that nobody knows are passed over. */
  readonly lenient?: boolean;
  /** Only say what would happen. */
  readonly dryRun?: boolean;
}

/**
 * What happened to one unit: `same` also when only its desired state changed. `before` is its desired state before,
 * null when new.
 */
export interface AppliedUnit {
  readonly name: string;
  readonly content: 'created' | 'replaced' | 'same' | 'differs';
  readonly before: DesiredState | null;
  readonly desired: DesiredState;
  readonly global: boolean;
  readonly generation: number;
  readonly restart: number;
  readonly hash: string;
  /** Misspelt or unknown keys outside [X-Fleet], one line each. */
  readonly warnings: readonly string[];
}

export interface ApplyAnswer {
  /** The revision at which all of it is in the store. */
  readonly revision: number;
  readonly units: readonly AppliedUnit[];
}

export interface DestroyRequest {
  readonly names: readonly string[];
}

export interface DestroyAnswer {
  readonly revision: number;
  readonly destroyed: readonly string[];
  readonly unknown: readonly string[];
}

/** Units whose failures are to be forgotten, whether they failed or not. */
export interface ResetFailedRequest {
  readonly names: readonly string[];
  /** Who asks, for the record. */
  readonly by?: string;
}

/** A unit that is to be reset; it has been where its machine reports this reset generation, or none of the unit. */
export interface ResetUnit {
  readonly name: string;
  readonly generation: number;
  readonly reset: number;
}

export interface ResetFailedAnswer {
  readonly revision: number;
  readonly units: readonly ResetUnit[];
}

/** How many numbered instances of a template there are to be. */
export interface ScaleRequest {
  /** A template. */
  readonly name: string;
  /** How many numbered instances there are to be. */
  readonly count: number;
  /** Text of the local template file, used when the store has no such template. */
  readonly templateText?: string;
  readonly by?: string;
}

export interface ScaleAnswer {
  readonly revision: number;
  readonly started: readonly AppliedUnit[];
  readonly destroyed: readonly string[];
}

/** A unit as asked for and as decided. */
export interface UnitView {
  readonly name: string;
  readonly hash: string;
  readonly desired: DesiredState;
  /** fleet 1.0's currentState: inactive (nowhere), loaded, launched; null for global units. */
  readonly current: DesiredState | null;
  readonly global: boolean;
  readonly template: boolean;
  readonly description: string;
  readonly generation: number;
  readonly restart: number;
  /** Grows by one with each reset-failed. */
  readonly reset: number;
  /** Machines it is assigned to; at most one unless it is global. */
  readonly machines: readonly string[];
  /** The machine where it ran when it was imported; only while that is remembered. */
  readonly adoptOn?: string;
  readonly changedAtMs: number;
}

/** A unit on one machine, as that machine reports it. */
export interface StatusView {
  readonly name: string;
  readonly machine: string;
  readonly address: string;
  readonly hash: string;
  readonly load: string;
  readonly active: string;
  readonly sub: string;
  readonly sinceMs: number;
  readonly result: string;
  readonly exitStatus: number | null;
  readonly succeeded: boolean;
  readonly restarts: number;
  readonly restart: number;
  readonly reset: number;
  readonly mainPid: number;
  readonly problem: string;
  /** What its HealthCheck= says; `none`: nothing checks it. */
  readonly health: 'none' | 'starting' | 'healthy' | 'unhealthy';
  /** Why the last check that failed did. */
  readonly healthWhy: string;
  /** It is about to be stopped and has left the service directory. */
  readonly draining: boolean;
  /** It failed, and its machine finds out whether a port was in use. */
  readonly portsInDoubt: boolean;
  /** The ports it runs with, by name. */
  readonly ports: Readonly<Record<string, number>>;
}

/** `troubles`: why what the store says may not be what machines do, one line each; absent when nothing is wrong. */
export interface UnitList { readonly revision: number; readonly units: readonly UnitView[]; readonly troubles?: readonly string[] }
export interface StatusList { readonly revision: number; readonly statuses: readonly StatusView[]; readonly troubles?: readonly string[] }
/** The units that answer under one name, on the port they call by one name. */
export interface ServiceView {
  readonly name: string;
  readonly portName: string;
  /** Active, not draining, and healthy unless nothing checks them. */
  readonly instances: readonly InstanceView[];
}

export interface InstanceView {
  readonly unit: string;
  readonly machine: string;
  readonly address: string;
  readonly port: number;
  readonly health: 'none' | 'healthy';
  readonly sinceMs: number;
}

export interface ServiceList { readonly revision: number; readonly services: readonly ServiceView[] }

/** A group of Prometheus' HTTP service discovery. */
export interface PrometheusTargets {
  readonly targets: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}


/** Why a unit runs where it does, or why it does not run. */
export interface Explanation {
  readonly name: string;
  /** One true sentence. */
  readonly summary: string;
  readonly state: 'running' | 'starting' | 'stopping' | 'failed' | 'done' | 'inactive' | 'unplaced' | 'unknown';
  /** For each machine: chosen, possible, or why not. Best first. */
  readonly machines: readonly {
    readonly id: string;
    readonly address: string;
    readonly verdict: 'chosen' | 'possible' | 'refused';
    readonly why: string;
  }[];
}

/** `fleetctl status`: what each machine of the unit says. */
export interface StatusReport {
  readonly name: string;
  readonly blocks: readonly {
    readonly machine: string;
    readonly address: string;
    /** systemctl's: 0 active, 3 not running; 255 when the machine could not be asked (then `text` says why). */
    readonly exitStatus: number;
    readonly text: string;
  }[];
}

/** Begins a restore. Revision and token base are those of the backup's first line. */
export interface RestoreRequest {
  readonly revision: number;
  readonly tokenBase: number;
  /** Replace what is there. */
  readonly force?: boolean;
  readonly by?: string;
}

/** Some entries of the backup, in any order, as often as one likes. */
export interface RestoreEntriesRequest {
  /** The revision that the answer to RestoreRequest named. */
  readonly restore: number;
  readonly entries: readonly { readonly key: string; readonly value: string }[];
}

/** All entries have been sent: what the backup does not have goes, and the cluster works again. */
export interface RestoreFinishRequest {
  readonly restore: number;
}

/** A step of a restore is durable at this revision. */
export interface RestoreStep {
  readonly revision: number;
}

/** Something that happened to a unit or a machine, or the same thing `count` times in a row, then the last time at `atMs`. */
export interface HistoryEventView {
  readonly atMs: number;
  /** null when it is about the machine. */
  readonly unit: string | null;
  /** '' when it is about no machine. */
  readonly machine: string;
  readonly what: string;
  readonly why: string;
  readonly count: number;
}

/** Oldest first. `unit` and `machine` say whom the question meant; both are null when it was about everything. */
export interface HistoryList {
  readonly revision: number;
  readonly unit: string | null;
  readonly machine: string | null;
  readonly events: readonly HistoryEventView[];
}

/**
 * One event of the stream. `id:` of the SSE frame is the revision, `event:` the kind, `data:` this JSON without them.
 * A stream opened without `from` begins with the present state (each item once, marked `present: true`), then
 * `current`. A null view means: gone.
 */
export type EventView =
  | { readonly kind: 'unit'; readonly name: string; readonly unit: UnitView | null; readonly present?: true }
  | {
      readonly kind: 'assignment';
      readonly name: string;
      readonly machine: string;
      readonly assignment: AssignmentView | null;
      readonly present?: true;
    }
  | {
      readonly kind: 'status';
      readonly name: string;
      readonly machine: string;
      readonly status: StatusView | null;
      readonly present?: true;
    }
  | { readonly kind: 'release'; readonly name: string; readonly release: ReleaseView | null; readonly present?: true }
  | { readonly kind: 'machine'; readonly machine: string; readonly view: MachineView | null; readonly present?: true }
  | {
      /** Told only to streams that name this kind. */
      readonly kind: 'history';
      /** The unit it is about; null when it is about its machine. */
      readonly name: string | null;
      readonly event: HistoryEventView;
      readonly present?: true;
    }
  | {
      readonly kind: 'service';
      readonly name: string;
      readonly portName: string;
      readonly service: ServiceView | null;
      readonly present?: true;
    }
  | { readonly kind: 'current' };

/**
 * Which events a stream tells; absent fields take everything. `from` goes on after that revision (410 when it is too
 * old), `atLeast` waits until the present state is not older than that one. With `units`, events of machines come only
 * when `kinds` names them; those of services come only then, too.
 */
export interface EventsRequest {
  readonly units?: readonly string[];
  /** Only these services. */
  readonly services?: readonly string[];
  readonly kinds?: readonly EventView['kind'][];
  readonly from?: number;
  readonly atLeast?: number;
}

export interface AssignmentView {
  readonly desired: 'loaded' | 'launched';
  readonly hash: string;
  readonly restart: number;
  readonly reset: number;
  readonly address: string;
  readonly why: string;
}

/** Who answers, and which cluster it belongs to. */
export interface InfoView {
  readonly version: string;
  /** The key prefix its cluster keeps everything under; `fleet`, `/fleet` and `/fleet/` are the same one. */
  readonly keyPrefix: string;
  readonly machine: string;
  readonly store: string;
  /** The machine whose engine leads; null while nobody does. */
  readonly leader: string | null;
  readonly revision: number;
}

export interface ErrorAnswer {
  readonly error: { readonly code: number; readonly reason: string; readonly message: string };
}
