/**
 * A running fleetd: store, mirror, engine, agents, API and peers put together, and taken apart in the right order.
 * Promises: when it ends, the engine resigns first (another moves what is left here; nothing moves between machines that all end),
 * then the agents end (they may have units to stop and need store and runner for it), then the API, the mirror and the store close.
 * A component that fails by a bug ends the process, so that its service manager restarts it.
 */
import { join } from 'node:path';
import { createApi } from '../api/api.ts';
import { loadPeerIdentity, type PeerIdentity } from '../api/peer/identity.ts';
import { createPeerClient } from '../api/peer/peer-client.ts';
import { createPeerServer } from '../api/peer/peer-server.ts';
import { runOperations } from '../api/write/operation.ts';
import { success, type Result } from '../core/failure.ts';
import type { MachineId } from '../core/machine.ts';
import type { FileHash } from '../core/unit.ts';
import { runEngine } from '../engine/engine.ts';
import { createEngineReport, type EngineReport } from '../engine/report.ts';
import type { Clock } from '../lib/clock.ts';
import { createLog, type Log } from '../lib/log.ts';
import type { Random } from '../lib/random.ts';
import { systemClock } from '../lib/system-clock.ts';
import { whenAborted } from '../lib/tasks.ts';
import { version } from '../lib/version.ts';
import { createMirror, type FollowNeeds, type Mirror } from '../store/mirror.ts';
import { createRestingMirror, type MirrorRest } from '../store/resting-mirror.ts';
import { createStoreTrust, type StoreTrust } from '../store/trust.ts';
import { openDnsServers } from './dns.ts';
import { openListeners } from './listeners.ts';
import { openMember, type Member } from './member.ts';
import { openMemory } from './memory.ts';
import { createStoreUpkeep } from './store-upkeep.ts';
import { openStore, type OpenStore } from './open-store.ts';
import { openPeerPort, type PeerPort } from './peer-port.ts';
import type { FleetdPlan, LiveSettings } from './plan.ts';

/** What the outside wants of a fleetd, and hears of it. */
export interface FleetdLife {
  /** Aborted when fleetd is to end. */
  readonly signal: AbortSignal;
  /** Called once the API answers. */
  onReady(urls: readonly string[], controls: FleetdControls): void;
}

/** What can be asked of a fleetd that runs. */
export interface FleetdControls {
  /** Changes what SIGHUP may change, without an interruption. */
  apply(settings: LiveSettings): void;
  /** What /debug/state answers: JSON for people who look for a fault (SIGUSR1). */
  dumpState(): Promise<string>;
}

interface Tools {
  readonly clock: Clock;
  readonly random: Random;
  readonly logFor: (component: string) => Log;
  readonly setVerbosity: (verbosity: number) => void;
}

/** Runs until the life's signal is aborted and everything has ended; a failure when it could not begin. */
export async function runFleetd(plan: FleetdPlan, life: FleetdLife): Promise<Result<void>> {
  let { verbosity } = plan.config;
  const logFor = (component: string): Log =>
    createLog(component, () => (verbosity > 0 ? 'debug' : 'info'), (line) => process.stderr.write(`${line}\n`));
  const tools: Tools = {
    clock: systemClock, random: { next: Math.random }, logFor,
    setVerbosity(wanted) { verbosity = wanted; },
  };
  for (const option of plan.config.ignored) logFor('config').info(`the option ${option} of fleet 1.0 does nothing here`);
  const store = await openStore(plan.config, { ...tools, log: logFor('store') });
  if (!store.ok) return store;
  try {
    return await serve({ plan, life, tools, store: store.value });
  } finally {
    await store.value.close();
  }
}

interface Parts {
  readonly plan: FleetdPlan;
  readonly life: FleetdLife;
  readonly tools: Tools;
  readonly store: OpenStore;
}

/** Opens what the machines share, and closes it again however serving ends. */
async function serve({ plan, life, tools, store: { store, etcd, trouble, kind: storeKind } }: Parts): Promise<Result<void>> {
  const { clock, random, logFor } = tools;
  const memory = await openMemory(plan.members[0].dataDirectory);
  const trust = createStoreTrust({ store, memory, machine: plan.members[0].id, clock, log: logFor('store') });
  await trust.recall();
  const { mirror, rest } = openMirror(plan, { store: trust.mirrored(store), clock, random, log: logFor('mirror') });
  trust.follow(mirror, rest);
  const log = logFor('api');
  const identity = await loadPeerIdentity(
    { read: async () => (await memory.read('peer.pem')) ?? '', write: (text) => memory.write('peer.pem', text) },
    { machineId: plan.members[0].id, nowMs: clock.nowMs() }, log);
  const background = new AbortController();
  const inspectors = new Map<MachineId, Member['inspector']>();
  const peerServer = createPeerServer({ identity, snapshot: mirror.snapshot, rest, local: inspectors, clock, log }, background.signal);
  const port = await openPeerPort(peerServer, plan.config.peerListen);
  if (!port.ok) return port;
  try {
    const members = await openMembers({ plan, tools, store, trust, mirror, storeKind, port: port.value, fingerprint: identity.fingerprint });
    for (const member of members) inspectors.set(member.plan.id, member.inspector);
    return await serveApi({ plan, life, tools, store, etcd, storeTrouble: trouble, storeKind, mirror, trust, rest, identity, members, inspectors, background });
  } finally {
    background.abort(new Error('fleetd ends'));
    port.value?.close();
  }
}

/** A fleetd that never leads and answers no DNS needs to know the cluster only while it is asked. */
function openMirror(plan: FleetdPlan, needs: FollowNeeds): { readonly mirror: Mirror; readonly rest: MirrorRest | null } {
  if (!plan.config.disableEngine || plan.config.dnsListen.length > 0) return { mirror: createMirror(needs), rest: null };
  const mirror = createRestingMirror(needs);
  return { mirror, rest: mirror };
}

interface ServingParts extends Omit<Parts, 'store'> {
  readonly store: OpenStore['store'];
  readonly etcd: OpenStore['etcd'];
  readonly storeTrouble: OpenStore['trouble'];
  readonly storeKind: OpenStore['kind'];
  readonly mirror: Mirror;
  readonly rest: MirrorRest | null;
  readonly trust: StoreTrust;
  readonly identity: PeerIdentity;
  readonly members: readonly Member[];
  readonly inspectors: ReadonlyMap<MachineId, Member['inspector']>;
  /** Aborted when nothing needs mirror and API any more. */
  readonly background: AbortController;
}

/** Serves the API and runs engine and agents until the life ends. */
async function serveApi(parts: ServingParts): Promise<Result<void>> {
  const { plan, life, tools, store, mirror, trust, rest, members, background } = parts;
  const { clock, random, logFor } = tools;
  const log = logFor('api');
  const first = plan.members[0].id;
  const engineReport = createEngineReport();
  const upkeep = createStoreUpkeep({
    etcd: parts.etcd, trouble: parts.storeTrouble, mirror, rest, engine: engineReport,
    intervalMs: plan.config.etcdCompactionIntervalMs, clock, log: logFor('store'),
  });
  const api = createApi({
    mirror, rest, store, clock, log, version, keyPrefix: plan.config.etcdKeyPrefix, machineId: first, storeKind: parts.storeKind,
    local: parts.inspectors, peers: plan.config.peerListen === '' ? null : createPeerClient(parts.identity, clock),
    tokenLimit: plan.config.tokenLimit,
    presence: () => members.map(({ report }) => report.presence).find(({ state }) => state !== 'present')?.why ?? null,
    trust,
    trouble: () => members.map(({ report }) => report.trouble).find((trouble) => trouble !== '') ?? null,
    storeHealth: upkeep.health, storeTroubles: upkeep.troubles,
    reports: new Map<string, () => unknown>([
      ['engine', () => engineReport], ...members.map((member) => [`agent ${member.plan.id}`, () => member.report] as const),
    ]),
  }, background.signal);
  await api.app.ready();
  try {
    const listeners = await openListeners(
      { passed: plan.passed, addresses: plan.listen, insecure: plan.config.apiInsecure }, api.attach, log);
    if (!listeners.ok) return listeners;
    const dns = await openDnsServers(plan.config, { mirror, random, log: logFor('dns') });
    if (!dns.ok) {
      await listeners.value.close();
      return dns;
    }
    const loops = [
      mirror.run(background.signal),
      // Others look after operations that a fleetd has left; one that rests would have to stay awake for them.
      ...(rest === null ? [runOperations({ mirror, store, trust, clock, log, storeKind: parts.storeKind, machineId: first }, background.signal)] : []),
      upkeep.run(background.signal), trust.run(background.signal),
    ];
    log.info(`fleetd ${version} answers on ${listeners.value.urls.join(', ')}`, { machine: first });
    life.onReady(listeners.value.urls, {
      apply(settings) {
        tools.setVerbosity(settings.verbosity);
        for (const member of members) member.apply(settings);
      },
      dumpState: async () => (await api.app.inject('/debug/state')).body,
    });
    try {
      await runComponents(parts, { engineReport, loops });
    } finally {
      background.abort(new Error('fleetd ends'));
      await Promise.all([listeners.value.close(), dns.value.close()]);
      await Promise.allSettled(loops);
    }
  } finally {
    await api.app.close();
  }
  return success(undefined);
}

interface Running {
  readonly engineReport: EngineReport;
  /** The loops of mirror and API: when one of them breaks, fleetd ends. */
  readonly loops: readonly Promise<void>[];
}

/** Runs engine and agents; when the life ends or anything breaks, the engine resigns first, then the agents end. */
async function runComponents(parts: ServingParts, { engineReport: report, loops }: Running): Promise<void> {
  const { plan, life, store, mirror, trust, members, tools: { clock, random, logFor } } = parts;
  const { agentTtlMs: ttlMs, massLossHoldMs, disableEngine } = plan.config;
  const engineStop = new AbortController();
  const agentsStop = new AbortController();
  const engine = disableEngine ? [] : [runEngine({
    store, mirror, machine: plan.members[0].id, clock, random, log: logFor('engine'), report, ttlMs, massLossHoldMs,
    doubtsStore: () => trust.doubt() !== null, steadySinceMs: () => members[0]?.report.steadySinceMs() ?? null,
  }, engineStop.signal)];
  const agents = members.map((member) => member.run(agentsStop.signal));
  try {
    await Promise.race([whenAborted(life.signal), Promise.all([...loops, ...agents, ...engine])]);
  } finally {
    engineStop.abort();
    await Promise.allSettled(engine);
    agentsStop.abort();
    await Promise.allSettled(agents);
  }
}

interface MembersNeeds {
  readonly plan: FleetdPlan;
  readonly tools: Tools;
  readonly store: OpenStore['store'];
  readonly trust: StoreTrust;
  readonly mirror: Mirror;
  readonly storeKind: OpenStore['kind'];
  readonly port: PeerPort | null;
  readonly fingerprint: string;
}

async function openMembers({ plan, tools, store, trust, mirror, storeKind, port, fingerprint }: MembersNeeds): Promise<readonly Member[]> {
  const peer = port === null ? null : { port: port.port, fingerprint };
  const knownText = (hash: FileHash): string | undefined => mirror.snapshot().files.get(hash)?.text;
  const members: Member[] = [];
  for (const member of plan.members) {
    const log = tools.logFor(plan.members.length === 1 ? 'agent' : `agent ${member.hostname}`);
    members.push(await openMember(member, { ...tools, plan, store, trust, knownText, storeKind, peer, log }));
  }
  return members;
}
