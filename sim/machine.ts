/**
 * One simulated machine: what outlives fleetd on it (units, disk, clock, network), and the fleetd that runs there now.
 * Promises: power loss takes units and processes and keeps the disk; killing fleetd takes nothing else.
 */
import type { OnStop } from '../src/agent/agent.ts';
import type { AgentMemory } from '../src/agent/memory.ts';
import type { KnownStore } from '../src/core/doubt.ts';
import type { MachineId } from '../src/core/machine.ts';
import type { Log } from '../src/lib/log.ts';
import { createLog } from '../src/lib/log.ts';
import type { Random } from '../src/lib/random.ts';
import { seededRandom } from '../src/lib/random.ts';
import { createFakeMachine, rebootFakeMachine, settle } from '../src/runner/fake-machine.ts';
import type { FakeBehaviour, FakeInstant, FakeMachineState } from '../src/runner/fake-machine.ts';
import { createFakeRunner } from '../src/runner/fake-runner.ts';
import type { UnitName } from '../src/core/unit-name.ts';
import type { ManualClock } from '../src/lib/manual-clock.ts';
import type { Store } from '../src/store/store.ts';
import type { Fates } from './fate.ts';
import { mixed } from './fate.ts';
import { startFleetd } from './fleetd.ts';
import type { Fleetd, FleetdPart } from './fleetd.ts';
import type { Link } from './link.ts';
import { createLink } from './link.ts';
import type { ClockError, MachineClock, SimProcess } from './process.ts';
import { createMachineClock, createProcess } from './process.ts';
import type { RunnerHearing } from './runner-wire.ts';
import { createRunnerWire } from './runner-wire.ts';
import type { StoreServer } from './store-server.ts';
import type { Author, WireHearing } from './wire.ts';
import { createWire } from './wire.ts';

/** A fleetd that runs on a machine, or is frozen there. */
export interface Running {
  readonly process: SimProcess;
  readonly fleetd: Fleetd;
}

export interface SimulatedMachine {
  readonly id: MachineId;
  readonly units: FakeMachineState;
  readonly clock: MachineClock;
  readonly link: Link;
  /** Troubles of the manager of its units. */
  readonly trouble: { delayMs: number; isSilent: boolean };
  metadata: Record<string, string>;
  readonly isOn: () => boolean;
  /** What its disk says of the store; null when nothing. */
  readonly known: () => KnownStore | null;
  readonly running: () => Running | null;
  /** Brings the units to this moment, as the manager does whether or not anybody asks. */
  settle(): void;
  /** Starts fleetd, after the one that is ending; not when it runs or the machine is off. */
  start(): void;
  /** kill -9; its service manager starts it again only when start() is called. */
  kill(): void;
  /** Ends fleetd as its service manager does. */
  stop(onStop: OnStop): void;
  /** Everything that runs is gone at once. */
  powerOff(): void;
  /** A new boot; fleetd is started with it. */
  boot(): void;
}

export interface MachineNeeds {
  readonly id: string;
  readonly seed: number;
  readonly truth: ManualClock;
  readonly clockError: ClockError;
  readonly server: StoreServer;
  readonly fates: Fates;
  readonly hear: WireHearing & RunnerHearing;
  /** What its mirror has heard, for the record of who wrote what knowing what. */
  readonly basisOf: (process: SimProcess) => number;
  readonly metadata: Readonly<Record<string, string>>;
  readonly behaviours: ReadonlyMap<UnitName, FakeBehaviour>;
  readonly ttlMs: number;
  readonly stopTimeoutMs: number;
  readonly massLossHoldMs: number;
  readonly writeLine: (line: string) => void;
  /** A part of a fleetd failed by a bug. */
  readonly onBug: (process: SimProcess, error: unknown) => void;
}

/** What changes over a machine's life. */
interface Life {
  boots: number;
  processes: number;
  isOn: boolean;
  running: Running | null;
  /** It is to be started once the one that ends has ended. */
  startsAgain: boolean;
}

export function createMachine(needs: MachineNeeds): SimulatedMachine {
  const units = createFakeMachine();
  for (const [name, behaviour] of needs.behaviours) units.behaviours.set(name, behaviour);
  const random = seededRandom(mixed(needs.seed, needs.id));
  const clock = createMachineClock(needs.truth, needs.clockError);
  const life: Life = { boots: 1, processes: 0, isOn: true, running: null, startsAgain: false };
  const fixed: Fixed = {
    needs,
    units,
    clock,
    random,
    link: createLink({ clock: needs.truth, random }),
    trouble: { delayMs: 0, isSilent: false },
    disk: new Map(),
  };
  const machine: SimulatedMachine = {
    id: needs.id as MachineId,
    units,
    clock,
    link: fixed.link,
    trouble: fixed.trouble,
    metadata: { ...needs.metadata },
    isOn: () => life.isOn,
    known: () => JSON.parse(fixed.disk.get('store.json') ?? 'null') as KnownStore | null,
    running: () => (life.running?.process.state() === 'dead' ? null : life.running),
    settle: () => settleAndTell(units, { nowMs: clock.nowMs(), uptimeMs: clock.uptimeMs(), random }),
    start(): void {
      const running = machine.running();
      if (running !== null) life.startsAgain ||= running.process.ending !== null;
      else if (life.isOn) life.running = begin(fixed, machine, life);
    },
    kill(): void {
      life.running?.process.kill();
      life.running = null;
      life.startsAgain = false;
    },
    stop(onStop): void {
      // The last order holds: it takes the place of one that was given before, also of a restart.
      life.startsAgain = false;
      if (life.running !== null) end(needs, life.running, onStop);
    },
    powerOff(): void {
      machine.kill();
      life.isOn = false;
      rebootFakeMachine(units);
    },
    boot(): void {
      if (life.isOn) return;
      life.isOn = true;
      life.boots += 1;
      machine.start();
    },
  };
  return machine;
}

/** Brings units to a moment, and tells the runners that listen what changed. */
function settleAndTell(units: FakeMachineState, at: FakeInstant): void {
  for (const name of settle(units, at)) {
    for (const listener of units.listeners) {
      listener.names.add(name);
      listener.bell.wake();
    }
  }
}

/** What stays over a machine's life. */
interface Fixed {
  readonly needs: MachineNeeds;
  readonly units: FakeMachineState;
  readonly clock: MachineClock;
  readonly random: Random;
  readonly link: Link;
  readonly trouble: SimulatedMachine['trouble'];
  readonly disk: Map<string, string>;
}

function begin(
  { needs, units, clock, random, link, trouble, disk }: Fixed,
  machine: SimulatedMachine,
  life: Life,
): Running {
  const { id, server, fates, hear, truth } = needs;
  const process = createProcess(id, (life.processes += 1), clock);
  const authorOf = (part: FleetdPart) => (): Author => ({
    process,
    part,
    sentAtMs: truth.uptimeMs(),
    basis: needs.basisOf(process),
  });
  const wire = (part: FleetdPart): Store =>
    createWire({ server, link, process, part, fates, hear, author: authorOf(part) });
  const inner = createFakeRunner({ clock, random, machine: units });
  const bootId = `${id} boot ${String(life.boots)}`;
  const startedAtMs = clock.nowMs();
  const fleetd = startFleetd({
    stores: { mirror: wire('mirror'), engine: wire('engine'), agent: wire('agent'), api: wire('api') },
    clock: process.clock,
    random: seededRandom(mixed(needs.seed, process.name)),
    log: logOf(needs, process),
    ttlMs: needs.ttlMs,
    stopTimeoutMs: needs.stopTimeoutMs,
    massLossHoldMs: needs.massLossHoldMs,
    onFollowed: (prefix, revision) => hear.followed({ process, part: 'agent' }, prefix, revision),
    runner: createRunnerWire({ inner, process, clock: truth, fates, trouble, hear }),
    memory: memoryOf(process, disk),
    probe: () => process.receive(Promise.resolve(null)),
    facts: () => ({
      id: machine.id,
      publicIp: `ip-${id}`,
      hostname: id,
      metadata: { ...machine.metadata },
      version: '2',
      bootId,
      capacity: { cpus: 1, memoryBytes: 1 },
      peer: null,
      runner: 'systemd',
      store: 'etcd',
      startedAtMs,
    }),
  });
  const running: Running = { process, fleetd };
  fleetd.ended.then(
    () => {
      if (life.running !== running) return;
      life.running = null;
      if (life.startsAgain) machine.start();
      life.startsAgain = false;
    },
    (error: unknown) => needs.onBug(process, error),
  );
  return running;
}

function end(needs: MachineNeeds, running: Running, onStop: OnStop): void {
  const { how, sinceMs } = running.process.ending ?? { how: onStop, sinceMs: needs.truth.uptimeMs() };
  // Who leaves goes on with that, whatever is asked of its service meanwhile.
  running.process.ending = { how: how === 'leave' ? how : onStop, sinceMs };
  // As a signal: a frozen process hears it when it is thawed.
  running.process
    .receive(Promise.resolve())
    .then(() => running.fleetd.stop(onStop))
    .catch((error: unknown) => needs.onBug(running.process, error));
}

const logOf = ({ truth, writeLine }: MachineNeeds, process: SimProcess): Log =>
  createLog(process.name, 'info', (line) => writeLine(`${seconds(truth.uptimeMs())} ${line}`));

/** "12.345s": true time in traces. */
export const seconds = (atMs: number): string => `${(atMs / 1_000).toFixed(3)}s`;

/** The disk as a process sees it: nothing of a dead one is written. */
function memoryOf(process: SimProcess, disk: Map<string, string>): AgentMemory {
  return {
    read: (name) => process.receive(Promise.resolve(disk.get(name) ?? null)),
    async write(name, text): Promise<void> {
      await process.receive(Promise.resolve());
      disk.set(name, text);
    },
  };
}
