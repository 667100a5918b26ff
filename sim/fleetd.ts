/**
 * One fleetd without sockets and disks: mirror, engine, agent and the API's writes, put together and taken apart in the
 * order of src/fleetd/process.ts, over whatever stores, runner, clock and disk it is given.
 * Promises: it adds nothing to what its parts do; each part has a store client of its own, so that it is known who
 * wrote what.
 */
import { runAgent } from '../src/agent/agent.ts';
import type { AgentNeeds, OnStop } from '../src/agent/agent.ts';
import { noPortFacts } from '../src/agent/port-watch.ts';
import { createAgentReport } from '../src/agent/report.ts';
import type { AgentReport } from '../src/agent/report.ts';
import type { WriteNeeds } from '../src/api/write/decision.ts';
import { runOperations } from '../src/api/write/operation.ts';
import type { MachineId } from '../src/core/machine.ts';
import type { FileHash } from '../src/core/unit.ts';
import { runEngine } from '../src/engine/engine.ts';
import { createEngineReport } from '../src/engine/report.ts';
import type { EngineReport } from '../src/engine/report.ts';
import type { Clock } from '../src/lib/clock.ts';
import type { Log } from '../src/lib/log.ts';
import type { Random } from '../src/lib/random.ts';
import { createBell } from '../src/lib/wakeups.ts';
import { createMirror } from '../src/store/mirror.ts';
import type { Mirror } from '../src/store/mirror.ts';
import type { Revision, Store, WatchBatch } from '../src/store/store.ts';
import { createStoreTrust } from '../src/store/trust.ts';
import type { StoreTrust } from '../src/store/trust.ts';

/** The parts of a fleetd that speak to the store. */
const fleetdParts = ['mirror', 'engine', 'agent', 'api'] as const;
export type FleetdPart = (typeof fleetdParts)[number];

export interface FleetdNeeds extends Pick<
  AgentNeeds,
  'runner' | 'facts' | 'memory' | 'probe' | 'ttlMs' | 'stopTimeoutMs'
> {
  readonly stores: Readonly<Record<FleetdPart, Store>>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly massLossHoldMs?: number;
  /** Told of what the agent follows, once it is believed: what comes may have to be checked first. */
  readonly onFollowed?: (prefix: string, revision: Revision) => void;
}

export interface Fleetd {
  readonly agent: AgentReport;
  readonly engine: EngineReport;
  readonly mirror: Mirror;
  readonly trust: StoreTrust;
  /** What a request to the API of this fleetd works with. */
  readonly write: WriteNeeds;
  /** Has the facts of the machine read again, as SIGHUP does. */
  reload(): void;
  /** Ends it as its service manager does; resolves once it has ended, which may need the clock to be moved. */
  stop(onStop: OnStop): Promise<void>;
  /** Resolves once it has ended; rejects on a bug of one of its parts. */
  readonly ended: Promise<void>;
}

/** The store of one follower, with what comes to it told. */
function toldOf(store: Store, onFollowed: FleetdNeeds['onFollowed']): Store {
  return {
    ...store,
    async* watch(prefix, after, signal): AsyncGenerator<WatchBatch, void> {
      for await (const batch of store.watch(prefix, after, signal)) {
        onFollowed?.(prefix, batch.revision);
        yield batch;
      }
    },
  };
}

/** Whether a machine's agent is told the files that its process knows: those of the others read them, as where the mirror rests. */
const knowsFiles = (machine: MachineId): boolean => machine.charCodeAt(machine.length - 1) % 2 === 0;

/** Starts all parts. */
export function startFleetd(needs: FleetdNeeds): Fleetd {
  const { clock, random, log, stores, ttlMs } = needs;
  const machineId = needs.facts().id;
  const [agent, engine] = [createAgentReport(), createEngineReport()];
  const [engineStop, agentStop, background] = [new AbortController(), new AbortController(), new AbortController()];
  const refresh = createBell();
  let answer: OnStop = 'keep';
  const trust = createStoreTrust({ store: stores.agent, memory: needs.memory, machine: machineId, clock, log });
  const mirror = createMirror({ store: trust.mirrored(stores.mirror), clock, random, log });
  trust.follow(mirror);
  const write: WriteNeeds = { mirror, store: stores.api, trust, clock, log, machineId, storeKind: 'etcd' };
  const hold = needs.massLossHoldMs === undefined ? {} : { massLossHoldMs: needs.massLossHoldMs };
  const recalled = trust.recall();
  const engineEnded = recalled.then(() => runEngine(
    {
      store: stores.engine, mirror, machine: machineId, clock, random, log, ttlMs, report: engine, doubtsStore: () => trust.doubt() !== null,
      steadySinceMs: () => agent.steadySinceMs(), ...hold,
    },
    engineStop.signal,
  ));
  const agentEnded = recalled.then(() => runAgent(
    {
      store: stores.agent,
      trust: { ...trust, trusted: (store) => toldOf(trust.trusted(store), needs.onFollowed) },
      runner: needs.runner,
      facts: needs.facts,
      clock,
      random,
      log,
      ttlMs,
      memory: needs.memory,
      probe: needs.probe,
      portFacts: noPortFacts,
      ...(knowsFiles(machineId) && { knownText: (hash: FileHash) => mirror.snapshot().files.get(hash)?.text }),
      report: agent,
      refresh,
      stopTimeoutMs: needs.stopTimeoutMs,
      onStop: () => Promise.resolve(answer),
    },
    agentStop.signal,
  ));
  const ended = Promise.all([
    engineEnded,
    agentEnded,
    recalled.then(() => mirror.run(background.signal)),
    recalled.then(() => trust.run(background.signal)),
    runOperations(write, background.signal),
  ]).then(() => undefined);
  return {
    agent,
    engine,
    mirror,
    trust,
    write,
    ended,
    reload: () => refresh.wake(),
    async stop(onStop: OnStop): Promise<void> {
      answer = onStop;
      engineStop.abort();
      await engineEnded;
      agentStop.abort();
      await agentEnded;
      background.abort();
      await ended;
    },
  };
}
