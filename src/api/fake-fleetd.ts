/**
 * An API over a memory store, for tests: what engine and agents would write is written by hand.
 * Promises: the store, the mirror and the API are the real ones; nothing is left running after close().
 */
import { unchecked, unfenced, type Assignment, type FileHash, type UnitStatus } from '../core/unit.ts';
import type { Machine, MachineId } from '../core/machine.ts';
import type { UnitName } from '../core/unit-name.ts';
import type { Clock } from '../lib/clock.ts';
import { createLog } from '../lib/log.ts';
import { seededRandom } from '../lib/random.ts';
import { systemClock } from '../lib/system-clock.ts';
import { keys } from '../store/keys.ts';
import { createMemoryStore, type MemoryStore } from '../store/memory-store.ts';
import { createMirror, type Mirror } from '../store/mirror.ts';
import { trustful } from '../store/trust.ts';
import { encodeRecord } from '../store/records.ts';
import type { CommitChange, Revision, Store } from '../store/store.ts';
import { createApi, type Api } from './api.ts';
import type { ApiNeeds } from './needs.ts';

export interface FakeFleetdOptions {
  /** The memory of several fleetd; absent: one of its own. */
  readonly memory?: MemoryStore;
  /** How this fleetd reaches it; absent: directly. */
  readonly store?: Store;
  readonly clock?: Clock;
  readonly needs?: Partial<ApiNeeds>;
}

export interface FakeFleetd extends Api {
  readonly memory: MemoryStore;
  readonly mirror: Mirror;
  readonly needs: ApiNeeds;
  readonly logLines: readonly string[];
  /** Writes as engine, agents and machines do; resolves once the mirror has seen it. */
  write(changes: readonly CommitChange[]): Promise<Revision>;
  /** All values of the store under a prefix, by key. */
  stored(prefix?: string): Promise<Readonly<Record<string, string>>>;
  close(): Promise<void>;
}

export const fakeMachineId = '2c7d7478ba9f8197b5b7a551442f19f7' as MachineId;
const stepLimitMs = 60_000;

/** Starts one; its mirror has heard the store when this resolves. */
export async function startFakeFleetd(options: FakeFleetdOptions = {}): Promise<FakeFleetd> {
  const clock = options.clock ?? systemClock;
  const memory = options.memory ?? createMemoryStore({ clock });
  const store = options.store ?? memory;
  const logLines: string[] = [];
  const log = createLog('api', 'info', (line) => logLines.push(line));
  const mirror = createMirror({ store, clock, random: seededRandom(1), log });
  const stop = new AbortController();
  const needs: ApiNeeds = {
    mirror,
    rest: null,
    store,
    clock,
    log,
    version: 'v1.0.0',
    keyPrefix: '/fleet',
    machineId: fakeMachineId,
    storeKind: 'etcd',
    local: new Map(),
    peers: null,
    presence: () => null,
    trust: trustful,
    trouble: () => null,
    storeHealth: () => null,
    storeTroubles: () => [],
    reports: new Map(),
    tokenLimit: 100,
    ...options.needs,
  };
  const api = createApi(needs, stop.signal);
  await api.app.ready();
  const running = mirror.run(stop.signal);
  // An empty store has revision 0, which a mirror cannot tell from one it has not heard.
  const { revision } = await memory.commit(
    { guards: [], changes: [{ kind: 'put', key: keys.schema, value: encodeRecord({ version: 1, cluster: 'c', createdAtMs: 0 }) }] },
    stop.signal,
  );
  await mirror.reached(revision, AbortSignal.timeout(stepLimitMs));
  return {
    ...api,
    memory,
    mirror,
    needs,
    logLines,
    async write(changes) {
      const outcome = await memory.commit({ guards: [], changes }, stop.signal);
      await mirror.reached(outcome.revision, AbortSignal.timeout(stepLimitMs));
      return outcome.revision;
    },
    async stored(prefix = '') {
      const { entries } = await memory.list(prefix, AbortSignal.timeout(stepLimitMs));
      return Object.fromEntries(entries.map(({ key, value }) => [key, value]));
    },
    async close() {
      stop.abort(new Error('the test is over'));
      await api.app.close();
      await running;
      if (options.memory === undefined) memory.close();
    },
  };
}

/** A machine's record as its agent publishes it. */
export function fakeMachine(id: string, changes: Partial<Machine> = {}): Machine {
  return {
    id: id as MachineId,
    publicIp: '172.18.0.3',
    hostname: 'one',
    metadata: {},
    version: '2.0.0',
    bootId: 'boot',
    capacity: { cpus: 1, memoryBytes: 1 },
    peer: null,
    runner: 'supervisor',
    store: 'embedded',
    startedAtMs: 0,
    ttlMs: 0,
    left: false,
    trouble: '',
    doubt: null,
    cordon: null,
    drain: null,
    ...changes,
  };
}

export function putMachine(machine: Machine): CommitChange {
  return { kind: 'put', key: keys.machine(machine.id), value: encodeRecord(machine) };
}

export function putAssignment(machine: string, name: string, changes: Partial<Assignment> = {}): CommitChange {
  const assignment: Assignment = {
    hash: '' as FileHash,
    desired: 'launched',
    restart: 0,
    reset: 0,
    release: 0,
    ports: {},
    portOrigins: {},
    portMoves: 0,
    why: 'it fits',
    assignedAtMs: 0,
    finished: false,
    ...unfenced,
    ...changes,
  };
  return { kind: 'put', key: keys.assignment(machine as MachineId, name as UnitName), value: encodeRecord(assignment) };
}

export function putStatus(machine: string, name: string, changes: Partial<UnitStatus> = {}): CommitChange {
  const status: UnitStatus = {
    load: 'loaded',
    active: 'active',
    sub: 'running',
    hash: 'a'.repeat(40) as FileHash,
    sinceMs: 1,
    result: 'success',
    exitStatus: null,
    succeeded: false,
    restarts: 0,
    mainPid: 7,
    restart: 0,
    reset: 0,
    problem: '',
    ...unchecked,
    ...changes,
  };
  return { kind: 'put', key: keys.status(machine as MachineId, name as UnitName), value: encodeRecord(status) };
}
