/** What placing promises about room, preferences and priorities, over random clusters. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { ClusterSnapshot, KnownFile } from '../cluster.ts';
import { emptySnapshot } from '../cluster.ts';
import type { FleetSection } from '../fleet-section.ts';
import { parseFleetSection } from '../fleet-section.ts';
import type { Machine, MachineId } from '../machine.ts';
import { unfenced, withoutPorts } from '../unit.ts';
import type { Assignment, FileHash, UnitRecord } from '../unit.ts';
import { parseUnitFile, printUnitFile } from '../unit-file.ts';
import { hashUnitFile } from '../unit-hash.ts';
import { templateOf } from '../unit-name.ts';
import type { UnitName } from '../unit-name.ts';
import { schedule } from './schedule.ts';
import type { Decision } from './decision.ts';
import { beginPass } from './pass.ts';
import { findPlace, refusalOf, settleOn } from './placing.ts';
import { isBetterRank, rankOf } from './rank.ts';
import type { Place } from './ledger.ts';

interface RandomUnit {
  readonly name: UnitName;
  readonly lines: readonly string[];
  readonly held: number | null;
  readonly at: number;
}

interface RandomMachine {
  readonly memoryBytes: number;
  readonly cpus: number;
  readonly zone: string | null;
  readonly isFast: boolean;
  readonly isClosed: boolean;
}

interface RandomCluster {
  readonly units: readonly RandomUnit[];
  readonly machines: readonly RandomMachine[];
}

const option = (...lines: readonly string[]): fc.Arbitrary<readonly string[]> => fc.constantFrom<readonly string[]>([], [], ...lines.map((line) => [line]));
/** Options in any combination that is allowed. */
const wishes: fc.Arbitrary<readonly string[]> = fc.tuple(
  option('Memory=1', 'Memory=2', 'Memory=3', 'Memory=50%'), option('CPU=1', 'CPU=0.5'), option('Strategy=pack', 'Strategy=spread'),
  option('SpreadBy=zone'), option('Weight=0', 'Weight=3'), option('Prefer=disk=fast', 'Prefer="disk=fast" "zone=b"'),
  option('Avoid=b@*.service', 'Avoid=b@1.service'), option('MaxPerMachine=1', 'MaxPerMachine=2'),
).map((lines) => lines.flat());
const pushing: fc.Arbitrary<readonly string[]> = fc.tuple(
  option('Priority=5', 'Priority=10', 'Priority=-5'), option('Preemptible=true', 'Preemptible=true'), option('Memory=1', 'Memory=2', 'Memory=3'), option('CPU=1'),
).map((lines) => lines.flat());
const tied: fc.Arbitrary<readonly string[]> = fc.tuple(
  fc.constantFrom('MachineOf=a@1.service', 'Conflicts=b@*.service', 'Replaces=a@2.service', 'Replaces=b@1.service', 'Global=true'), option('Memory=1', 'Memory=2'),
).map(([tie, more]) => [tie, ...more]);

function clustersOf(lines: fc.Arbitrary<readonly string[]>): fc.Arbitrary<RandomCluster> {
  const names = fc.uniqueArray(fc.constantFrom(...['a', 'b'].flatMap((prefix) => [1, 2, 3, 4].map((number) => `${prefix}@${String(number)}.service` as UnitName))));
  const units = names.chain((all) => fc.tuple(...all.map((name) => fc.record({
    name: fc.constant(name), lines, held: fc.option(fc.nat(4)), at: fc.nat(3),
  }))));
  const machines = fc.array(fc.record({
    memoryBytes: fc.nat(5), cpus: fc.nat(2), zone: fc.option(fc.constantFrom('a', 'b')), isFast: fc.boolean(), isClosed: fc.nat(5).map((one) => one === 0),
  }), { minLength: 1, maxLength: 4 });
  return fc.record({ units, machines });
}

const all = clustersOf(fc.oneof(wishes, pushing, tied));

function snapshotOf({ units, machines }: RandomCluster): ClusterSnapshot {
  const files = new Map<FileHash, KnownFile>();
  const records = new Map<UnitName, UnitRecord>();
  const assignments = new Map<MachineId, Map<UnitName, Assignment>>();
  for (const { name, lines, held, at } of units) {
    const parsed = parseUnitFile(`[Service]\nExecStart=/bin/true\n[X-Fleet]\n${lines.join('\n')}\n`);
    assert.ok(parsed.ok);
    // A unit does not follow, or replace, itself.
    const own = parseFleetSection(name, parsed.value).ok ? parsed.value : parseUnitFile('[Service]\nExecStart=/bin/true\n');
    const file = 'ok' in own ? (own.ok ? own.value : parsed.value) : own;
    const hash = hashUnitFile(file);
    files.set(hash, { hash, text: printUnitFile(file), file });
    records.set(name, { hash, desired: 'launched', generation: 1, restart: 0, reset: 0, release: 0, changedAtMs: 0, changedBy: '', adoptOn: null });
    if (held === null) continue;
    const id = `m${String(held)}` as MachineId;
    const ofMachine = assignments.get(id) ?? new Map<UnitName, Assignment>();
    assignments.set(id, ofMachine.set(name, {
      hash, desired: 'launched', restart: 0, reset: 0, ...withoutPorts, why: '', assignedAtMs: at, finished: false, ...unfenced,
    }));
  }
  return { ...emptySnapshot, revision: 1, files, units: records, assignments, machines: new Map(machines.map(machineOf)), leader: { machine: 'm0' as MachineId, sinceMs: 0 } };
}

function machineOf({ memoryBytes, cpus, zone, isFast, isClosed }: RandomMachine, index: number): [MachineId, Machine] {
  const id = `m${String(index)}` as MachineId;
  return [id, {
    id, publicIp: '', hostname: id, metadata: { ...(zone === null ? {} : { zone }), ...(isFast ? { disk: 'fast' } : {}) }, version: '2', bootId: '',
    capacity: { cpus, memoryBytes }, peer: null, runner: 'systemd', store: 'etcd', startedAtMs: 0, ttlMs: 30_000, left: false, trouble: '', doubt: null,
    cordon: isClosed ? { reason: '', by: '', sinceMs: 0 } : null, drain: null,
  }];
}

function carryOut(snapshot: ClusterSnapshot, decisions: readonly Decision[]): ClusterSnapshot {
  const assignments = new Map([...snapshot.assignments].map(([id, ofMachine]) => [id, new Map(ofMachine)]));
  for (const decision of decisions) {
    const leaves = decision.kind === 'move' ? decision.from : decision.kind === 'unassign' ? decision.machine : null;
    if (leaves !== null) assert.ok(assignments.get(leaves)?.delete(decision.unit));
    if (decision.kind === 'unassign') continue;
    const ofMachine = assignments.get(decision.machine) ?? new Map<UnitName, Assignment>();
    const assignedAtMs = decision.kind === 'update' ? decision.before.assignedAtMs : 1_000;
    assignments.set(decision.machine, ofMachine.set(decision.unit, { ...decision.content, assignedAtMs }));
  }
  return { ...snapshot, assignments };
}

function sectionOf(snapshot: ClusterSnapshot, name: UnitName): FleetSection {
  const file = snapshot.files.get(snapshot.units.get(name)?.hash ?? '' as FileHash);
  assert.ok(file);
  const section = parseFleetSection(name, file.file);
  assert.ok(section.ok);
  return section.value;
}

/** Units that come to each machine that is there. */
function arrivals(snapshot: ClusterSnapshot, decisions: readonly Decision[]): ReadonlyMap<MachineId, readonly UnitName[]> {
  const coming = decisions.filter((decision) => decision.kind === 'assign' || decision.kind === 'move');
  return new Map([...snapshot.machines.keys()].map((id) => [id, coming.filter(({ machine }) => machine === id).map(({ unit }) => unit)]));
}

describe('placing promises', () => {
  test('carrying out a plan leaves nothing to decide', () => {
    fc.assert(fc.property(all, (cluster) => {
      const snapshot = snapshotOf(cluster);
      assert.deepEqual(schedule(carryOut(snapshot, schedule(snapshot).decisions)).decisions, []);
    }), { numRuns: 1_000 });
  });

  test('whoever comes fits what the machine has, and no machine has more instances than they allow', () => {
    fc.assert(fc.property(all, (cluster) => {
      const snapshot = snapshotOf(cluster);
      const { decisions } = schedule(snapshot);
      const after = carryOut(snapshot, decisions);
      for (const [id, coming] of arrivals(snapshot, decisions)) {
        const { capacity } = snapshot.machines.get(id) as Machine;
        const there = [...after.assignments.get(id)?.keys() ?? []];
        const bytesOf = (name: UnitName): number => {
          const { memory } = sectionOf(snapshot, name).placing;
          if (memory === null) return 0;
          return 'bytes' in memory ? memory.bytes : Math.ceil((capacity.memoryBytes * memory.basisPoints) / 10_000);
        };
        const millisOf = (name: UnitName): number => sectionOf(snapshot, name).placing.cpuMillis ?? 0;
        const sum = (valueOf: (name: UnitName) => number): number => there.reduce((total, name) => total + valueOf(name), 0);
        for (const name of coming) {
          const { maxPerMachine } = sectionOf(snapshot, name).placing;
          if (bytesOf(name) > 0 && capacity.memoryBytes > 0) assert.ok(sum(bytesOf) <= capacity.memoryBytes, `${name} on ${id}`);
          if (millisOf(name) > 0 && capacity.cpus > 0) assert.ok(sum(millisOf) <= capacity.cpus * 1_000, `${name} on ${id}`);
          const alike = there.filter((other) => templateOf(other) === templateOf(name));
          // The instances of one template may differ in what they say; the one that allows most may be the last to come.
          const most = Math.max(...alike.map((other) => sectionOf(snapshot, other).placing.maxPerMachine ?? Infinity));
          if (maxPerMachine !== null) assert.ok(alike.length <= most, `${name} on ${id}`);
        }
      }
    }), { numRuns: 700 });
  });

  test('only units of lower priority that allow it make room, for somebody who comes', () => {
    fc.assert(fc.property(clustersOf(pushing), (cluster) => {
      const snapshot = snapshotOf(cluster);
      const { decisions } = schedule(snapshot);
      const coming = arrivals(snapshot, decisions);
      for (const decision of decisions) {
        const from = decision.kind === 'move' ? decision.from : decision.kind === 'unassign' ? decision.machine : null;
        const second = [...snapshot.assignments.values()].filter((ofMachine) => ofMachine.has(decision.unit)).length > 1;
        if (from === null || !snapshot.machines.has(from) || second) continue;
        const { priority, preemptible } = sectionOf(snapshot, decision.unit).placing;
        assert.ok(preemptible, `${decision.unit} allows it`);
        assert.ok(coming.get(from)?.some((name) => (sectionOf(snapshot, name).placing.priority ?? 0) > (priority ?? 0)), `${decision.unit} leaves ${from}`);
      }
    }), { numRuns: 1_000 });
  });

  test('the indexed search finds what asking every machine finds', () => {
    fc.assert(fc.property(clustersOf(fc.oneof(wishes, wishes, tied)), (cluster) => {
      const pass = beginPass(snapshotOf(cluster), {});
      for (const { wanted: unit } of pass.rows) {
        if (unit === null || unit.section.global || unit.replaceIds.length > 0 || unit.row.home !== null) continue;
        let best: Place | null = null;
        for (const at of pass.ledger.list) {
          if (refusalOf(unit, at, pass.context) !== null) continue;
          if (best === null || isBetterRank(rankOf(unit, at), rankOf(unit, best))) best = at;
        }
        const found = findPlace(pass, [unit]);
        assert.equal(found?.machine.id, best?.machine.id, unit.name);
        if (found !== null) settleOn(pass, [unit], found);
      }
    }), { numRuns: 1_000 });
  });
});
