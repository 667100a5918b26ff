/**
 * A whole cluster in one process on a clock that is moved by hand: real engine, agent and mirror over the memory store and
 * fake runners.
 * Promises: the same calls give the same run; machines, stores and processes can each be lost by themselves.
 */
import type { OnStop } from '../src/agent/agent.ts';
import type { AgentMemory } from '../src/agent/memory.ts';
import type { AgentReport } from '../src/agent/report.ts';
import type { WriteNeeds } from '../src/api/write/decision.ts';
import type { ClusterSnapshot } from '../src/core/cluster.ts';
import type { MachineId } from '../src/core/machine.ts';
import { restartAfter } from '../src/core/unit.ts';
import type { Assignment, DesiredState, FileHash, UnitRecord, UnitStatus } from '../src/core/unit.ts';
import { parseUnitFile, printUnitFile } from '../src/core/unit-file.ts';
import { hashUnitFile } from '../src/core/unit-hash.ts';
import type { UnitName } from '../src/core/unit-name.ts';
import type { EngineReport } from '../src/engine/report.ts';
import { createLog } from '../src/lib/log.ts';
import { createManualClock } from '../src/lib/manual-clock.ts';
import type { ManualClock } from '../src/lib/manual-clock.ts';
import { seededRandom } from '../src/lib/random.ts';
import { createFakeMachine } from '../src/runner/fake-machine.ts';
import type { FakeMachineState } from '../src/runner/fake-machine.ts';
import { createFakeRunner } from '../src/runner/fake-runner.ts';
import { keys } from '../src/store/keys.ts';
import { createMemoryStore } from '../src/store/memory-store.ts';
import type { MemoryClient, MemoryStore, StoreCall, StoreFault } from '../src/store/memory-store.ts';
import { createMirror } from '../src/store/mirror.ts';
import type { FollowBatch, Mirror } from '../src/store/mirror.ts';
import { encodeRecord } from '../src/store/records.ts';
import type { StoreTrust } from '../src/store/trust.ts';
import type { CommitChange } from '../src/store/store.ts';
import { startFleetd } from './fleetd.ts';
import type { Fleetd } from './fleetd.ts';

/** agent_ttl of simulated machines. */
export const ttlMs = 30_000;
const stopTimeoutMs = 90_000;

/** One fleetd that runs. */
export interface SimFleetd {
  readonly client: MemoryClient;
  readonly agent: AgentReport;
  readonly engine: EngineReport;
  readonly trust: StoreTrust;
  /** What a request to its API works with. */
  readonly write: WriteNeeds;
  /** Ends it as a person does; resolves once it has ended, which may need the clock to be moved. */
  stop(onStop: OnStop): Promise<void>;
  /** Ends it as kill -9 does: nothing of it reaches the store or the units any more. */
  kill(): void;
  /** Has the facts of the machine read again. */
  reload(): void;
}

/** One machine: what outlives fleetd on it. */
export interface SimMachine {
  readonly id: MachineId;
  readonly units: FakeMachineState;
  readonly disk: Map<string, string>;
  metadata: Record<string, string>;
  /** What health checks of its units say: why they fail, null when they pass. */
  ailment: string | null;
  bootId: string;
  /** Starts fleetd; `faultOf` makes its store calls fail. */
  start(faultOf?: (call: StoreCall) => StoreFault): SimFleetd;
}

export interface SimCluster {
  readonly clock: ManualClock;
  readonly store: MemoryStore;
  readonly log: readonly string[];
  machine(id: string, metadata?: Record<string, string>): SimMachine;
  /** All machines made so far. */
  machines(): readonly SimMachine[];
  /** Calls `listener` after every change of the store, with what changed. */
  onChange(listener: (batch: FollowBatch) => void): void;
  /** Submits a unit, or changes what is wanted of it; without text it keeps its file. */
  want(name: string, desired: DesiredState, text?: string): Promise<void>;
  restart(name: string): Promise<void>;
  resetFailed(name: string): Promise<void>;
  destroy(name: string): Promise<void>;
  snapshot(): ClusterSnapshot;
  /** Machines a unit is assigned to. */
  machinesOf(name: string): readonly string[];
  /** What the store says of a unit on a machine. */
  status(machine: string, name: string): UnitStatus | undefined;
  /** Moves the clock until the condition holds; fails after `limitMs`. */
  until(holds: () => boolean, limitMs?: number): Promise<void>;
  /** Ends everything. */
  close(): Promise<void>;
}

/** A service that runs for ever. */
export const sleeper = '[Service]\nExecStart=/bin/sleep infinity\n';
const never = new AbortController().signal;

export async function createCluster(seed: number = 1): Promise<SimCluster> {
  const clock = createManualClock();
  const store = createMemoryStore({ clock });
  const log: string[] = [];
  const ending = new AbortController();
  const world: World = { clock, store, seed, log, running: new Set() };
  const watcherLog = createLog('watcher', 'info', (line) => log.push(line));
  const mirror = createMirror({ store, clock, random: seededRandom(seed), log: watcherLog });
  const mirroring = mirror.run(ending.signal);
  await clock.settle();
  const machines: SimMachine[] = [];
  return {
    clock, store, log,
    ...createOperator(world, mirror),
    machine(id, metadata = {}): SimMachine {
      const machine = createMachine(world, id as MachineId, metadata);
      machines.push(machine);
      return machine;
    },
    machines: () => machines,
    onChange: (listener) => void mirror.subscribe(listener),
    snapshot: mirror.snapshot,
    machinesOf: (name) => [...assignmentsOf(mirror.snapshot(), name as UnitName).keys()],
    status: (machine, name) => mirror.snapshot().statuses.get(machine as MachineId)?.get(name as UnitName),
    until: (holds, limitMs = 120_000) => clock.runUntil(holds, limitMs),
    async close(): Promise<void> {
      ending.abort();
      const ended = Promise.all([mirroring, ...[...world.running].map((fleetd) => fleetd.stop('keep'))]);
      await clock.advance(stopTimeoutMs);
      await ended;
      store.close();
    },
  };
}

/** The assignments of a unit, by machine. */
export function assignmentsOf(snapshot: ClusterSnapshot, name: UnitName): ReadonlyMap<MachineId, Assignment> {
  const found = [...snapshot.assignments].flatMap(([machine, ofMachine]): [MachineId, Assignment][] => {
    const assignment = ofMachine.get(name);
    return assignment === undefined ? [] : [[machine, assignment]];
  });
  return new Map(found);
}

interface World {
  readonly clock: ManualClock;
  readonly store: MemoryStore;
  readonly seed: number;
  readonly log: string[];
  /** All that must have ended at the end of the run. */
  readonly running: Set<Fleetd>;
}

/** What a person does, straight in the store. */
function createOperator({ store, clock }: World, mirror: Mirror): Pick<SimCluster, 'want' | 'restart' | 'resetFailed' | 'destroy'> {
  const change = async (name: UnitName, make: (before: UnitRecord | undefined) => readonly CommitChange[]): Promise<void> => {
    await store.commit({ guards: [], changes: make(mirror.snapshot().units.get(name)) }, never);
    await clock.settle();
  };
  const put = (name: UnitName, before: UnitRecord | undefined, wish: Partial<UnitRecord>): CommitChange => ({
    kind: 'put', key: keys.unit(name), value: encodeRecord({
      hash: '' as FileHash, desired: 'inactive', restart: 0, reset: 0, release: 0, ...before, ...wish, generation: (before?.generation ?? 0) + 1,
      changedAtMs: clock.nowMs(), changedBy: 'operator', adoptOn: null,
    }),
  });
  return {
    want: (name, desired, text) => change(name as UnitName, (before) => {
      const restart = before === undefined ? 0 : restartAfter(before, desired, false);
      if (text === undefined) return [put(name as UnitName, before, { desired, restart })];
      const parsed = parseUnitFile(text);
      if (!parsed.ok) throw new Error(parsed.failure.message);
      const hash = hashUnitFile(parsed.value);
      const file: CommitChange = { kind: 'put', key: keys.unitFile(hash), value: printUnitFile(parsed.value) };
      return [file, put(name as UnitName, before, { desired, hash, restart })];
    }),
    restart: (name) => change(name as UnitName, (before) => {
      const restart = (before?.restart ?? 0) + 1;
      return [put(name as UnitName, before, { restart })];
    }),
    resetFailed: (name) => change(name as UnitName, (before) => [put(name as UnitName, before, { reset: (before?.reset ?? 0) + 1 })]),
    destroy: (name) => change(name as UnitName, () => [{ kind: 'delete', key: keys.unit(name as UnitName) }]),
  };
}

function createMachine(world: World, id: MachineId, metadata: Record<string, string>): SimMachine {
  let boots = 0;
  const machine: SimMachine = {
    id, metadata, units: createFakeMachine(), disk: new Map(), ailment: null, bootId: `boot of ${id}`,
    start: (faultOf) => {
      boots += 1;
      return startOn(world, { machine, faultOf, number: boots });
    },
  };
  return machine;
}

interface Starting {
  readonly machine: SimMachine;
  readonly faultOf: ((call: StoreCall) => StoreFault) | undefined;
  /** Counts the processes of a machine. */
  readonly number: number;
}

function startOn(world: World, { machine, faultOf, number }: Starting): SimFleetd {
  const { clock, store } = world;
  const random = seededRandom(world.seed + [...machine.id].reduce((sum, letter) => sum * 31 + letter.charCodeAt(0), number));
  const writeLine = (line: string): void => void world.log.push(`${String(clock.uptimeMs())} ${line}`);
  const client = store.client(faultOf);
  const startedAtMs = clock.nowMs() + number;
  const fleetd = startFleetd({
    stores: { mirror: client, engine: client, agent: client, api: client },
    clock, random, log: createLog(`${machine.id}#${String(number)}`, 'info', writeLine), ttlMs, stopTimeoutMs,
    runner: createFakeRunner({ clock, random, machine: machine.units }), memory: memoryOf(machine.disk),
    probe: () => Promise.resolve(machine.ailment),
    facts: () => ({
      id: machine.id, publicIp: `ip-${machine.id}`, hostname: machine.id, metadata: { ...machine.metadata }, version: '2',
      bootId: machine.bootId, capacity: { cpus: 1, memoryBytes: 1 }, peer: null, runner: 'supervisor', store: 'embedded',
      startedAtMs,
    }),
  });
  world.running.add(fleetd);
  return {
    client, agent: fleetd.agent, engine: fleetd.engine, trust: fleetd.trust, write: fleetd.write, stop: fleetd.stop, reload: fleetd.reload,
    kill(): void {
      client.cut();
      void fleetd.stop('keep');
    },
  };
}

function memoryOf(disk: Map<string, string>): AgentMemory {
  return {
    read: (name) => Promise.resolve(disk.get(name) ?? null),
    write(name, text): Promise<void> {
      disk.set(name, text);
      return Promise.resolve();
    },
  };
}
