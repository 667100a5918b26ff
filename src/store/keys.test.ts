import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MachineId } from '../core/machine.ts';
import type { FileHash } from '../core/unit.ts';
import type { UnitName } from '../core/unit-name.ts';
import { keys, parseKey } from './keys.ts';
import type { KeyMeaning } from './keys.ts';

const machine = '6f1d0e3fb3cc4a3e8b8f1a1f0d2f7b11' as MachineId;
const name = 'app@a\\x2fb:1.service' as UnitName;
const hash = 'da39a3ee5e6b4b0d3255bfef95601890afd80709' as FileHash;

const meanings: readonly { key: string; meaning: KeyMeaning }[] = [
  { key: keys.unitFile(hash), meaning: { kind: 'unit-file', hash } },
  { key: keys.unit(name), meaning: { kind: 'unit', name } },
  { key: keys.assignment(machine, name), meaning: { kind: 'assignment', machine, name } },
  { key: keys.machine(machine), meaning: { kind: 'machine', machine } },
  { key: keys.machineOverride(machine), meaning: { kind: 'machine-override', machine } },
  { key: keys.status(machine, name), meaning: { kind: 'status', machine, name } },
  { key: keys.unitHistory(name), meaning: { kind: 'unit-history', name } },
  { key: keys.machineHistory(machine), meaning: { kind: 'machine-history', machine } },
  { key: keys.release(name), meaning: { kind: 'release', name } },
  { key: keys.rosterEntry(machine), meaning: { kind: 'roster-entry', machine } },
  { key: keys.hold, meaning: { kind: 'hold' } },
  { key: keys.holdOrder, meaning: { kind: 'hold-order' } },
  { key: keys.restore, meaning: { kind: 'restore' } },
  { key: keys.storeAcceptance, meaning: { kind: 'store-acceptance' } },
  { key: keys.portPool('apps.war'), meaning: { kind: 'port-pool', name: 'apps.war' } },
  { key: keys.portCursors(machine), meaning: { kind: 'port-cursors', scope: machine } },
  { key: keys.machinePorts(machine), meaning: { kind: 'machine-ports', machine } },
  { key: keys.formerPorts(name), meaning: { kind: 'former-ports', name } },
  { key: keys.leader, meaning: { kind: 'leader' } },
  { key: keys.schema, meaning: { kind: 'schema' } },
];
for (const { key, meaning } of meanings) {
  test(`${key} is read back as what it was built from`, () => assert.deepEqual(parseKey(key), meaning));
}

test('what belongs to one machine lies under its own prefix, and under no other machine\'s', () => {
  assert.ok(keys.assignment(machine, name).startsWith(keys.assignmentsOf(machine)));
  assert.ok(keys.status(machine, name).startsWith(keys.statusesOf(machine)));
  assert.ok(!keys.status(`${machine}0` as MachineId, name).startsWith(keys.statusesOf(machine)));
});

for (const key of ['', '/', 'units', 'units/', 'units//a', 'units/a/b', 'assignments/m', 'assignments/m/', 'assignments/m/n/o', 'leader/x', 'later/a', 'toString/a']) {
  test(`a key this version does not know means nothing: "${key}"`, () => assert.equal(parseKey(key), null));
}
