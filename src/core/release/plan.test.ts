/**
 * What releases do, as text: `testdata/release/*.txt` hold small worlds and what happens in them, one line each; the steps of the
 * release stand below. A step is carried out at once, and the engine's part is played by {@link passOn}.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { goldenTests } from '../../../test/golden.ts';
import { emptySnapshot } from '../cluster.ts';
import type { ClusterSnapshot, KnownFile } from '../cluster.ts';
import type { Machine, MachineId } from '../machine.ts';
import { createSectionReader } from '../schedule/sections.ts';
import { unchecked, unfenced } from '../unit.ts';
import type { Assignment, DesiredState, FileHash, UnitRecord, UnitStatus } from '../unit.ts';
import { parseUnitFile, printUnitFile } from '../unit-file.ts';
import { hashUnitFile } from '../unit-hash.ts';
import { templateOf } from '../unit-name.ts';
import type { UnitName } from '../unit-name.ts';
import { noReleaseOptions, releaseOptionRules, resolveStrategy } from './options.ts';
import type { ReleaseOptions } from './options.ts';
import { planReleases, withOutcome } from './plan.ts';
import { isActive } from './release.ts';
import type { ReleaseRecord, ReleaseStep } from './release.ts';
import { recordInTurn } from './turns.ts';

interface World {
  readonly files: Map<FileHash, KnownFile>;
  readonly units: Map<UnitName, UnitRecord>;
  readonly machines: Map<MachineId, Machine>;
  readonly assignments: Map<MachineId, Map<UnitName, Assignment>>;
  readonly statuses: Map<MachineId, Map<UnitName, UnitStatus>>;
  readonly releases: Map<UnitName, ReleaseRecord>;
  /** Units that fit on no machine, and why. */
  readonly unplaced: Map<UnitName, string>;
  nowMs: number;
  readonly printed: string[];
}

const sections = createSectionReader();

const snapshotOf = (world: World): ClusterSnapshot => ({ ...emptySnapshot, ...world, revision: 1 });

function addFile(world: World, lines: readonly string[]): FileHash {
  const text = ['[Service]', 'ExecStart=/bin/true', '', '[X-Fleet]', ...lines].join('\n');
  const parsed = parseUnitFile(text);
  assert.ok(parsed.ok, text);
  const hash = hashUnitFile(parsed.value);
  world.files.set(hash, { hash, text: printUnitFile(parsed.value), file: parsed.value });
  return hash;
}

function addUnit(world: World, name: string, { desired, hash }: { desired: DesiredState; hash: FileHash }): void {
  world.units.set(name as UnitName, {
    hash, desired, generation: 1, restart: 0, reset: 0, release: 0, changedAtMs: 0, changedBy: '', adoptOn: null,
  });
}

/** What the engine does between two steps: assignments follow the records, those of global units in their turn. */
function passOn(world: World): void {
  for (const [machine, assignments] of world.assignments) {
    for (const name of assignments.keys()) {
      const record = world.units.get(name);
      if (record === undefined || record.desired === 'inactive') assignments.delete(name);
      else if (!world.machines.has(machine) && world.machines.size > 0) assignments.delete(name);
    }
  }
  for (const [name, record] of world.units) {
    if (record.desired === 'inactive' || templateOf(name) === name || world.unplaced.has(name)) continue;
    const section = sections(world.files, name, record.hash);
    const held = [...world.assignments].filter(([, ofMachine]) => ofMachine.has(name)).map(([machine]) => machine);
    const [first] = world.machines.keys();
    const isGlobal = section.ok && section.value.global;
    const homes = isGlobal ? [...world.machines.keys()] : held.length > 0 ? held : first === undefined ? [] : [first];
    for (const machine of homes) {
      const ofMachine = world.assignments.get(machine) ?? new Map<UnitName, Assignment>();
      world.assignments.set(machine, ofMachine);
      const before = ofMachine.get(name);
      const { hash, restart, reset, release } = isGlobal && before !== undefined
        ? recordInTurn(snapshotOf(world), { unit: name, machine }, before)
        : record;
      ofMachine.set(name, {
        hash, desired: record.desired, restart, reset, release, ports: {}, portOrigins: {},
        portMoves: 0, why: '', assignedAtMs: 0, finished: false, ...unfenced,
      });
    }
  }
}

/** Says what a machine says of a unit: that it does what is assigned to it, with some words changed. */
function report(world: World, name: string, changes: Partial<UnitStatus>): void {
  const [unit = '', only] = name.split('@@');
  const machines = [...world.assignments].filter(([id, ofMachine]) => ofMachine.has(unit as UnitName) && (only ?? id) === id);
  assert.ok(machines.length > 0, `${name} is on a machine`);
  for (const [machine, ofMachine] of machines) {
    const assignment = ofMachine.get(unit as UnitName);
    assert.ok(assignment !== undefined);
    const statuses = world.statuses.get(machine) ?? new Map<UnitName, UnitStatus>();
    world.statuses.set(machine, statuses);
    statuses.set(unit as UnitName, {
      load: 'loaded', active: 'active', sub: 'running', hash: assignment.hash, sinceMs: world.nowMs, result: 'success', exitStatus: null,
      succeeded: false, restarts: 0, mainPid: 1, restart: assignment.restart, reset: 0, problem: '', ...unchecked, ...changes,
    });
  }
}

function gone(world: World, name: string): void {
  for (const statuses of world.statuses.values()) statuses.delete(name as UnitName);
}

function options(words: readonly string[]): ReleaseOptions {
  return words.reduce((before, word) => {
    const [key = '', value = ''] = word.split('=');
    const after = releaseOptionRules[`Release${key}`]?.(before, value.replaceAll('_', ' '));
    assert.ok(after?.ok === true, word);
    return after.value;
  }, noReleaseOptions);
}

/** Steps until nothing is left to do now; prints each. */
function run(world: World): number | null {
  for (let count = 0; count < 100; count += 1) {
    passOn(world);
    const unplaced = new Map([...world.unplaced].map(([name, why]) => [name, { why, machines: new Map() }]));
    const { steps, dueMs } = planReleases({ snapshot: snapshotOf(world), unplaced, sections, nowMs: world.nowMs });
    if (steps.length === 0) return dueMs;
    for (const step of steps) carryOut(world, step);
  }
  throw new Error(`the release does not come to rest:\n${world.printed.slice(-20).join('\n')}`);
}

function carryOut(world: World, { name, why, record, units }: ReleaseStep): void {
  const before = world.releases.get(name);
  world.printed.push(`step: ${why}`);
  for (const [unit, next] of units) {
    if (next === null) world.units.delete(unit);
    else world.units.set(unit, next);
    world.printed.push(next === null ? `  - ${unit}` : `  + ${unit} generation ${String(next.release)} restart ${String(next.restart)} ${next.desired}`);
  }
  if (record === null) world.releases.delete(name);
  else world.releases.set(name, record);
  if (record !== null && (before?.state !== record.state || before.paused !== record.paused)) {
    world.printed.push(`  ${record.state}${record.paused ? ', paused' : ''}: ${record.why}`);
  }
}

type Outcome = (unit: UnitName, generation: number) => boolean;

/** From here on what is assigned runs, or fails when it `isBad`; what was destroyed is let go of, and time passes. */
function goOn(world: World, isBad: Outcome = () => false): void {
  for (let count = 0; count < 200; count += 1) {
    const dueMs = run(world);
    const before = world.printed.length;
    let changed = false;
    for (const [machine, ofMachine] of world.assignments) {
      for (const [name, { restart, hash, release }] of ofMachine) {
        const status = world.statuses.get(machine)?.get(name);
        const isWrong = isBad(name, release);
        if (status?.restart === restart && status.hash === hash && (status.active === 'failed') === isWrong) continue;
        report(world, `${name}@@${machine}`, isWrong ? { active: 'failed', sub: 'failed', result: 'exit-code', exitStatus: 1 } : {});
        changed = true;
      }
    }
    for (const statuses of world.statuses.values()) {
      for (const name of statuses.keys()) {
        if (world.units.has(name)) continue;
        statuses.delete(name);
        changed = true;
      }
    }
    if (!changed && dueMs !== null) world.nowMs += dueMs;
    if (!changed && dueMs === null && world.printed.length === before) return;
  }
  throw new Error('the release does not end');
}

type Command = (world: World, words: readonly string[]) => void;

const commands: Readonly<Record<string, Command>> = {
  machines: (world, ids) => {
    for (const id of ids) world.machines.set(id as MachineId, { id } as Machine);
  },
  instances: (world, [count = '0', ...section]) => {
    const hash = addFile(world, section);
    addUnit(world, 'apps@.service', { desired: 'inactive', hash });
    for (let number = 1; number <= Number(count); number += 1) addUnit(world, `apps@${String(number)}.service`, { desired: 'launched', hash });
  },
  unit: (world, [name = '', desired = '', ...section]) => addUnit(world, name, { desired: desired as DesiredState, hash: addFile(world, section) }),
  destroy: (world, [name = '']) => void world.units.delete(name as UnitName),
  stop: (world, [name = '']) => {
    const before = world.units.get(name as UnitName);
    assert.ok(before);
    world.units.set(name as UnitName, { ...before, desired: 'loaded', generation: before.generation + 1 });
  },
  release: (world, [name = '', file = '', ...words]) => {
    const before = world.releases.get(name as UnitName);
    const old = world.units.get(name as UnitName)?.hash ?? '' as FileHash;
    const hash = addFile(world, [`MachineMetadata=${file}`, ...(world.files.get(old)?.text.includes('Global=true') === true ? ['Global=true'] : [])]);
    const isOnTheWay = before !== undefined && isActive(before);
    const origin = isOnTheWay ? before.origin : before?.target ?? 0;
    const first = { number: 0, hash: old, atMs: 0, by: '', undoOf: null, outcome: 'done', why: '' } as const;
    const target = (before?.target ?? 0) + 1;
    const next = { ...first, number: target, hash, atMs: world.nowMs, outcome: 'rolling' } as const;
    world.releases.set(name as UnitName, {
      generations: [...before === undefined ? [first] : isOnTheWay ? withOutcome(before, { outcome: 'left', why: '' }) : before.generations, next],
      target, origin, strategy: resolveStrategy(options(words)), state: 'rolling',
      paused: false, why: '', inPlaceWhy: '', moves: before?.moves ?? [], failures: [], batches: 0, startedAtMs: world.nowMs, changedAtMs: world.nowMs, by: 'ann',
    });
    const template = world.units.get(name as UnitName);
    if (template !== undefined && name.includes('@.')) world.units.set(name as UnitName, { ...template, hash, release: target });
  },
  undo: (world, [name = '']) => change(world, name, { state: 'rolling-back', paused: false, why: 'undone by ann' }),
  pause: (world, [name = '']) => change(world, name, { paused: true }),
  resume: (world, [name = '']) => {
    const before = world.releases.get(name as UnitName);
    assert.ok(before);
    change(world, name, { paused: false, strategy: { ...before.strategy, pause: false } });
  },
  run: (world) => void run(world),
  'goes-well': (world) => goOn(world),
  wait: (world, [seconds = '0']) => {
    world.nowMs += Number(seconds) * 1_000;
  },
  healthy: (world, names) => {
    for (const name of names) report(world, name, {});
  },
  'not-healthy': (world, [name = '', ...why]) => report(world, name, { health: 'unhealthy', healthWhy: why.join(' ') }),
  restarted: (world, [name = '']) => report(world, name, { restarts: 1, sinceMs: world.nowMs }),
  fails: (world, [name = '']) => report(world, name, { active: 'failed', sub: 'failed', result: 'exit-code', exitStatus: 1 }),
  gone: (world, names) => {
    for (const name of names) gone(world, name);
  },
  'fits-nowhere': (world, [name = '', ...why]) => void world.unplaced.set(name as UnitName, why.join(' ')),
  fits: (world, [name = '']) => void world.unplaced.delete(name as UnitName),
  'machine-away': (world, [id = '']) => {
    world.machines.delete(id as MachineId);
    world.statuses.delete(id as MachineId);
  },
  'machine-back': (world, [id = '']) => void world.machines.set(id as MachineId, { id } as Machine),
  units: (world) => {
    const shown = [...world.units].filter(([name]) => !name.includes('@.')).sort(([left], [right]) => (left < right ? -1 : 1));
    for (const [name, { release }] of shown) world.printed.push(`${name} has generation ${String(release)}`);
    for (const [machine, ofMachine] of world.assignments) {
      for (const [name, { release, restart }] of ofMachine) {
        if (world.assignments.size > 1) world.printed.push(`${name} on ${machine} has generation ${String(release)} restart ${String(restart)}`);
      }
    }
  },
};

function change(world: World, name: string, changes: Partial<ReleaseRecord>): void {
  const before = world.releases.get(name as UnitName);
  assert.ok(before, `${name} has a release`);
  world.releases.set(name as UnitName, { ...before, ...changes });
}

const emptyWorld = (): World => ({
  files: new Map(), units: new Map(), machines: new Map([['aaa' as MachineId, { id: 'aaa' } as Machine]]), assignments: new Map(),
  statuses: new Map(), releases: new Map(), unplaced: new Map(), nowMs: 1_000_000, printed: [],
});

function answer(question: readonly string[]): string {
  const world = emptyWorld();
  let isSettled = false;
  for (const line of question) {
    const [word = '', ...words] = line.split(' ');
    // Everything that is there when the first release begins runs well.
    if (word === 'release' && !isSettled) {
      isSettled = true;
      goOn(world);
    }
    const command = commands[word];
    assert.ok(command, `a word of the scenarios: ${line}`);
    if (word !== 'run' && isSettled) world.printed.push(`> ${line}`);
    command(world, words);
    passOn(world);
  }
  return world.printed.join('\n');
}

goldenTests(new URL('../testdata/release/', import.meta.url), answer);

const plans = fc.record({
  count: fc.integer({ min: 0, max: 6 }), batch: fc.integer({ min: 1, max: 4 }), way: fc.constantFrom('surge', 'in-place'),
  maxFailures: fc.integer({ min: 0, max: 2 }), rollback: fc.boolean(), bad: fc.uniqueArray(fc.integer({ min: 1, max: 9 }), { maxLength: 3 }),
});

test('whatever fails, a release ends with as many units as it began with, on one content but for those that failed', () => {
  fc.assert(fc.property(plans, ({ count, batch, way, maxFailures, rollback, bad }) => {
    const world = emptyWorld();
    commands['instances']?.(world, [String(count)]);
    goOn(world);
    const words = [`Strategy=${way}`, `Batch=${String(batch)}`, `MaxFailures=${String(maxFailures)}`, `Rollback=${String(rollback)}`];
    commands['release']?.(world, ['apps@.service', 'v2', ...words]);
    goOn(world, (unit, generation) => generation === 1 && bad.some((number) => unit === `apps@${String(number)}.service`));
    const release = world.releases.get('apps@.service' as UnitName);
    assert.ok(release);
    const running = [...world.units].filter(([name]) => name !== 'apps@.service').map(([, record]) => record.release);
    const failed = release.failures.filter(({ generation }) => generation === 1).length;
    const batches = world.printed.filter((line) => line.startsWith('step: batch'));
    assert.ok(batches.every((line) => line.split(', ').length <= batch), 'never more than a batch at a time');
    if (release.state === 'held') {
      assert.ok(!rollback && failed > maxFailures);
      return;
    }
    assert.equal(running.length, count);
    assert.equal(release.state, failed > maxFailures ? 'rolled-back' : 'done');
    const goal = release.state === 'done' ? 1 : 0;
    // In place a unit that failed has the new content all the same; a new instance that failed is gone.
    const others = running.filter((number) => number !== goal).length;
    assert.ok(others <= (release.state === 'done' ? failed : 0), `${String(others)} units have another content, ${String(failed)} failed`);
  }), { numRuns: 300 });
});
