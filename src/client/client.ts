/**
 * A client of the HTTP API v2: one typed method for each call.
 * Promises: every method ends soon after its signal is aborted, throws ApiError for what the API refused and
 * Unreachable when no endpoint answered, and is bounded in time (streams by heartbeats); names are escaped before they
 * become part of a path.
 */
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { Random } from '../lib/random.ts';
import type { PoolAnswer, PoolDetails, PoolList, PoolWish, PortList } from '../protocol/ports.ts';
import type {
  AcceptStoreAnswer, AcceptStoreRequest, HoldAnswer, HoldRequest, MachineAnswer, MachineOrder, RebalanceAnswer, RebalanceOrder, RebalanceView,
} from '../protocol/machines.ts';
import type { MetadataOperation } from '../protocol/v1.ts';
import type {
  ApplyAnswer,
  ApplyRequest,
  DestroyAnswer,
  DestroyRequest,
  Explanation,
  HistoryList,
  InfoView,
  MachineList,
  ResetFailedAnswer,
  ResetFailedRequest,
  ServiceList,
  ScaleAnswer,
  ScaleRequest,
  StatusList,
  StatusReport,
  UnitList,
  UnitView,
} from '../protocol/v2.ts';
import type {
  ReleaseAnswer,
  ReleaseDetails,
  ReleaseList,
  ReleaseOrder,
  ReleaseRequest,
} from '../protocol/releases.ts';
import { backupCalls } from './backup-calls.ts';
import type { BackupCalls } from './backup-calls.ts';
import { createCaller, readChunks, readError } from './call.ts';
import type { Call, Caller, TlsTexts } from './call.ts';
import type { Endpoint } from './endpoint.ts';
import { ApiError } from './errors.ts';
import { readEvents } from './events.ts';
import type { EventsQuery, StreamItem } from './events.ts';

/** Which lines of a unit's journal to read. */
export interface JournalQuery {
  readonly name: string;
  /** The machine to ask; absent: the one the unit is on. */
  readonly machine?: string;
  readonly lines: number;
  readonly follow: boolean;
  /** journalctl's --output. */
  readonly output: string;
}

/** Whose history to read: absent, everybody's. */
export interface HistoryQuery {
  /** A unit, a machine id or the beginning of one. */
  readonly subject?: string;
  /** At most so many events, the newest. */
  readonly lines: number;
}

/** What fleetctl needs of a cluster, through an API or directly from its store. */
export interface FleetClient extends BackupCalls {
  info(signal: AbortSignal): Promise<InfoView>;
  apply(request: ApplyRequest, signal: AbortSignal): Promise<ApplyAnswer>;
  destroy(request: DestroyRequest, signal: AbortSignal): Promise<DestroyAnswer>;
  units(signal: AbortSignal): Promise<UnitList>;
  /** Null when there is no such unit. */
  unit(name: string, signal: AbortSignal): Promise<UnitView | null>;
  /** Canonical text of the unit's file; null when there is no such unit. */
  unitFile(name: string, signal: AbortSignal): Promise<string | null>;
  statuses(signal: AbortSignal): Promise<StatusList>;
  machines(signal: AbortSignal): Promise<MachineList>;
  services(signal: AbortSignal): Promise<ServiceList>;
  /** One service, an entry for each port name; null when no unit belongs to it. */
  service(name: string, signal: AbortSignal): Promise<ServiceList | null>;
  /** Orders something of the machine with that whole id. */
  orderMachine(id: string, order: MachineOrder, signal: AbortSignal): Promise<MachineAnswer>;
  hold(request: HoldRequest, signal: AbortSignal): Promise<HoldAnswer>;
  /** What a rebalance would do, or what is left of the one that goes on. */
  rebalance(fenced: boolean, signal: AbortSignal): Promise<RebalanceView>;
  orderRebalance(order: RebalanceOrder, signal: AbortSignal): Promise<RebalanceAnswer>;
  acceptStore(request: AcceptStoreRequest, signal: AbortSignal): Promise<AcceptStoreAnswer>;
  /** Null when there is no such unit. */
  explain(name: string, signal: AbortSignal): Promise<Explanation | null>;
  /** What happened; null when nothing is remembered of the unit or machine that `subject` names. */
  history(query: HistoryQuery, signal: AbortSignal): Promise<HistoryList | null>;
  /** Null when there is no such unit; without blocks when it is on no machine. */
  status(name: string, signal: AbortSignal): Promise<StatusReport | null>;
  /** Pieces of text as they come; ends when the journal does, never by itself with `follow`. */
  journal(query: JournalQuery, signal: AbortSignal): AsyncIterable<string>;
  events(query: EventsQuery, signal: AbortSignal): AsyncIterable<StreamItem>;
  /** Every port that is given out. */
  ports(signal: AbortSignal): Promise<PortList>;
  portPools(signal: AbortSignal): Promise<PoolList>;
  /** Null when there is no such pool. */
  portPool(name: string, signal: AbortSignal): Promise<PoolDetails | null>;
  /** Makes, changes or removes a pool. */
  setPortPool(name: string, wish: PoolWish, signal: AbortSignal): Promise<PoolAnswer>;
  /** Changes machine metadata, all of it or nothing. */
  patchMetadata(operations: readonly MetadataOperation[], signal: AbortSignal): Promise<void>;
  /** Begins a release; answers with it as it begins. */
  release(request: ReleaseRequest, signal: AbortSignal): Promise<ReleaseAnswer>;
  orderRelease(name: string, order: ReleaseOrder, signal: AbortSignal): Promise<ReleaseAnswer>;
  releases(signal: AbortSignal): Promise<ReleaseList>;
  /** Null when there was no release of that name. */
  releaseDetails(name: string, signal: AbortSignal): Promise<ReleaseDetails | null>;
  /** Has the failures of units forgotten. */
  resetFailed(request: ResetFailedRequest, signal: AbortSignal): Promise<ResetFailedAnswer>;
  scale(request: ScaleRequest, signal: AbortSignal): Promise<ScaleAnswer>;
  /** Frees what the client holds; its methods must not be called any more. */
  close(): Promise<void>;
}

export interface ClientOptions {
  /** At least one; the next is asked when one does not answer. */
  readonly endpoints: readonly Endpoint[];
  /** Milliseconds until an answer must have begun. */
  readonly timeoutMs: number;
  readonly tls: TlsTexts;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Called when an answer is of a fleetd that has lost its store, with the time since when, as it says it. */
  readonly onStale?: (since: string) => void;
}

/** An answer, or `otherwise` when the API refuses with a certain reason. Other errors are thrown on. */
async function unlessRefused<T, Other>(answer: Promise<T>, reason: string, otherwise: Other): Promise<T | Other> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof ApiError && error.reason === reason) return otherwise;
    throw error;
  }
}

/** An answer, or null when the unit does not exist. */
function orNull<T>(answer: Promise<T>): Promise<T | null> {
  return unlessRefused(answer, 'UNIT_NOT_FOUND', null);
}

function historyPath({ subject, lines }: HistoryQuery): string {
  return `/fleet/v2/history${subject === undefined ? '' : `/${encodeURIComponent(subject)}`}?lines=${lines}`;
}

function get(path: string): Call {
  return { method: 'GET', path, changes: false };
}

/** What is sent with a POST. */
type Body =
  | ApplyRequest | DestroyRequest | ReleaseRequest | ReleaseOrder | ScaleRequest | PoolWish | MachineOrder | HoldRequest | RebalanceOrder
  | AcceptStoreRequest;

function post(path: string, body: Body): Call {
  return { method: 'POST', path, body: JSON.stringify(body), changes: true };
}

type PortCalls = Pick<FleetClient, 'ports' | 'portPools' | 'portPool' | 'setPortPool'>;

function portCalls(caller: Caller): PortCalls {
  const poolPath = (name: string): string => `/fleet/v2/port-pools/${encodeURIComponent(name)}`;
  return {
    ports: (signal) => caller.json<PortList>(get('/fleet/v2/ports'), signal),
    portPools: (signal) => caller.json<PoolList>(get('/fleet/v2/port-pools'), signal),
    portPool: (name, signal) =>
      unlessRefused(caller.json<PoolDetails>(get(poolPath(name)), signal), 'POOL_NOT_FOUND', null),
    setPortPool: (name, wish, signal) => caller.json<PoolAnswer>(post(poolPath(name), wish), signal),
  };
}

export function createClient(options: ClientOptions): FleetClient {
  const caller = createCaller(options);
  const escaped = encodeURIComponent;

  async function* journal(query: JournalQuery, signal: AbortSignal): AsyncGenerator<string> {
    const parameters = new URLSearchParams({
      lines: String(query.lines),
      follow: String(query.follow),
      output: query.output,
    });
    if (query.machine !== undefined) parameters.set('machine', query.machine);
    const call = get(`/fleet/v2/journal/${escaped(query.name)}?${parameters.toString()}`);
    const answer = await caller.open(call, signal);
    if (answer.message.statusCode !== 200) throw await readError(answer, call, signal);
    const decoder = new TextDecoder();
    // A followed journal may be silent for hours: only TCP's own keepalive watches over it.
    for await (const chunk of readChunks(answer, query.follow ? 0 : options.timeoutMs, signal))
      yield decoder.decode(chunk, { stream: true });
  }

  return {
    info: (signal) => caller.json<InfoView>(get('/fleet/v2/info'), signal),
    apply: (request, signal) => caller.json<ApplyAnswer>(post('/fleet/v2/apply', request), signal),
    destroy: (request, signal) => caller.json<DestroyAnswer>(post('/fleet/v2/destroy', request), signal),
    units: (signal) => caller.json<UnitList>(get('/fleet/v2/units'), signal),
    unit: (name, signal) => orNull(caller.json<UnitView>(get(`/fleet/v2/units/${escaped(name)}`), signal)),
    unitFile: (name, signal) => orNull(caller.text(get(`/fleet/v2/units/${escaped(name)}/file`), signal)),
    statuses: (signal) => caller.json<StatusList>(get('/fleet/v2/statuses'), signal),
    services: (signal) => caller.json<ServiceList>(get('/fleet/v2/services'), signal),
    service: (name, signal) =>
      unlessRefused(caller.json<ServiceList>(get(`/fleet/v2/services/${escaped(name)}`), signal), 'SERVICE_NOT_FOUND', null),
    machines: (signal) => caller.json<MachineList>(get('/fleet/v2/machines'), signal),
    orderMachine: (id, order, signal) => caller.json<MachineAnswer>(post(`/fleet/v2/machines/${escaped(id)}`, order), signal),
    rebalance: (fenced, signal) => caller.json<RebalanceView>(get(`/fleet/v2/rebalance?fenced=${String(fenced)}`), signal),
    orderRebalance: (order, signal) => caller.json<RebalanceAnswer>(post('/fleet/v2/rebalance', order), signal),
    hold: (request, signal) => caller.json<HoldAnswer>(post('/fleet/v2/hold', request), signal),
    acceptStore: (request, signal) => caller.json<AcceptStoreAnswer>(post('/fleet/v2/accept-store', request), signal),
    explain: (name, signal) => orNull(caller.json<Explanation>(get(`/fleet/v2/explain/${escaped(name)}`), signal)),
    history: (query, signal) => orNull(caller.json<HistoryList>(get(historyPath(query)), signal)),
    status: (name, signal) =>
      orNull(
        unlessRefused(caller.json<StatusReport>(get(`/fleet/v2/status/${escaped(name)}`), signal), 'UNIT_NOT_LOADED', {
          name,
          blocks: [],
        }),
      ),
    journal,
    ...portCalls(caller),
    async patchMetadata(operations, signal) {
      const body = JSON.stringify(operations);
      await caller.text({ method: 'PATCH', path: '/fleet/v1/machines', body, changes: true }, signal);
    },
    events: (query, signal) => readEvents({ caller, clock: options.clock, random: options.random }, query, signal),
    release: (request, signal) => caller.json<ReleaseAnswer>(post('/fleet/v2/releases', request), signal),
    orderRelease: (name, order, signal) =>
      caller.json<ReleaseAnswer>(post(`/fleet/v2/releases/${escaped(name)}`, order), signal),
    releases: (signal) => caller.json<ReleaseList>(get('/fleet/v2/releases'), signal),
    releaseDetails: (name, signal) =>
      unlessRefused(
        caller.json<ReleaseDetails>(get(`/fleet/v2/releases/${escaped(name)}`), signal),
        'RELEASE_NOT_FOUND',
        null,
      ),
    resetFailed: (request, signal) => caller.json<ResetFailedAnswer>(post('/fleet/v2/reset-failed', request), signal),
    scale: (request, signal) => caller.json<ScaleAnswer>(post('/fleet/v2/scale', request), signal),
    ...backupCalls(caller),
    close: async () => undefined,
  };
}
