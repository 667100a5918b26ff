/** Which moves even out machines: scenarios, and over random clusters that a rebalance ends, and never makes the fullest machine fuller. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { emptySnapshot } from '../cluster.ts';
import type { ClusterSnapshot, KnownFile } from '../cluster.ts';
import type { Machine, MachineId } from '../machine.ts';
import { parseUnitFile, printUnitFile } from '../unit-file.ts';
import { hashUnitFile } from '../unit-hash.ts';
import { unfenced, withoutPorts } from '../unit.ts';
import type { Assignment, FileHash, UnitRecord } from '../unit.ts';
import type { UnitName } from '../unit-name.ts';
import { planRebalance } from './rebalance.ts';

const machine = (id: string, closed: 'cordon' | 'drain' | null = null): Machine => ({
  id: id as MachineId, publicIp: '', hostname: '', metadata: {}, version: '2.0.0', bootId: '', capacity: { cpus: 1, memoryBytes: 1 }, peer: null,
  runner: 'systemd', store: 'etcd', startedAtMs: 0, ttlMs: 5_000, left: false, trouble: '', doubt: null,
  cordon: closed === 'cordon' ? { reason: '', by: '', sinceMs: 1 } : null,
  drain: closed === 'drain' ? { reason: '', by: '', sinceMs: 1, fenced: true, global: false } : null,
});

interface World {
  readonly machines: readonly Machine[];
  /** By unit: where it is, and its [X-Fleet]. */
  readonly units: Readonly<Record<string, { readonly on: string; readonly section?: string }>>;
}

function snapshotOf({ machines, units }: World): ClusterSnapshot {
  const files = new Map<FileHash, KnownFile>();
  const records = new Map<UnitName, UnitRecord>();
  const assignments = new Map<MachineId, Map<UnitName, Assignment>>(machines.map(({ id }) => [id, new Map()]));
  for (const [name, { on, section = '' }] of Object.entries(units)) {
    const parsed = parseUnitFile(`[Service]\nExecStart=/bin/sleep 1\n\n[X-Fleet]\n${section}\n`);
    assert.ok(parsed.ok);
    const hash = hashUnitFile(parsed.value);
    files.set(hash, { text: printUnitFile(parsed.value), file: parsed.value, hash });
    records.set(name as UnitName, { hash, desired: 'launched', generation: 1, restart: 0, reset: 0, release: 0, changedAtMs: 0, changedBy: '', adoptOn: null });
    assignments.get(on as MachineId)?.set(name as UnitName, {
      hash, desired: 'launched', restart: 0, reset: 0, ...withoutPorts, why: '', assignedAtMs: 0, finished: false, ...unfenced,
    });
  }
  return { ...emptySnapshot, files, units: records, assignments, machines: new Map(machines.map((each) => [each.id, each])) };
}

/** "a.service one>two 3>2 0>1" for each move. */
function moves(world: World, fenced: boolean = false): readonly string[] {
  return planRebalance(snapshotOf(world), { fenced }).map(({ units, from, to, fromLoad, toLoad }) =>
    `${units.join('+')} ${from}>${to} ${String(fromLoad.before)}>${String(fromLoad.after)} ${String(toLoad.before)}>${String(toLoad.after)}`);
}

const on = (place: string, names: readonly string[], section: string = ''): World['units'] =>
  Object.fromEntries(names.map((name) => [`${name}.service`, { on: place, section }]));
const [one, two] = [machine('one'), machine('two')];

describe('a rebalance', () => {
  test('moves units until no difference is left that a move makes smaller by two', () => {
    assert.deepEqual(moves({ machines: [one, two], units: on('one', ['a', 'b', 'c', 'd', 'e']) }),
      ['a.service one>two 5>4 0>1', 'b.service one>two 4>3 1>2']);
    assert.deepEqual(moves({ machines: [one, two], units: on('one', ['a']) }), []);
  });

  test('gives nothing to machines that are cordoned or drained, and leaves those alone that are drained', () => {
    const units = on('one', ['a', 'b', 'c', 'd']);
    assert.deepEqual(moves({ machines: [one, machine('two', 'cordon')], units }), []);
    assert.deepEqual(moves({ machines: [one, machine('two', 'drain')], units }), []);
    assert.deepEqual(moves({ machines: [machine('one', 'cordon'), two], units }).length, 2, 'a cordoned machine may give');
  });

  test('leaves global units, those that say where they would rather be, and those that fit nowhere else', () => {
    for (const section of ['Global=true', 'Strategy=pack', 'MachineID=one', 'MachineMetadata=disk=ssd']) {
      assert.deepEqual(moves({ machines: [one, two], units: on('one', ['a', 'b', 'c', 'd'], section) }), [], section);
    }
  });

  test('moves fenced units only when that is asked for', () => {
    const world = { machines: [one, two], units: on('one', ['a', 'b'], 'OnMachineLost=stop') };
    assert.deepEqual(moves(world), []);
    assert.deepEqual(moves(world, true), ['a.service one>two 2>1 0>1']);
  });

  test('moves units that share a machine together, or not at all', () => {
    const pair = { ...on('one', ['a']), ...on('one', ['b'], 'MachineOf=a.service') };
    assert.deepEqual(moves({ machines: [one, two], units: pair }), [], 'the difference would only turn around');
    assert.deepEqual(moves({ machines: [one, two], units: { ...pair, ...on('one', ['x', 'y'], 'MachineID=one') } }),
      ['a.service+b.service one>two 4>2 0>2']);
    assert.deepEqual(moves({ machines: [one, two], units: { ...on('one', ['a'], 'OnMachineLost=stop'), ...on('one', ['b', 'c', 'd'], 'MachineOf=a.service') } }), []);
  });

  test('keeps rules between units, and pushes nobody out', () => {
    const there = { ...on('one', ['a', 'b', 'c']), ...on('two', ['z'], 'Conflicts=a.service') };
    assert.deepEqual(moves({ machines: [one, two], units: there }), ['b.service one>two 3>2 1>2']);
    assert.deepEqual(moves({ machines: [one, two], units: { ...on('one', ['a', 'b', 'c'], 'Replaces=z.service'), ...on('two', ['z']) } }), []);
  });

  test('ends, makes no machine fuller than the fullest was, and leaves nothing to move', () => {
    const sections = ['', '', '', 'Weight=3', 'OnMachineLost=stop', 'Global=true', 'Conflicts=u1*', 'MachineOf=u1.service', 'MachineID=m2', 'Weight=0'];
    const arbitrary = fc.record({
      closed: fc.array(fc.constantFrom(null, null, null, 'cordon' as const, 'drain' as const), { minLength: 2, maxLength: 4 }),
      units: fc.array(fc.record({ on: fc.nat(3), section: fc.nat(sections.length - 1) }), { maxLength: 14 }),
      fenced: fc.boolean(),
    });
    fc.assert(fc.property(arbitrary, ({ closed, units, fenced }) => {
      const machines = closed.map((how, index) => machine(`m${String(index)}`, how));
      const world: World = {
        machines, units: Object.fromEntries(units.map((unit, index) =>
          [`u${String(index)}.service`, { on: `m${String(unit.on % machines.length)}`, section: sections[unit.section] ?? '' }])),
      };
      const planned = planRebalance(snapshotOf(world), { fenced });
      assert.ok(planned.length <= units.length * 4, 'it ends');
      const loads = new Map<MachineId, number>();
      for (const { from, to, fromLoad, toLoad } of planned) {
        assert.ok(toLoad.after <= fromLoad.after || toLoad.after <= fromLoad.before - 1, 'no fuller than the fullest was');
        assert.ok(toLoad.after <= fromLoad.before, 'the maximum does not grow');
        for (const [id, load] of [[from, fromLoad], [to, toLoad]] as const) {
          assert.equal(loads.get(id) ?? load.before, load.before, 'moves follow one another');
          loads.set(id, load.after);
        }
      }
    }), { numRuns: 300 });
  });
});
