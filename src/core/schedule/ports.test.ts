/** What is promised about ports whatever happens: random histories of a cluster, looked at after every pass. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { emptySnapshot } from '../cluster.ts';
import type { ClusterSnapshot, CursorScope } from '../cluster.ts';
import { parseStoredFleetSection } from '../fleet-section.ts';
import type { Machine, MachineId } from '../machine.ts';
import { inRange, printRange, sourceKey } from '../ports.ts';
import type { FormerPorts, MachinePorts, PortCursors, PortOrigin, PortPool } from '../ports.ts';
import { parseUnitFile } from '../unit-file.ts';
import { hashUnitFile } from '../unit-hash.ts';
import type { UnitName } from '../unit-name.ts';
import { unchecked, unfenced } from '../unit.ts';
import type { Assignment, UnitRecord, UnitStatus } from '../unit.ts';
import type { Decision } from './decision.ts';
import { schedule } from './schedule.ts';

/** A cluster that people, machines and the engine change in turn. */
interface World {
  files: ClusterSnapshot['files'];
  units: Map<UnitName, UnitRecord>;
  machines: Map<MachineId, Machine>;
  assignments: Map<MachineId, Map<UnitName, Assignment>>;
  statuses: Map<MachineId, Map<UnitName, UnitStatus>>;
  portPools: Map<string, PortPool>;
  portCursors: Map<CursorScope, PortCursors>;
  machinePorts: Map<MachineId, MachinePorts>;
  formerPorts: Map<UnitName, FormerPorts>;
}

const sections = [
  'Port=http:20001-20004', 'Port=http:20003-20006', 'Port=http:20002-20002', 'Port=pool', 'Port=http:pool admin:pool',
  'Port=http:20001-20004\nPortScope=cluster', 'Port=pool\nPortScope=cluster', 'Port=http:20003-20006\nGlobal=true', 'Conflicts=u0.service',
  'Port=http:20002-20003\nMachineMetadata=role=a', 'Port=http:20001-20002\nReplaces=u?.service', 'Port=http:20002-20003\nPortScope=cluster\nMachineMetadata=role=a',
];
const files = sections.map((section) => {
  const parsed = parseUnitFile(`[Service]\nExecStart=/bin/true\n[X-Fleet]\n${section}\n`);
  assert.ok(parsed.ok);
  return { hash: hashUnitFile(parsed.value), text: '', file: parsed.value };
});

const machineIds = ['m0', 'm1', 'm2'] as MachineId[];
const unitNames = ['u0', 'u1', 'u2', 'u3', 'u4', 'u5'].map((name) => `${name}.service` as UnitName);

function emptyWorld(): World {
  const pool = { low: 20_001, high: 20_005, changedAtMs: 0, changedBy: '' };
  return {
    files: new Map(files.map((file) => [file.hash, file])), units: new Map(), machines: new Map(), assignments: new Map(), statuses: new Map(),
    portPools: new Map([['pool', pool]]), portCursors: new Map(), machinePorts: new Map(), formerPorts: new Map(),
  };
}

/** Something that happens to the cluster. */
type Event = (world: World) => void;

const unit = fc.constantFrom(...unitNames);
const machine = fc.constantFrom(...machineIds);
const port = fc.integer({ min: 20_000, max: 20_007 });

const events: fc.Arbitrary<Event> = fc.oneof(
  fc.tuple(unit, fc.constantFrom(...files)).map(([name, { hash }]): Event => ({ units }) => {
    const { restart = 0, release = 0, generation = 0 } = units.get(name) ?? {};
    units.set(name, { hash, desired: 'launched', generation: generation + 1, restart, reset: 0, release, changedAtMs: 0, changedBy: '', adoptOn: null });
  }),
  fc.tuple(unit, fc.constantFrom('release', 'restart')).map(([name, what]): Event => ({ units }) => {
    const before = units.get(name);
    if (before !== undefined) units.set(name, { ...before, [what]: before[what as 'release' | 'restart'] + 1 });
  }),
  unit.map((name): Event => ({ units }) => void units.delete(name)),
  fc.tuple(machine, fc.constantFrom('a', 'b'), fc.boolean()).map(([id, role, isDrained]): Event => ({ machines }) => void machines.set(id, {
    id, publicIp: '', hostname: id, metadata: { role }, version: '2', bootId: 'b', capacity: { cpus: 1, memoryBytes: 1 }, peer: null,
    runner: 'systemd', store: 'etcd', startedAtMs: 0, ttlMs: 0, left: false, trouble: '', doubt: null, cordon: null,
    drain: isDrained ? { reason: '', by: '', sinceMs: 0, fenced: true, global: true } : null,
  })),
  machine.map((id): Event => ({ machines, statuses }) => {
    machines.delete(id);
    statuses.delete(id);
  }),
  // The machine does what it is told: its statuses follow its assignments.
  machine.map((id): Event => (world) => {
    if (!world.machines.has(id)) return;
    world.statuses.set(id, new Map([...world.assignments.get(id) ?? []].map(([name, { hash, ports }]) => [name, {
      load: 'loaded', active: 'active', sub: 'running', hash, sinceMs: 1, result: 'success', exitStatus: null, succeeded: false, restarts: 0,
      mainPid: 1, restart: 0, reset: 0, problem: '', ...unchecked, ports,
    }])));
  }),
  fc.tuple(machine, fc.uniqueArray(port, { maxLength: 2 })).map(([id, found]): Event => ({ machinePorts, assignments }) => {
    const own = new Set([...assignments.get(id)?.values() ?? []].flatMap(({ ports }) => Object.values(ports)));
    machinePorts.set(id, { ephemeral: null, listening: found.filter((each) => !own.has(each)), conflicts: [] });
  }),
  fc.tuple(machine, unit).map(([id, name]): Event => ({ machinePorts, assignments }) => {
    const [first] = Object.values(assignments.get(id)?.get(name)?.ports ?? {});
    if (first !== undefined) machinePorts.set(id, { ephemeral: null, listening: [], conflicts: [{ unit: name, port: first, why: 'in use' }] });
  }),
  fc.tuple(port, fc.nat(4)).map(([low, size]): Event => ({ portPools }) =>
    void portPools.set('pool', { low, high: low + size, changedAtMs: 0, changedBy: '' })),
);

function carryOut(world: World, decisions: readonly Decision[]): void {
  for (const decision of decisions) {
    if (decision.kind === 'unassign') world.assignments.get(decision.machine)?.delete(decision.unit);
    if (decision.kind === 'move') world.assignments.get(decision.from)?.delete(decision.unit);
    if ('former' in decision && decision.former !== null) world.formerPorts.set(decision.unit, decision.former);
    if (decision.kind === 'unassign') continue;
    for (const [scope, cursors] of decision.cursors) world.portCursors.set(scope, cursors);
    const ofMachine = world.assignments.get(decision.machine) ?? new Map<UnitName, Assignment>();
    world.assignments.set(decision.machine, ofMachine.set(decision.unit, { ...unfenced, ...decision.content, assignedAtMs: 1 }));
  }
}

/** Whether a unit's file still asks for what a port was given out for. */
function asksFor({ units }: World, name: UnitName, { of, origin }: { of: string; origin: PortOrigin | undefined }): boolean {
  const file = files.find(({ hash }) => hash === units.get(name)?.hash);
  const section = file === undefined ? null : parseStoredFleetSection(name, file.file);
  if (section?.ok !== true || origin === undefined) return false;
  const { ports, portScope } = section.value;
  return portScope === origin.scope && ports.some(({ name: asked, from }) =>
    asked === of && sourceKey(from) === (origin.pool ?? printRange(origin)));
}

/** Every port that is given out, with where it came from. */
function* givenOut({ assignments }: World): Generator<{ at: MachineId; name: UnitName; assignment: Assignment; port: number; of: string }> {
  for (const [at, ofMachine] of assignments) {
    for (const [name, assignment] of ofMachine) {
      for (const [of, number] of Object.entries(assignment.ports)) yield { at, name, assignment, port: number, of };
    }
  }
}

type Check = (world: World, pass: { readonly before: World; readonly decisions: readonly Decision[] }) => void;

/** Lets events happen, with a pass after each, and looks after each pass. */
function holdsAlways(check: Check): void {
  fc.assert(fc.property(fc.array(events, { minLength: 5, maxLength: 30 }), (history) => {
    const world = emptyWorld();
    for (const event of history) {
      event(world);
      const before: World = { ...world, assignments: new Map([...world.assignments].map(([id, ofMachine]) => [id, new Map(ofMachine)])) };
      const { decisions } = schedule({ ...emptySnapshot, ...world });
      carryOut(world, decisions);
      check(world, { before, decisions });
    }
  }), { numRuns: 500 });
}

test('no port is given out twice on a machine, nor anywhere when one of its units asked for the cluster', () => {
  holdsAlways((world) => {
    const seen = new Map<number, { at: MachineId; name: UnitName; scope: string | undefined }[]>();
    for (const { at, name, assignment, port: number, of } of givenOut(world)) {
      // What a machine that is gone still had assigned may be given again on another one.
      if (!world.machines.has(at)) continue;
      const scope = assignment.portOrigins[of]?.scope;
      for (const other of seen.get(number) ?? []) {
        const clash = other.at === at || scope === 'cluster' || other.scope === 'cluster';
        assert.ok(!clash, `${name} on ${at} and ${other.name} on ${other.at} have port ${String(number)}`);
      }
      seen.set(number, [...seen.get(number) ?? [], { at, name, scope }]);
    }
  });
});

test('every port lies in the range that it was given out from, and a new one in the range as it is now', () => {
  holdsAlways((world, { decisions }) => {
    for (const { assignment, port: number, of } of givenOut(world)) {
      const origin = assignment.portOrigins[of];
      assert.ok(origin !== undefined && inRange(origin, number), `port ${of} ${String(number)}`);
    }
    for (const decision of decisions) {
      if (decision.kind === 'unassign') continue;
      for (const [name, origin] of Object.entries(decision.content.portOrigins)) {
        const pool = world.portPools.get('pool');
        if (origin.sinceMs === 0 && origin.pool !== null && decision.kind === 'assign') assert.equal(`${name} ${String(origin.low)}`, `${name} ${String(pool?.low)}`);
      }
    }
  });
});

test('no port is taken from a unit that stays, unless it was released, asks for another or found it in use', () => {
  holdsAlways((world, { before }) => {
    for (const { at, name, assignment, port: number, of } of givenOut(before)) {
      const after = world.assignments.get(at)?.get(name);
      if (after === undefined || after.ports[of] === number) continue;
      const isReleased = after.release !== assignment.release;
      const asksForOther = !asksFor(world, name, { of, origin: assignment.portOrigins[of] });
      const wasInUse = before.machinePorts.get(at)?.conflicts.some((conflict) => conflict.unit === name && conflict.port === number) === true;
      assert.ok(isReleased || asksForOther || wasInUse, `${name} on ${at} lost port ${String(number)}`);
    }
  });
});

test('no port is given out that another unit still runs with, or that something else listens on', () => {
  holdsAlways((world, { before }) => {
    for (const { at, name, port: number } of givenOut(world)) {
      if (Object.values(before.assignments.get(at)?.get(name)?.ports ?? {}).includes(number)) continue;
      for (const [other, { ports }] of world.statuses.get(at) ?? []) {
        assert.ok(other === name || !Object.values(ports).includes(number), `${name} got ${String(number)}, which ${other} runs with`);
      }
      assert.ok(!world.machinePorts.get(at)?.listening.includes(number), `${name} got ${String(number)}, on which somebody listens`);
    }
  });
});

test('carrying out a plan leaves nothing to decide', () => {
  holdsAlways((world) => {
    assert.deepEqual(schedule({ ...emptySnapshot, ...world }).decisions, []);
  });
});

test('eleven releases of one instance walk the range and come back to its first port', () => {
  const world = emptyWorld();
  const name = 'apps@1.service' as UnitName;
  const parsed = parseUnitFile('[Service]\nExecStart=/bin/true\n[X-Fleet]\nPort=apps.war:20001-20010\n');
  assert.ok(parsed.ok);
  const hash = hashUnitFile(parsed.value);
  world.files = new Map([[hash, { hash, text: '', file: parsed.value }]]);
  world.machines.set('m0' as MachineId, { id: 'm0' as MachineId, metadata: {}, trouble: '', doubt: null, cordon: null, drain: null } as unknown as Machine);
  const walked: (number | undefined)[] = [];
  for (let release = 1; release <= 11; release += 1) {
    world.units.set(name, { hash, desired: 'launched', generation: release, restart: 0, reset: 0, release, changedAtMs: 0, changedBy: '', adoptOn: null });
    carryOut(world, schedule({ ...emptySnapshot, ...world }).decisions);
    walked.push(world.assignments.get('m0' as MachineId)?.get(name)?.ports['apps.war']);
  }
  assert.deepEqual(walked, [20_001, 20_002, 20_003, 20_004, 20_005, 20_006, 20_007, 20_008, 20_009, 20_010, 20_001]);
});
