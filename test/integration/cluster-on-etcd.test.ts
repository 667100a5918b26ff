/**
 * Engines and agents over a real etcd, with fake runners: units keep running while etcd, leaders and fleetds come and go.
 */
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { runAgent } from '../../src/agent/agent.ts';
import type { OnStop } from '../../src/agent/agent.ts';
import { noPortFacts } from '../../src/agent/port-watch.ts';
import { createAgentReport } from '../../src/agent/report.ts';
import type { ClusterSnapshot } from '../../src/core/cluster.ts';
import type { MachineId, MachineFacts } from '../../src/core/machine.ts';
import type { UnitRecord } from '../../src/core/unit.ts';
import { parseUnitFile, printUnitFile } from '../../src/core/unit-file.ts';
import { hashUnitFile } from '../../src/core/unit-hash.ts';
import type { UnitName } from '../../src/core/unit-name.ts';
import { runEngine } from '../../src/engine/engine.ts';
import { createEngineReport } from '../../src/engine/report.ts';
import type { EngineReport } from '../../src/engine/report.ts';
import { createLog } from '../../src/lib/log.ts';
import { seededRandom } from '../../src/lib/random.ts';
import { systemClock } from '../../src/lib/system-clock.ts';
import { createBell, waitAtMost } from '../../src/lib/wakeups.ts';
import { createFakeMachine } from '../../src/runner/fake-machine.ts';
import type { FakeMachineState } from '../../src/runner/fake-machine.ts';
import { createFakeRunner } from '../../src/runner/fake-runner.ts';
import { openEtcdStore } from '../../src/store/etcd/etcd-store.ts';
import type { EtcdStore } from '../../src/store/etcd/etcd-store.ts';
import { keys } from '../../src/store/keys.ts';
import { createMirror } from '../../src/store/mirror.ts';
import type { Mirror } from '../../src/store/mirror.ts';
import { createStoreTrust } from '../../src/store/trust.ts';
import { encodeRecord } from '../../src/store/records.ts';
import type { CommitChange } from '../../src/store/store.ts';
import { startEtcd } from './etcd-server.ts';
import type { EtcdServer } from './etcd-server.ts';

const ttlMs = 3_000;
const waitMs = 60_000;
const lookMs = 250;
const text = '[Service]\nExecStart=/bin/sleep infinity\n';

interface Fleetd {
  readonly units: FakeMachineState;
  readonly engine: EngineReport;
  /** Ends it; `kill` leaves everything in the store as it is. */
  stop(how: OnStop | 'kill'): Promise<void>;
}

describe('a cluster over a real etcd', () => {
  let etcd: EtcdServer;
  let prefix = 0;
  let watching: EtcdStore;
  let mirror: Mirror;
  let ending: AbortController;
  let running: Promise<unknown>[];
  const changed = createBell();

  before(async () => {
    etcd = await startEtcd();
  });
  after(() => etcd.close());
  beforeEach(() => {
    prefix += 1;
    ending = new AbortController();
    watching = open();
    mirror = createMirror({ store: watching, clock: systemClock, random: seededRandom(1), log: quiet });
    mirror.subscribe(changed.wake);
    running = [mirror.run(ending.signal)];
  });
  afterEach(async () => {
    ending.abort();
    await Promise.all(running);
    await watching.close();
  });

  const quiet = createLog('test', 'error', () => undefined);
  const open = (): EtcdStore => openEtcdStore(
    { endpoints: [etcd.endpoint], prefix: `cluster-${String(prefix)}`, requestTimeoutMs: 1_000 },
    { clock: systemClock, random: seededRandom(1), log: quiet });

  const start = (id: string, units: FakeMachineState = createFakeMachine()): Fleetd => {
    const [store, random, stopping, links] = [open(), seededRandom(id.charCodeAt(0)), new AbortController(), new AbortController()];
    const stop = AbortSignal.any([stopping.signal, ending.signal]);
    let onStop: OnStop = 'keep';
    const own = createMirror({ store, clock: systemClock, random, log: quiet });
    const startedAtMs = systemClock.nowMs();
    const facts = (): MachineFacts => ({
      id: id as MachineId, publicIp: '127.0.0.1', hostname: id, metadata: {}, version: '2', bootId: `boot of ${id}`,
      capacity: { cpus: 1, memoryBytes: 1 }, peer: null, runner: 'supervisor', store: 'etcd', startedAtMs,
    });
    const memory = { read: () => Promise.resolve(null), write: () => Promise.resolve() };
    const trust = createStoreTrust({ store, memory, machine: id as MachineId, clock: systemClock, log: quiet });
    trust.follow(own);
    const needs = { store, clock: systemClock, random, log: quiet, ttlMs };
    const engine = createEngineReport();
    const runner = createFakeRunner({ clock: systemClock, random, machine: units });
    const work = Promise.all([
      runEngine({ ...needs, mirror: own, machine: id as MachineId, report: engine }, stop),
      runAgent({
        ...needs, trust, runner, facts, memory, probe: () => Promise.resolve(null), portFacts: noPortFacts, onStop: () => Promise.resolve(onStop), stopTimeoutMs: waitMs, report: createAgentReport(),
      }, stop),
    ]).then(() => links.abort());
    const ended = Promise.all([work, own.run(links.signal)]).then(() => store.close());
    running.push(ended);
    return {
      units, engine,
      async stop(how): Promise<void> {
        if (how === 'kill') await store.close();
        else onStop = how;
        stopping.abort();
        await ended;
      },
    };
  };
  const until = async (holds: (snapshot: ClusterSnapshot) => boolean, words: string): Promise<void> => {
    const late = AbortSignal.timeout(waitMs);
    while (!holds(mirror.snapshot())) {
      if (late.aborted) assert.fail(`not in time: ${words}`);
      await waitAtMost(changed, { clock: systemClock, limitMs: lookMs }, new AbortController().signal);
    }
  };
  const put = async (names: readonly string[], wish: Partial<UnitRecord>): Promise<void> => {
    const parsed = parseUnitFile(text);
    assert.ok(parsed.ok);
    const hash = hashUnitFile(parsed.value);
    const record: UnitRecord = {
      hash, desired: 'launched', generation: 1, restart: 0, reset: 0, release: 0, changedAtMs: systemClock.nowMs(), changedBy: 'test', adoptOn: null, ...wish,
    };
    const file: CommitChange = { kind: 'put', key: keys.unitFile(hash), value: printUnitFile(parsed.value) };
    for (let at = 0; at < names.length; at += 100) {
      const units = names.slice(at, at + 100).map((name): CommitChange =>
        ({ kind: 'put', key: keys.unit(name as UnitName), value: encodeRecord(record) }));
      await watching.commit({ guards: [], changes: [file, ...units] }, AbortSignal.timeout(waitMs));
    }
  };
  const countRunning = (snapshot: ClusterSnapshot): number => [...snapshot.statuses.values()]
    .flatMap((ofMachine) => [...ofMachine.values()]).filter(({ active }) => active === 'active').length;
  const pids = (...fleetds: readonly Fleetd[]): readonly string[] =>
    fleetds.flatMap(({ units }) => [...units.units].map(([name, { mainPid }]) => `${name} ${String(mainPid)}`)).sort();
  const names = Array.from({ length: 300 }, (_, index) => `app@${String(index)}.service`);

  test('300 units run on three machines and are reported; the leader\'s death, its return and a cut to etcd touch none', async () => {
    const [one, two, three] = [start('a'), start('b'), start('c')];
    await until(({ machines }) => machines.size === 3, 'three machines are present');
    await put(names, {});
    await until((snapshot) => countRunning(snapshot) === 300, 'all units run');
    assert.deepEqual([one, two, three].map(({ units }) => units.units.size), [100, 100, 100]);
    const before = pids(one, two, three);

    await etcd.kill();
    await etcd.restart();
    await until(({ machines, leader }) => machines.size === 3 && leader !== null, 'the cluster is whole after a restart of etcd');
    await etcd.pause();
    await systemClock.sleep(ttlMs / 2, AbortSignal.timeout(waitMs));
    etcd.resume();
    await until((snapshot) => countRunning(snapshot) === 300 && snapshot.leader !== null, 'all is reported after etcd stood still');

    const dead = [one, two, three].find(({ engine }) => engine.role === 'leading') ?? one;
    const deadId = ['a', 'b', 'c'][[one, two, three].indexOf(dead)] ?? 'a';
    await dead.stop('kill');
    const again = start(deadId, dead.units);
    await until(({ machines, leader }) => machines.size === 3 && leader !== null, 'somebody leads again');
    await put(['one-more.service'], {});
    await until((snapshot) => countRunning(snapshot) === 301, 'the new leader places units');
    const left = [one, two, three].filter((fleetd) => fleetd !== dead);
    assert.deepEqual(pids(again, ...left).filter((line) => !line.startsWith('one-more')), before);
  });

  test('the units of a machine that leaves, and of one that is lost, run elsewhere', async () => {
    const [leaving, lost, ...left] = [start('a'), start('b'), start('c'), start('d')];
    await until(({ machines }) => machines.size === 4, 'four machines are present');
    await put(names.slice(0, 40), {});
    await until((snapshot) => countRunning(snapshot) === 40, 'all units run');
    await leaving?.stop('leave');
    assert.equal(leaving?.units.units.size, 0);
    await until((snapshot) => countRunning(snapshot) === 40 && snapshot.machines.size === 3, 'they run on three machines');
    await lost?.stop('kill');
    await until((snapshot) => countRunning(snapshot) === 40 && snapshot.machines.size === 2, 'they run on two machines');
    assert.deepEqual(left.map(({ units }) => units.units.size), [20, 20]);
  });
});
