/**
 * What the scheduler decides and how it explains itself: scenarios as text (testdata/schedule), properties over random clusters.
 *
 * The words of a scenario:
 *   machine ID [boot=ID] [store=etcd|embedded] [KEY=VALUE ...], room MACHINE [memory=AMOUNT] [cpus=N]
 *   unit NAME inactive|loaded|launched [restart=N] [release=N] [file=missing|wrong] [runs-on=MACHINE]
 *     any line of [X-Fleet], indented; MemoryMax= and CPUQuota= are lines of [Service]
 *   on MACHINE NAME [loaded] [restart=N] [at=N] [old]      an assignment; "old" is one of a former file
 *      [release=N] [moves=N] [ports=NAME:PORT@RANGE,...]   a RANGE of a pool is POOL@RANGE; one of scope cluster ends with @cluster
 *   status MACHINE NAME [ports=NAME:PORT,...]
 *   pool NAME RANGE, cursor MACHINE|* SOURCE PORT, former MACHINE NAME PORTS, listening MACHINE PORT..., conflict MACHINE NAME PORT WHY
 *   cordon MACHINE REASON, drain MACHINE REASON, drain MACHINE global|keep-fenced REASON, await MACHINE, forget MACHINE
 *   moved NAME times=N at=MS, succeeded NAME MACHINE [restart=N], now MS
 *   unreadable KEY, no-leader, explain NAME
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { goldenTests } from '../../../test/golden.ts';
import { readMemory } from '../amounts.ts';
import { emptySnapshot } from '../cluster.ts';
import type { ClusterSnapshot, CursorScope, KnownFile, Unreadable } from '../cluster.ts';
import type { Hold } from '../hold.ts';
import { noOverride } from '../machine.ts';
import type { Machine, MachineId, MachineOverride, RosterEntry } from '../machine.ts';
import { parsePortRange } from '../ports.ts';
import type { FormerPorts, MachinePorts, PortCursors, PortOrigin, PortPool, PortRange } from '../ports.ts';
import { unchecked, unfenced, withoutPorts } from '../unit.ts';
import type { Assignment, DesiredState, FileHash, UnitRecord, UnitStatus } from '../unit.ts';
import { parseUnitFile, printUnitFile } from '../unit-file.ts';
import { hashUnitFile } from '../unit-hash.ts';
import { emptyUnitHistory } from '../history.ts';
import type { UnitHistory } from '../history.ts';
import type { UnitName } from '../unit-name.ts';
import type { AssignmentContent, Decision } from './decision.ts';
import { explain } from './explain.ts';
import { schedule } from './schedule.ts';

interface World {
  files: Map<FileHash, KnownFile>;
  units: Map<UnitName, UnitRecord>;
  machines: Map<MachineId, Machine>;
  assignments: Map<MachineId, Map<UnitName, Assignment>>;
  statuses: Map<MachineId, Map<UnitName, UnitStatus>>;
  portPools: Map<string, PortPool>;
  portCursors: Map<CursorScope, PortCursors>;
  machinePorts: Map<MachineId, MachinePorts>;
  formerPorts: Map<UnitName, FormerPorts>;
  releases: ClusterSnapshot['releases'];
  unreadable: Map<string, Unreadable>;
  unitHistories: Map<UnitName, UnitHistory>;
  nowMs: number;
  /** When the store was heard for the last time; null while it is. */
  heardUntilMs: number | null;
  leads: boolean;
  roster: Map<MachineId, RosterEntry>;
  overrides: Map<MachineId, MachineOverride>;
  hold: Hold | null;
}

const emptyWorld = (): World => ({
  files: new Map(), units: new Map(), machines: new Map(), assignments: new Map(), statuses: new Map(), releases: new Map(),
  unreadable: new Map(), unitHistories: new Map(), nowMs: 0, heardUntilMs: null, leads: true,
  portPools: new Map(), portCursors: new Map(), machinePorts: new Map(), formerPorts: new Map(), roster: new Map(), overrides: new Map(), hold: null,
});

const snapshotOf = (world: World): ClusterSnapshot => ({
  ...emptySnapshot, ...world, revision: 1, leader: world.leads ? { machine: 'aaa' as MachineId, sinceMs: 0 } : null,
});

function addMachine(world: World, id: string, metadata: Record<string, string> = {}): void {
  const { boot = 'boot1', store = 'etcd', ...rest } = metadata;
  world.machines.set(id as MachineId, {
    id: id as MachineId, publicIp: `ip-${id}`, hostname: id, metadata: rest, version: '2', bootId: boot,
    capacity: { cpus: 1, memoryBytes: 1 }, peer: null, runner: 'systemd', store: store as Machine['store'], startedAtMs: 0, ttlMs: 30_000, left: false, trouble: '', doubt: null,
    cordon: null, drain: null,
  });
}

function addFile(world: World, section: readonly string[]): FileHash {
  const ofService = section.filter((line) => /^(MemoryMax|CPUQuota)=/.test(line));
  const ofFleet = section.filter((line) => !ofService.includes(line));
  const text = ['[Service]', 'ExecStart=/bin/true', ...ofService, '', '[X-Fleet]', ...ofFleet].join('\n');
  const parsed = parseUnitFile(text);
  assert.ok(parsed.ok, `a unit file: ${text}`);
  const hash = hashUnitFile(parsed.value);
  if (!world.files.has(hash)) world.files.set(hash, { hash, text: printUnitFile(parsed.value), file: parsed.value });
  return hash;
}

function addUnit(world: World, name: string, unit: Partial<UnitRecord> & { desired: DesiredState; section?: readonly string[] }): void {
  const hash = addFile(world, unit.section ?? []);
  world.units.set(name as UnitName, {
    hash, desired: unit.desired, generation: 1, restart: unit.restart ?? 0, reset: 0, release: unit.release ?? 0, changedAtMs: 0, changedBy: '',
    adoptOn: unit.adoptOn ?? null,
  });
}

function assign(world: World, at: { machine: string; name: string }, assignment: Partial<Assignment>): void {
  const machine = at.machine as MachineId;
  const name = at.name as UnitName;
  const ofMachine = world.assignments.get(machine) ?? new Map<UnitName, Assignment>();
  world.assignments.set(machine, ofMachine);
  ofMachine.set(name, {
    hash: world.units.get(name)?.hash ?? addFile(world, ['Conflicts=former']), desired: 'launched', restart: 0, reset: 0, ...withoutPorts,
    why: 'as before', assignedAtMs: 0, finished: false, ...unfenced, ...assignment,
  });
}

const pairs = (words: readonly string[]): Record<string, string> => Object.fromEntries(words.map((word): [string, string] => {
  const [key = '', value = 'yes'] = word.split('=', 2);
  return [key, value];
}));

function addStatus(world: World, at: { machine: string; name: string }, words: Record<string, string>): void {
  const machine = at.machine as MachineId;
  const ofMachine = world.statuses.get(machine) ?? new Map<UnitName, UnitStatus>();
  world.statuses.set(machine, ofMachine);
  ofMachine.set(at.name as UnitName, {
    load: words['load'] ?? 'loaded', active: words['active'] ?? 'active', sub: words['sub'] ?? 'running',
    hash: world.units.get(at.name as UnitName)?.hash ?? '' as FileHash, sinceMs: 0, result: words['result'] ?? 'success',
    exitStatus: words['exit'] === undefined ? null : Number(words['exit']), succeeded: words['succeeded'] === 'yes', restarts: 0,
    mainPid: 1, restart: Number(words['restart'] ?? 0), reset: 0, problem: words['problem']?.replaceAll('_', ' ') ?? '', ...unchecked,
    ports: readGiven(words['ports'] ?? '').ports,
    released: Number(words['released'] ?? 0),
  });
}

function rangeOf(text: string): PortRange {
  const range = parsePortRange(text);
  assert.ok(range.ok, text);
  return range.value;
}

/** Reads `NAME:PORT@[POOL@]RANGE[@cluster],...`. */
function readGiven(text: string): Pick<Assignment, 'ports' | 'portOrigins'> {
  const given = text.split(',').filter((word) => word !== '').map((word) => {
    const [name = '', port = '', ...from] = word.split(/[:@]/);
    const scope = from.at(-1) === 'cluster' ? from.pop() as 'cluster' : 'machine';
    const origin: PortOrigin = { ...rangeOf(from.pop() ?? '1-2'), pool: from.pop() ?? null, scope, sinceMs: 1, why: '' };
    return { name, port: Number(port), origin };
  });
  return {
    ports: Object.fromEntries(given.map(({ name, port }) => [name, port])),
    portOrigins: Object.fromEntries(given.map(({ name, origin }) => [name, origin])),
  };
}

function addMachinePorts(world: World, machine: MachineId, more: Partial<MachinePorts>): void {
  const before = world.machinePorts.get(machine) ?? { ephemeral: null, listening: [], conflicts: [] };
  world.machinePorts.set(machine, { ...before, ...more, conflicts: [...before.conflicts, ...more.conflicts ?? []] });
}

function close(world: World, id: string | undefined, closed: Partial<Pick<Machine, 'cordon' | 'drain'>>): void {
  const machine = world.machines.get(id as MachineId);
  assert.ok(machine, `${String(id)} is a machine`);
  world.machines.set(machine.id, { ...machine, ...closed });
}

function giveRoom(world: World, id: string | undefined, { memory = '0', cpus = '0' }: Record<string, string>): void {
  const machine = world.machines.get(id as MachineId);
  const amount = readMemory(memory);
  assert.ok(machine && amount.ok && 'bytes' in amount.value, `room ${String(id)} ${memory}`);
  world.machines.set(machine.id, { ...machine, capacity: { cpus: Number(cpus), memoryBytes: amount.value.bytes } });
}

type Rows = Readonly<Record<string, (world: World, words: readonly string[], section: readonly string[]) => void>>;

const rows: Rows = {
  machine: (world, [id = '', ...metadata]) => addMachine(world, id, pairs(metadata)),
  room: (world, [id, ...facts]) => giveRoom(world, id, pairs(facts)),
  unit: (world, [name = '', desired = 'launched', ...more], section) => {
    const facts = pairs(more);
    const lines = facts['file'] === 'wrong' ? ['Global=true', 'MachineID=aaa'] : section;
    const adoptOn = (facts['runs-on'] ?? null) as MachineId | null;
    const [restart, release] = [Number(facts['restart'] ?? 0), Number(facts['release'] ?? 0)];
    addUnit(world, name, { desired: desired as DesiredState, section: lines, restart, release, adoptOn });
    if (facts['file'] === 'missing') {
      const unit = world.units.get(name as UnitName);
      if (unit !== undefined) world.units.set(name as UnitName, { ...unit, hash: 'f'.repeat(40) as FileHash });
    }
  },
  on: (world, [machine = '', name = '', ...more]) => {
    const facts = pairs(more);
    assign(world, { machine, name }, {
      desired: 'loaded' in facts ? 'loaded' : 'launched', restart: Number(facts['restart'] ?? 0), assignedAtMs: Number(facts['at'] ?? 0),
      release: Number(facts['release'] ?? 0), portMoves: Number(facts['moves'] ?? 0), ...readGiven(facts['ports'] ?? ''),
      ...('old' in facts ? { hash: addFile(world, ['Conflicts=former']) } : {}),
    });
  },
  status: (world, [machine = '', name = '', ...more]) => addStatus(world, { machine, name }, pairs(more)),
  unreadable: (world, [key = '']) => {
    world.unreadable.set(key, { key, why: 'written by a newer version' });
    const [folder, name] = key.split('/');
    if (folder === 'units') world.units.delete(name as UnitName);
    if (folder === 'machines') world.machines.delete(name as MachineId);
  },
  pool: (world, [name = '', text = '']) => void world.portPools.set(name, { ...rangeOf(text), changedAtMs: 0, changedBy: '' }),
  cursor: (world, [scope, source = '', port]) => {
    const before = world.portCursors.get(scope as CursorScope)?.last;
    world.portCursors.set(scope as CursorScope, { last: { ...before, [source]: Number(port) } });
  },
  former: (world, [machine, name, text = '']) =>
    void world.formerPorts.set(name as UnitName, { machine: machine as MachineId, release: 0, ports: readGiven(text).ports }),
  listening: (world, [machine, ...found]) => addMachinePorts(world, machine as MachineId, { listening: found.map(Number) }),
  conflict: (world, [machine, unit, port, ...why]) =>
    addMachinePorts(world, machine as MachineId, { conflicts: [{ unit: unit as UnitName, port: Number(port), why: why.join(' ') }] }),
  cordon: (world, [id, ...words]) => close(world, id, { cordon: { reason: words.join(' '), by: 'ann', sinceMs: 0 } }),
  drain: (world, [id, ...words]) => {
    const flags: readonly string[] = words.filter((word) => word === 'global' || word === 'keep-fenced');
    const reason = words.filter((word) => !flags.includes(word)).join(' ');
    const [fenced, global] = [!flags.includes('keep-fenced'), flags.includes('global')];
    close(world, id, { drain: { reason, by: 'ann', sinceMs: 500, fenced, global } });
  },
  await: (world, missing) => {
    world.hold = { sinceMs: 0, holdMs: null, missing: missing as MachineId[], why: '2 of 3 machines vanished within 5 s' };
  },
  forget: (world, [id]) => {
    const entry = { firstSeenMs: 0, lastSeenMs: 7, bootId: '', publicIp: '', hostname: '', goneSinceMs: 7, left: false };
    world.roster.set(id as MachineId, entry);
    world.overrides.set(id as MachineId, { ...noOverride, forget: 7 });
  },
  moved: (world, [name = '', ...more]) => {
    const { times = '1', at = '0' } = pairs(more);
    const unrest = { moves: Number(times), lastAtMs: Number(at) };
    world.unitHistories.set(name as UnitName, { ...emptyUnitHistory, unrest });
  },
  succeeded: (world, [name = '', machine = '', ...more]) => {
    const hash = world.units.get(name as UnitName)?.hash ?? '' as FileHash;
    const succeeded = { hash, restart: Number(pairs(more)['restart'] ?? 0), machine: machine as MachineId, atMs: 1 };
    world.unitHistories.set(name as UnitName, { ...emptyUnitHistory, succeeded });
  },
  now: (world, [at = '0']) => { world.nowMs = Number(at); },
  'heard-until': (world, [at = '0']) => { world.heardUntilMs = Number(at); },
  'no-leader': (world) => { world.leads = false; },
};

function readWorld(question: readonly string[]): { world: World; explained: readonly UnitName[] } {
  const world = emptyWorld();
  const explained: UnitName[] = [];
  for (const [index, line] of question.entries()) {
    if (line.trim() === '' || line.startsWith(' ')) continue;
    const [row = '', ...words] = line.trim().split(/\s+/);
    if (row === 'explain') {
      explained.push(words[0] as UnitName);
      continue;
    }
    const after = question.slice(index + 1);
    const end = after.findIndex((next) => !next.startsWith(' '));
    const read = rows[row];
    assert.ok(read, `"${line}" begins with a word that scenarios know`);
    read(world, words, (end === -1 ? after : after.slice(0, end)).map((each) => each.trim()));
  }
  return { world, explained };
}

const sayContent = ({ desired, finished }: AssignmentContent): string => (finished ? `${desired}, finished` : desired);

function sayDecision(decision: Decision): string {
  switch (decision.kind) {
    case 'assign':
      return `assign ${decision.unit} to ${decision.machine} ${sayContent(decision.content)}${sayPorts(decision)}: ${decision.why}`;
    case 'update':
      return `update ${decision.unit} on ${decision.machine} ${sayContent(decision.content)}${sayPorts(decision)}: ${decision.why}`;
    case 'move':
      return `move ${decision.unit} from ${decision.from} to ${decision.machine} ${sayContent(decision.content)}${sayPorts(decision)}: ${decision.why}`;
    case 'unassign':
      return `unassign ${decision.unit} from ${decision.machine}: ${decision.why}`;
  }
}

/** Ports by name, and the cursors that their being given out moved. */
function sayPorts({ content, cursors }: Exclude<Decision, { kind: 'unassign' }>): string {
  const given = Object.entries(content.ports).map(([name, port]) => ` ${name}=${String(port)}`).join('');
  const moved = [...cursors].map(([scope, { last }]) => ` [${scope} ${Object.entries(last).map(([of, port]) => `${of} at ${String(port)}`).join(', ')}]`);
  return `${given}${moved.join('')}`;
}

function answer(question: readonly string[]): string {
  const { world, explained } = readWorld(question);
  const snapshot = snapshotOf(world);
  const plan = schedule(snapshot, { nowMs: world.nowMs });
  const lines = plan.decisions.map(sayDecision);
  for (const name of plan.unplaced.names()) {
    const { why, machines } = plan.unplaced.get(name) ?? assert.fail(`${name} has no reason`);
    lines.push(`unplaced ${name}: ${why}`);
    for (const [machine, reason] of machines) lines.push(`  ${machine}: ${reason}`);
  }
  for (const name of explained) {
    const { nowMs, heardUntilMs } = world;
    const { summary, state, machines } = explain(snapshot, name, { nowMs, ...(heardUntilMs !== null && { heardUntilMs }) });
    lines.push(`explain ${name}: ${state}: ${summary}`);
    for (const { id, verdict, why } of machines) lines.push(`  ${id} ${verdict}: ${why}`);
  }
  const settled = schedule(snapshotOf(carryOut(world, plan.decisions)), { nowMs: world.nowMs });
  for (const decision of settled.decisions) lines.push(`NOT SETTLED ${sayDecision(decision)}`);
  return lines.length === 0 ? 'nothing to decide' : lines.join('\n');
}

/** The world after the decisions, taken later than anything in it. */
function carryOut(world: World, decisions: readonly Decision[]): World {
  const assignments = new Map([...world.assignments].map(([machine, ofMachine]) => [machine, new Map(ofMachine)]));
  const put = (machine: MachineId, name: UnitName, assignment: Assignment): void => {
    const ofMachine = assignments.get(machine) ?? new Map<UnitName, Assignment>();
    assignments.set(machine, ofMachine);
    ofMachine.set(name, assignment);
  };
  const portCursors = new Map(world.portCursors);
  const formerPorts = new Map(world.formerPorts);
  for (const decision of decisions) {
    if (decision.kind !== 'unassign') for (const [scope, cursors] of decision.cursors) portCursors.set(scope, cursors);
    if ('former' in decision && decision.former !== null) formerPorts.set(decision.unit, decision.former);
    switch (decision.kind) {
      case 'move':
        assert.ok(assignments.get(decision.from)?.delete(decision.unit));
        put(decision.machine, decision.unit, { ...decision.content, assignedAtMs: 1_000 });
        break;
      case 'assign':
        put(decision.machine, decision.unit, { ...decision.content, assignedAtMs: 1_000 });
        break;
      case 'update':
        put(decision.machine, decision.unit, { ...decision.content, assignedAtMs: decision.before.assignedAtMs });
        break;
      case 'unassign':
        assert.ok(assignments.get(decision.machine)?.delete(decision.unit));
        break;
    }
  }
  return { ...world, assignments, portCursors, formerPorts };
}

describe('the scheduler decides', () => {
  goldenTests(new URL('../testdata/schedule/', import.meta.url), answer);
});

/** A small cluster in which everything may exclude or attract everything else. */
const sections = fc.subarray([
  'MachineOf=u1.service', 'MachineOf=u2.service', 'MachineMetadata=role=db', 'Conflicts=u2.service', 'Conflicts=u[3-5].service',
  'Replaces=u4.service', 'Replaces=u1.service u5.service',
], { maxLength: 1 });

interface RandomUnit {
  readonly section: readonly string[];
  readonly desired: DesiredState;
  /** The machine it is on, which may be gone. */
  readonly held: number | null;
  readonly at: number;
  readonly restart: number;
}

/** Machines by whether they have role=db. */
interface RandomCluster {
  readonly units: readonly RandomUnit[];
  readonly machines: readonly boolean[];
}

const globalSections = fc.constantFrom<readonly string[]>(['Global=true'], ['Global=true', 'MachineMetadata=role=db']);
const units: fc.Arbitrary<RandomUnit[]> = fc.array(fc.record({
  section: fc.oneof(sections, globalSections),
  desired: fc.constantFrom<DesiredState>('inactive', 'loaded', 'launched', 'launched', 'launched'),
  held: fc.option(fc.nat(4)), at: fc.nat(3), restart: fc.nat(1),
}), { minLength: 1, maxLength: 8 });
const clusters: fc.Arbitrary<RandomCluster> = fc.record({ units, machines: fc.array(fc.boolean(), { maxLength: 4 }) });

function worldOf(cluster: RandomCluster): World {
  const world = emptyWorld();
  for (const [index, isDatabase] of cluster.machines.entries()) addMachine(world, `m${String(index)}`, isDatabase ? { role: 'db' } : {});
  for (const [index, { section, desired, held, at, restart }] of cluster.units.entries()) {
    const name = `u${String(index)}.service`;
    addUnit(world, name, { section, desired, restart });
    if (held !== null) assign(world, { machine: `m${String(held)}`, name }, { assignedAtMs: at });
  }
  return world;
}

function backwards<K, V>(map: ReadonlyMap<K, V>): Map<K, V> {
  return new Map([...map].reverse());
}

describe('the scheduler promises', () => {
  test('carrying out a plan leaves nothing to decide', () => {
    fc.assert(fc.property(clusters, (cluster) => {
      const world = worldOf(cluster);
      const after = carryOut(world, schedule(snapshotOf(world)).decisions);
      assert.deepEqual(schedule(snapshotOf(after)).decisions, []);
    }), { numRuns: 2_000 });
  });

  test('a unit that is not global has at most one machine, and an unplaced one has a reason', () => {
    fc.assert(fc.property(clusters, (cluster) => {
      const world = worldOf(cluster);
      const plan = schedule(snapshotOf(world));
      const after = carryOut(world, plan.decisions);
      for (const [name, { desired }] of world.units) {
        const machines = [...after.assignments].filter(([, ofMachine]) => ofMachine.has(name)).map(([machine]) => machine);
        const isGlobal = cluster.units[Number(name[1])]?.section.includes('Global=true') === true;
        if (!isGlobal) assert.ok(machines.length <= 1, `${name} is on ${machines.join(', ')}`);
        const lives = machines.some((machine) => world.machines.has(machine));
        if (desired !== 'inactive' && !lives) assert.ok(plan.unplaced.get(name)?.why, `${name} has a reason`);
      }
    }), { numRuns: 2_000 });
  });

  test('the order in which the snapshot lists things does not matter', () => {
    fc.assert(fc.property(clusters, (cluster) => {
      const world = worldOf(cluster);
      const plan = schedule(snapshotOf(world));
      const turned = schedule(snapshotOf({
        ...world, units: backwards(world.units), machines: backwards(world.machines), files: backwards(world.files),
        assignments: new Map([...backwards(world.assignments)].map(([machine, ofMachine]) => [machine, backwards(ofMachine)])),
      }));
      assert.deepEqual(turned.decisions, plan.decisions);
    }), { numRuns: 1_000 });
  });

  test('a machine that joins moves nothing', () => {
    fc.assert(fc.property(clusters, (cluster) => {
      const world = worldOf(cluster);
      const after = carryOut(world, schedule(snapshotOf(world)).decisions);
      const isOnLiving = (name: UnitName): boolean =>
        [...after.assignments].some(([machine, ofMachine]) => world.machines.has(machine) && ofMachine.has(name));
      const joined = { ...after, machines: new Map(after.machines) };
      addMachine(joined, 'm9');
      for (const decision of schedule(snapshotOf(joined)).decisions) {
        assert.ok(decision.kind === 'assign' || (decision.kind === 'move' && !isOnLiving(decision.unit)), sayDecision(decision));
      }
    }), { numRuns: 1_000 });
  });
});
