/**
 * A fleetd's API v2 for tests: real HTTP on a real unix socket, a {@link FakeCluster} behind it.
 * Promises: speaks the protocol as protocol/v2.ts has it; keeps what it was asked; can be told to break streams or to
 * refuse.
 */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { text as readText } from 'node:stream/consumers';
import { FakeReleases } from './fake-releases.ts';
import type { PoolWish } from '../protocol/ports.ts';
import type { ReleaseOrder, ReleaseRequest } from '../protocol/releases.ts';
import type { HoldRequest, MachineOrder, RebalanceOrder } from '../protocol/machines.ts';
import type { ApplyRequest, DestroyRequest, EventView, ResetFailedRequest, RestoreRequest, ScaleRequest } from '../protocol/v2.ts';
import { FakeCluster, FakeRefusal } from './fake-cluster.ts';

export interface FakeApi {
  readonly cluster: FakeCluster;
  readonly releases: FakeReleases;
  /** "GET /fleet/v2/units" and so on, in order. */
  readonly asked: readonly string[];
  keyPrefix: string;
  /** When set, every request is refused with it. */
  refusal: FakeRefusal | null;
  /** When set, every answer says that the store is away since then. */
  staleSince: string | null;
  /** Ends all event streams in the middle. */
  breakStreams(): void;
  close(): Promise<void>;
}

/** Listens on a unix socket. */
export async function startFakeApi(socketPath: string): Promise<FakeApi> {
  const asked: string[] = [];
  const streams = new Set<ServerResponse>();
  const cluster = new FakeCluster();
  const server = createServer((request, response) => {
    asked.push(`${request.method ?? ''} ${request.url ?? ''}`);
    answer({ api, streams }, request, response).catch((error: unknown) => {
      const { status, reason, message } =
        error instanceof FakeRefusal ? error : new FakeRefusal(500, '', String(error));
      send(response, status, { error: { code: status, reason, message } });
    });
  });
  const api: FakeApi = {
    cluster,
    releases: new FakeReleases(cluster),
    asked,
    keyPrefix: '/_coreos.com/fleet',
    refusal: null,
    staleSince: null,
    breakStreams: () => {
      for (const stream of streams) stream.destroy();
    },
    close: () => stop(server),
  };
  await new Promise<void>((resolve) => {
    server.listen(socketPath, resolve);
  });
  return api;
}

function stop(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}

interface Scene {
  readonly api: FakeApi;
  readonly streams: Set<ServerResponse>;
}

function send(response: ServerResponse, status: number, body: object | string): void {
  const isText = typeof body === 'string';
  response
    .writeHead(status, { 'content-type': isText ? 'text/plain' : 'application/json' })
    .end(isText ? body : JSON.stringify(body));
}

async function answer(scene: Scene, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { api } = scene;
  const { cluster } = api;
  if (api.refusal !== null) throw api.refusal;
  if (api.staleSince !== null) response.setHeader('fleet-stale-since', api.staleSince);
  const url = new URL(request.url ?? '/', 'http://fake');
  const [, , , resource = '', name = '', part = ''] = url.pathname.split('/').map(decodeURIComponent);
  const body = request.method === 'POST' ? (JSON.parse(await readText(request)) as object) : {};
  const { revision } = cluster;
  const lists: Readonly<Record<string, () => object>> = {
    apply: () => cluster.apply(body as ApplyRequest),
    'reset-failed': () => cluster.resetFailed((body as ResetFailedRequest).names),
    destroy: () => cluster.destroy((body as DestroyRequest).names),
    releases: () =>
      request.method === 'POST'
        ? api.releases.begin(body as ReleaseRequest)
        : { revision, releases: api.releases.list() },
    scale: () => api.releases.scale(body as ScaleRequest),
    units: () => ({ revision, units: sortedUnits(cluster) }),
    statuses: () => ({
      revision,
      statuses: sortedUnits(cluster).flatMap((unit) => [...(cluster.statuses.get(unit.name)?.values() ?? [])]),
    }),
    services: () => ({ revision, services: cluster.services }),
    ports: () => ({ revision, ports: cluster.ports }),
    machines: () => {
      const { machines, absent, holds, troubles } = cluster;
      return { revision, machines, absent, holds, troubles };
    },
    hold: () => holdIn(cluster, body as HoldRequest),
    rebalance: () => (request.method === 'POST' ? rebalanceIn(cluster, body as RebalanceOrder) : cluster.rebalance),
    info: () => ({
      version: '2.0.0',
      keyPrefix: api.keyPrefix,
      machine: cluster.machines[0]?.id ?? '',
      store: 'etcd',
      leader: cluster.leader,
      revision,
    }),
  };
  if (resource === 'events') return stream(scene, url.searchParams.has('from') || 'from' in body, response);
  if (resource === 'backup') return send(response, 200, cluster.backup);
  if (resource === 'restore') return send(response, 200, cluster.restore(name, body as RestoreRequest));
  if (resource === 'history') return send(response, 200, historyOf(cluster, name));
  if (resource === 'port-pools') return send(response, 200, poolsOf(cluster, name, body as Partial<PoolWish>));
  if (resource === 'machines' && name !== '') return send(response, 200, orderMachine(cluster, name, body as MachineOrder));
  if (name === '') return send(response, 200, lists[resource]?.() ?? {});
  if (resource === 'services') return send(response, 200, servicesOf(cluster, name));
  if (resource === 'releases') {
    const { releases } = api;
    return send(response, 200, request.method === 'POST' ? releases.order(name, body as ReleaseOrder) : releases.details(name));
  }
  const unit = cluster.units.get(name);
  if (unit === undefined) throw new FakeRefusal(404, 'UNIT_NOT_FOUND', `no unit ${name}`);
  const views: Readonly<Record<string, () => object | string | null>> = {
    units: () => (part === 'file' ? unit.text : unit.view),
    explain: () => cluster.explain(name),
    status: () => cluster.status(name),
    journal: () => journalOf(name, url.searchParams),
  };
  return send(response, 200, views[resource]?.() ?? {});
}

/** The pools; with a name one of them, made, changed or removed by a wish. */
function poolsOf({ pools, ports, revision }: FakeCluster, name: string, { range }: Partial<PoolWish>): object {
  if (name === '') return { revision, pools: [...pools.values()] };
  if (range === undefined || range === null) {
    const pool = pools.get(name);
    if (pool === undefined) throw new FakeRefusal(404, 'POOL_NOT_FOUND', `there is no pool "${name}"`);
    if (range === undefined) return { ...pool, ports: ports.filter((port) => port.pool === name) };
    pools.delete(name);
    return { revision, pool: null, warnings: [] };
  }
  const [low = 0, high = 0] = range.split('-').map(Number);
  const pool = { name, low, high, given: 0, changedAtMs: 1_700_000_000_000, changedBy: '' };
  pools.set(name, pool);
  return { revision, pool, warnings: low < 1_024 ? ['ports below 1024'] : [] };
}

/** What is remembered of a unit, of a machine, or of everything. */
function historyOf({ history, revision, machines }: FakeCluster, word: string): object {
  const machine = machines.find(({ id }) => word !== '' && id.startsWith(word))?.id ?? null;
  const unit = machine === null && word !== '' ? word : null;
  const events = history.filter((event) => word === '' || (unit === null ? event.machine === machine : event.unit === unit));
  if (events.length === 0 && unit !== null) throw new FakeRefusal(404, 'UNIT_NOT_FOUND', `nothing is remembered of ${word}`);
  return { revision, unit, machine, events };
}

function servicesOf({ revision, services }: FakeCluster, name: string): object {
  const found = services.filter((service) => service.name === name);
  if (found.length === 0) throw new FakeRefusal(404, 'SERVICE_NOT_FOUND', `no service ${name}`);
  return { revision, services: found };
}

/** A machine does as it is told, except that a drain is over at once. */
function orderMachine(cluster: FakeCluster, id: string, { action, reason = '' }: MachineOrder): object {
  const states = { cordon: 'cordoned', drain: 'drained', uncordon: 'up', undrain: 'up' } as const;
  if (action === 'forget') {
    if (cluster.machines.some((machine) => machine.id === id)) throw new FakeRefusal(409, 'MACHINE_PRESENT', `machine ${id} is here`);
    cluster.absent.splice(cluster.absent.findIndex((machine) => machine.id === id), 1);
    return { revision: cluster.revision, changed: true };
  }
  const state = states[action];
  const before = cluster.machines.find((machine) => machine.id === id);
  cluster.machines = cluster.machines.map((machine) => (machine.id === id ? { ...machine, state, reason } : machine));
  return { revision: cluster.revision, changed: before?.state !== state };
}

function holdIn(cluster: FakeCluster, { action, forMs, reason = '' }: HoldRequest): object {
  const untilMs = forMs === undefined ? null : 1_700_000_000_000 + forMs;
  cluster.holds = action === 'hold' ? [{ byHand: true, why: reason, sinceMs: 1_700_000_000_000, untilMs, missing: [] }] : [];
  return { revision: cluster.revision, changed: true };
}

function rebalanceIn(cluster: FakeCluster, { action, fenced = false }: RebalanceOrder): object {
  const { running } = cluster.rebalance;
  if (action === 'stop' && running === null) throw new FakeRefusal(404, 'REBALANCE_NOT_FOUND', 'no rebalance goes on');
  cluster.rebalance = { ...cluster.rebalance, running: action === 'stop' ? null : { sinceMs: 1_700_000_000_000, by: 'ann', fenced } };
  return { revision: cluster.revision, changed: true };
}

/** Two lines that show what was asked for. */
function journalOf(name: string, asked: URLSearchParams): string {
  const [output, lines] = [asked.get('output') ?? '', asked.get('lines') ?? ''];
  return [`00:00 host ${name}[1]: ${output} first of ${lines}`, `00:01 host ${name}[1]: second`, ''].join('\n');
}

function sortedUnits(
  cluster: FakeCluster,
): readonly (FakeCluster['units'] extends Map<string, infer Unit extends { view: object }> ? Unit['view'] : never)[] {
  return [...cluster.units.values()].map(({ view }) => view).sort((left, right) => (left.name < right.name ? -1 : 1));
}

/** Streams the present state, then every change; with `from` only changes. */
function stream({ api, streams }: Scene, isResumed: boolean, response: ServerResponse): void {
  const { cluster } = api;
  const write = (revision: number, { kind, ...data }: EventView): void => {
    response.write(`id: ${revision}\nevent: ${kind}\ndata: ${JSON.stringify(data)}\n\n`);
  };
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.write(': welcome\n\n');
  if (!isResumed) {
    for (const event of cluster.present()) write(cluster.revision, event);
    for (const release of api.releases.list()) {
      write(cluster.revision, { kind: 'release', name: release.name, release, present: true });
    }
  }
  write(cluster.revision, { kind: 'current' });
  streams.add(response);
  cluster.listeners.add(write);
  response.on('close', () => {
    streams.delete(response);
    cluster.listeners.delete(write);
  });
}
