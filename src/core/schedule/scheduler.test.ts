/** The scheduler that remembers decides what schedule() decides of the same snapshot, whatever has happened before. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { clusterScope, emptySnapshot } from '../cluster.ts';
import type { ClusterSnapshot, KnownFile } from '../cluster.ts';
import { emptyUnitHistory } from '../history.ts';
import { noOverride } from '../machine.ts';
import type { Machine, MachineId } from '../machine.ts';
import type { ReleaseRecord } from '../release/release.ts';
import { unchecked } from '../unit.ts';
import type { Assignment, FileHash, UnitStatus } from '../unit.ts';
import { parseUnitFile } from '../unit-file.ts';
import { hashUnitFile } from '../unit-hash.ts';
import type { UnitName } from '../unit-name.ts';
import type { Decision, SchedulePlan } from './decision.ts';
import { schedule } from './schedule.ts';
import { createScheduler } from './scheduler.ts';
import { runSteps } from './steps.ts';

/** A snapshot whose maps may be changed. */
type World = { -readonly [K in keyof ClusterSnapshot]: ClusterSnapshot[K] extends ReadonlyMap<infer A, infer B>
  ? Map<A, B extends ReadonlyMap<infer C, infer D> ? Map<C, D> : B> : ClusterSnapshot[K] } & { nowMs: number };

const sections = [
  '', '', 'MachineMetadata=role=db', 'Conflicts=u[0-2].service', 'Conflicts=u5.service', 'MachineOf=u1.service', 'MachineOf=u2.service', 'Global=true',
  'Global=true\nMachineMetadata=role=db', 'Global=true\nConflicts=u3.service', 'Port=web:100-102', 'Port=web:100-102\nPort=more:101-103', 'Port=web:pool',
  'Global=true\nPort=web:100-101', 'OnMachineLost=stop', 'Replaces=u4.service', 'Replaces=u3.service u4.service', 'PortScope=cluster\nPort=web:100-101',
  'Memory=2M', 'Memory=1M\nPriority=5', 'CPU=0.5\nPreemptible=true', 'Memory=1M\nPreemptible=true\nPriority=-3', 'Strategy=pack', 'Weight=3', 'Prefer=role=db',
  'Avoid=u[0-2].service', 'Memory=3M\nPriority=9', 'Port=web:100-101\nMachineMetadata=role=db', 'Port=web:100-100\nReplaces=u3.service',
];
/** Of instances. */
const spreading = ['SpreadBy=role', 'MaxPerMachine=1', 'MaxPerMachine=1\nSpreadBy=zone', ''];
const fileOf = (section: string): KnownFile => {
  const parsed = parseUnitFile(`[Service]\nExecStart=/bin/true\n[X-Fleet]\n${section}\n`);
  assert.ok(parsed.ok, section);
  return { hash: hashUnitFile(parsed.value), text: '', file: parsed.value };
};
const filesOf = { plain: sections.map(fileOf), instances: spreading.map(fileOf) };

const unitNames = [...[0, 1, 2, 3, 4, 5].map((number) => `u${String(number)}.service`), 'a@1.service', 'a@2.service', 'a@3.service'] as UnitName[];
const machineIds = [0, 1, 2, 3].map((number) => `m${String(number)}` as MachineId);
const rare = 0.15;

interface Step {
  readonly kind: keyof typeof steps;
  readonly unit: UnitName;
  readonly machine: MachineId;
  readonly pick: number;
  readonly flag: boolean;
}

type Act = (world: World, step: Step, last: SchedulePlan) => void;

const machineOf = (id: MachineId, role: string): Machine => ({
  id, publicIp: '', hostname: id, metadata: { role, zone: `z${role.length % 2}` }, version: '2', bootId: 'b', capacity: { cpus: 1, memoryBytes: 4 * 2 ** 20 }, peer: null, runner: 'systemd',
  store: 'etcd', startedAtMs: 0, ttlMs: 5_000, left: false, trouble: '', doubt: null, cordon: null, drain: null,
});

const close = (world: World, id: MachineId, change: Partial<Machine>): void => {
  const machine = world.machines.get(id);
  if (machine !== undefined) world.machines.set(id, { ...machine, ...change });
};

const assignmentsOf = (world: World, id: MachineId): Map<UnitName, Assignment> => {
  const found = new Map(world.assignments.get(id));
  world.assignments.set(id, found);
  return found;
};

function commit(world: World, decision: Decision): void {
  const { unit, machine } = decision;
  if (decision.kind === 'move') assignmentsOf(world, decision.from).delete(unit);
  if (decision.kind === 'unassign') assignmentsOf(world, machine).delete(unit);
  else {
    const assignedAtMs = decision.kind === 'update' ? decision.before.assignedAtMs : world.nowMs;
    assignmentsOf(world, machine).set(unit, { ...decision.content, assignedAtMs });
    for (const [scope, cursors] of decision.cursors) world.portCursors.set(scope, cursors);
  }
  if ('former' in decision && decision.former !== null) world.formerPorts.set(unit, decision.former);
  for (const [id, ofMachine] of world.assignments) if (ofMachine.size === 0) world.assignments.delete(id);
}

function report(world: World, { unit, machine, pick, flag }: Step): void {
  const found = new Map(world.statuses.get(machine));
  world.statuses.set(machine, found);
  const assignment = world.assignments.get(machine)?.get(unit);
  if (assignment === undefined) found.delete(unit);
  else {
    const status: UnitStatus = {
      ...unchecked, load: 'loaded', active: flag ? 'active' : 'inactive', sub: 'dead', hash: assignment.hash, sinceMs: 1, result: 'success', exitStatus: 0,
      succeeded: !flag, restarts: 0, mainPid: 0, restart: assignment.restart, reset: 0, problem: '', ports: flag ? assignment.ports : {},
      released: pick % 2 === 0 ? assignment.fence : 0,
    };
    found.set(unit, status);
  }
}

const steps = {
  want(world, { unit, pick, flag }) {
    const files = filesOf[unit.includes('@') ? 'instances' : 'plain'];
    const file = files[pick % files.length];
    const before = world.units.get(unit);
    if (file === undefined) return;
    world.files.set(file.hash, file);
    world.units.set(unit, {
      hash: file.hash, desired: flag ? 'launched' : 'loaded', generation: 1, restart: pick % 3, reset: 0, release: before?.release ?? 0, changedAtMs: world.nowMs,
      changedBy: '', adoptOn: pick % 7 === 0 ? machineIds[pick % 4] ?? null : null,
    });
  },
  release(world, { unit, flag }) {
    const before = world.units.get(unit);
    if (before !== undefined) world.units.set(unit, { ...before, release: before.release + 1, restart: before.restart + 1 });
    const record = { state: 'rolling', moves: [] } as unknown as ReleaseRecord;
    if (flag) world.releases.set(unit, record);
    else world.releases.delete(unit);
  },
  stop(world, { unit }) {
    const before = world.units.get(unit);
    if (before !== undefined) world.units.set(unit, { ...before, desired: 'inactive' });
  },
  destroy: (world, { unit }) => void world.units.delete(unit),
  join: (world, { machine, flag }) => void world.machines.set(machine, machineOf(machine, flag ? 'db' : 'web')),
  vanish: (world, { machine }) => void world.machines.delete(machine),
  cordon: (world, { machine, flag }) => close(world, machine, { cordon: flag ? { reason: '', by: 'ann', sinceMs: 0 } : null }),
  ail: (world, { machine, flag }) => close(world, machine, { trouble: flag ? 'its disk is full' : '', ttlMs: flag ? 0 : 5_000 }),
  drain: (world, { machine, pick }) =>
    close(world, machine, { drain: pick % 3 === 0 ? { reason: '', by: 'ann', sinceMs: 0, fenced: true, global: true } : null }),
  commitAll: (world, _step, { decisions }) => {
    for (const decision of decisions) commit(world, decision);
  },
  commitSome: (world, { pick }, { decisions }) => {
    for (const [index, decision] of decisions.entries()) if ((pick >> (index % 5)) % 2 === 0) commit(world, decision);
  },
  report: (world, step) => report(world, step),
  listen: (world, { unit, machine, pick, flag }) => {
    const conflicts = flag ? [{ unit, port: 100 + pick % 3, why: 'nginx' }] : [];
    world.machinePorts.set(machine, { ephemeral: null, listening: [100 + pick % 4].slice(pick % 2), conflicts });
  },
  cursor: (world, { machine, pick }) => void world.portCursors.set(pick % 9 === 0 ? clusterScope : machine, { last: { '100-102': 100 + pick % 3 } }),
  pool: (world, { pick }) => void world.portPools.set('pool', { low: 100, high: 100 + pick % 4, changedAtMs: 0, changedBy: '' }),
  move: (world, { unit, pick }) =>
    void world.unitHistories.set(unit, { ...emptyUnitHistory, unrest: { moves: pick % 6, lastAtMs: world.nowMs - pick } }),
  succeed: (world, { unit, machine, flag }) => {
    const record = world.units.get(unit);
    const succeeded = record === undefined || !flag ? null : { hash: record.hash, restart: record.restart, machine, atMs: 1 };
    world.unitHistories.set(unit, { ...emptyUnitHistory, succeeded });
  },
  wait: (world, { pick }) => { world.nowMs += pick * 1_000; },
  loseFile: (world, { pick }) => {
    const hash = [...world.files.keys()][pick % Math.max(1, world.files.size)];
    if (hash !== undefined) world.files.delete(hash);
  },
  spoil: (world, { unit, machine, pick, flag }) => {
    const key = [`units/${unit}`, `assignments/${machine}/${unit}`, `machines/${machine}`][pick % 3] ?? '';
    if (flag) world.unreadable.set(key, { key, why: 'newer' });
    else world.unreadable.clear();
  },
  hold: (world, { machine, flag }) => {
    world.hold = flag ? { sinceMs: 0, holdMs: null, missing: [machine], why: 'most vanished' } : null;
  },
  forget: (world, { machine }) => {
    world.roster.set(machine, { firstSeenMs: 0, lastSeenMs: 7, bootId: '', publicIp: '', hostname: '', goneSinceMs: 7, left: false });
    world.overrides.set(machine, { ...noOverride, forget: 7 });
  },
} satisfies Record<string, Act>;

const common: readonly (keyof typeof steps)[] = ['want', 'want', 'want', 'destroy', 'stop', 'vanish', 'join', 'commitAll', 'commitAll', 'commitSome', 'report', 'report'];
const others = (Object.keys(steps) as (keyof typeof steps)[]).filter((kind) => !common.includes(kind));

const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.oneof({ weight: Math.round(1 / rare), arbitrary: fc.constantFrom(...common) }, { weight: 1, arbitrary: fc.constantFrom(...others) }),
  unit: fc.constantFrom(...unitNames), machine: fc.constantFrom(...machineIds), pick: fc.nat(60), flag: fc.boolean(),
});

function snapshotOf(world: World): ClusterSnapshot {
  const copied = Object.entries(world).map(([key, part]) => [key, part instanceof Map ? new Map(part as Map<unknown, unknown>) : part] as const);
  return Object.fromEntries(copied) as unknown as ClusterSnapshot;
}

const emptyWorld = (): World => ({ ...snapshotOf({ ...emptySnapshot, nowMs: 0 } as unknown as World), revision: 1, nowMs: 1_000_000 } as unknown as World);

const say = ({ decisions, unplaced, againAtMs }: SchedulePlan): unknown => ({ decisions, unplaced: [...unplaced.names()].sort().map((name) => [name, unplaced.get(name)]), againAtMs });

test('a scheduler that remembers decides what one decides that knows nothing', () => {
  fc.assert(fc.property(fc.array(step, { minLength: 10, maxLength: 60 }), (history) => {
    const world = emptyWorld();
    for (const id of machineIds.slice(1)) world.machines.set(id, machineOf(id, 'web'));
    const scheduler = createScheduler();
    let last: SchedulePlan = schedule(snapshotOf(world), { nowMs: world.nowMs });
    for (const [index, each] of history.entries()) {
      (steps[each.kind] as Act)(world, each, last);
      world.revision += 1;
      const snapshot = snapshotOf(world);
      const plan = runSteps(scheduler.plan(snapshot, { nowMs: world.nowMs }));
      last = schedule(snapshot, { nowMs: world.nowMs });
      assert.deepEqual(say(plan), say(last), `after step ${String(index)}, ${each.kind}`);
    }
  }), { numRuns: Number(process.env['RUNS'] ?? 400) });
});
