import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Leader, Restore, Schema, StoreAcceptance } from '../core/cluster.ts';
import type { Result } from '../core/failure.ts';
import type { HistoryEvent, MachineHistory, UnitHistory } from '../core/history.ts';
import type {
  Generation, ReleaseFailure, ReleaseMove, ReleaseRecord, ReleaseStrategy,
} from '../core/release/release.ts';
import type { Hold, HoldOrder } from '../core/hold.ts';
import type { MachineId, MachineOverride, MachineRecord, RosterEntry } from '../core/machine.ts';
import type { FormerPorts, MachinePorts, PortConflict, PortCursors, PortPool } from '../core/ports.ts';
import type { Assignment, FileHash, UnitRecord, UnitStatus } from '../core/unit.ts';
import type { UnitName } from '../core/unit-name.ts';
import {
  decodeAssignment, decodeFormerPorts, decodeHold, decodeHoldOrder, decodeLeader, decodeMachineHistory, decodeMachineOverride,
  decodeMachinePorts, decodeMachineRecord, decodePortCursors, decodePortPool, decodeReleaseRecord, decodeRestore, decodeRosterEntry, decodeSchema, decodeStoreAcceptance, decodeUnitHistory, decodeUnitRecord, decodeUnitStatus, encodeRecord,
} from './records.ts';

const word = fc.string({ unit: 'grapheme', maxLength: 20 });
const hash = word.map((text) => text as FileHash);
const machine = word.map((text) => text as MachineId);
const count = fc.nat();
const pairs = fc.dictionary(word, word, { noNullPrototype: true });

const plain = { noNullPrototype: true };
const range = { low: count, high: count };
const ports = fc.dictionary(word, count, plain);
const portOrigin = fc.record({
  ...range, pool: fc.option(word), scope: fc.constantFrom('machine', 'cluster'), sinceMs: count, why: word,
}, plain);
const unitRecord: fc.Arbitrary<UnitRecord> = fc.record({
  hash, desired: fc.constantFrom('inactive', 'loaded', 'launched'), generation: count, restart: count, reset: count, release: count,
  changedAtMs: count, changedBy: word, adoptOn: fc.option(machine),
}, plain);
const assignment: fc.Arbitrary<Assignment> = fc.record({
  hash, desired: fc.constantFrom('loaded', 'launched'), restart: count, reset: count, release: count, ports,
  portOrigins: fc.dictionary(word, portOrigin, plain), portMoves: count, why: word, assignedAtMs: count,
  finished: fc.boolean(), fence: count, lostAfterMs: count, goneAfterMs: count, leaving: fc.boolean(),
}, plain);
const unitStatus: fc.Arbitrary<UnitStatus> = fc.record({
  load: word, active: word, sub: word, hash, sinceMs: count, result: word, exitStatus: fc.option(fc.integer()), succeeded: fc.boolean(),
  restarts: count, mainPid: count, restart: fc.integer({ min: -1 }), reset: count, problem: word, released: count, fencedAtMs: count,
  health: fc.constantFrom('none', 'starting', 'healthy', 'unhealthy'), healthWhy: word, draining: fc.boolean(), portsInDoubt: fc.boolean(), ports: fc.dictionary(word, count, plain),
}, plain);
const cpus = fc.double({ min: 0, noNaN: true, noDefaultInfinity: true });
const machineRecord: fc.Arbitrary<MachineRecord> = fc.record({
  id: machine, publicIp: word, hostname: word, metadata: pairs, version: word, bootId: word,
  capacity: fc.record({ cpus, memoryBytes: count }, plain),
  peer: fc.option(fc.record({ address: word, port: count, fingerprint: word }, plain)),
  runner: fc.constantFrom('systemd', 'supervisor'), store: fc.constantFrom('etcd', 'embedded'), startedAtMs: count,
  ttlMs: count, left: fc.boolean(), trouble: word,
  doubt: fc.option(fc.record({ cluster: word, tokenBase: count, why: word }, plain)),
}, plain);
const event: fc.Arbitrary<HistoryEvent> = fc.record({ atMs: count, what: word, machine, why: word, count }, plain);
const unitHistory: fc.Arbitrary<UnitHistory> = fc.record({
  events: fc.array(event), succeeded: fc.option(fc.record({ hash, restart: count, machine, atMs: count }, plain)),
  unrest: fc.option(fc.record({ moves: count, lastAtMs: count }, plain)),
}, plain);
const machineHistory: fc.Arbitrary<MachineHistory> = fc.record({ events: fc.array(event), bootId: word }, plain);
const cordon = { reason: word, by: word, sinceMs: count };
const machineOverride: fc.Arbitrary<MachineOverride> = fc.record({
  set: pairs, removed: fc.array(word), cordon: fc.option(fc.record(cordon, plain)),
  drain: fc.option(fc.record({ ...cordon, fenced: fc.boolean(), global: fc.boolean() }, plain)), forget: fc.option(count),
}, plain);
const rosterEntry: fc.Arbitrary<RosterEntry> = fc.record({
  firstSeenMs: count, lastSeenMs: count, bootId: word, publicIp: word, hostname: word, goneSinceMs: fc.option(count), left: fc.boolean(),
}, plain);
const hold: fc.Arbitrary<Hold> = fc.record({ sinceMs: count, holdMs: fc.option(count), missing: fc.array(machine), why: word }, plain);
const holdOrder: fc.Arbitrary<HoldOrder> = fc.record({
  action: fc.constantFrom('hold', 'release'), atMs: count, untilMs: fc.option(count), of: fc.option(count), reason: word, by: word,
}, plain);
const schema: fc.Arbitrary<Schema> = fc.record({ version: count, cluster: word, createdAtMs: count }, plain);
const restore: fc.Arbitrary<Restore> = fc.record({ atMs: count, by: word, fresh: fc.boolean(), tokenBase: count, of: fc.array(word) }, plain);
const storeAcceptance: fc.Arbitrary<StoreAcceptance> = fc.record({ atMs: count, by: word, of: fc.array(word), reason: word }, plain);
const portPool: fc.Arbitrary<PortPool> = fc.record({ ...range, changedAtMs: count, changedBy: word }, plain);
const portCursors: fc.Arbitrary<PortCursors> = fc.record({ last: ports }, plain);
const conflict: fc.Arbitrary<PortConflict> = fc.record({ unit: word.map((text) => text as UnitName), port: count, why: word }, plain);
const machinePorts: fc.Arbitrary<MachinePorts> = fc.record({
  ephemeral: fc.option(fc.record(range, plain)), listening: fc.array(count), conflicts: fc.array(conflict),
}, plain);
const formerPorts: fc.Arbitrary<FormerPorts> = fc.record({ machine, release: count, ports }, plain);
const leader: fc.Arbitrary<Leader> = fc.record({ machine, sinceMs: count }, plain);
const unitName = word.map((text) => text as UnitName);
const strategy: fc.Arbitrary<ReleaseStrategy> = fc.record({
  way: fc.constantFrom('surge', 'in-place'), batch: fc.record({ amount: count, percent: fc.boolean() }, plain), pause: fc.boolean(),
  maxFailures: count, minActiveMs: count, healthTimeoutMs: count, rollback: fc.boolean(),
}, plain);
const generation: fc.Arbitrary<Generation> = fc.record({
  number: count, hash, atMs: count, by: word, undoOf: fc.option(count), outcome: fc.constantFrom('rolling', 'done', 'failed', 'left'), why: word,
}, plain);
const move: fc.Arbitrary<ReleaseMove> = fc.record({
  unit: unitName, old: fc.option(unitName), machine: fc.option(machine), generation: count,
  phase: fc.constantFrom('starting', 'leaving', 'failed'), beganAtMs: count, healthySinceMs: fc.option(count), run: word, why: word,
}, plain);
const releaseFailure: fc.Arbitrary<ReleaseFailure> = fc.record({
  unit: unitName, machine: fc.option(machine), generation: count, why: word, atMs: count,
}, plain);
const release: fc.Arbitrary<ReleaseRecord> = fc.record({
  generations: fc.array(generation), target: count, origin: count, strategy,
  state: fc.constantFrom('rolling', 'rolling-back', 'held', 'done', 'rolled-back'), paused: fc.boolean(), why: word, inPlaceWhy: word,
  moves: fc.array(move), failures: fc.array(releaseFailure), batches: count, startedAtMs: count, changedAtMs: count, by: word,
}, plain);

type Kind<T> = { name: string; records: fc.Arbitrary<T>; decode: (text: string) => Result<T>; least: unknown };
type AnyRecord = Parameters<typeof encodeRecord>[0];
const kinds: readonly Kind<AnyRecord>[] = [
  { name: 'unit', records: unitRecord, decode: decodeUnitRecord, least: { hash: 'h', desired: 'loaded' } },
  { name: 'assignment', records: assignment, decode: decodeAssignment, least: { hash: 'h', desired: 'loaded' } },
  { name: 'status', records: unitStatus, decode: decodeUnitStatus, least: { load: 'loaded', active: 'active' } },
  { name: 'machine', records: machineRecord, decode: decodeMachineRecord, least: { id: 'm' } },
  { name: 'machine override', records: machineOverride, decode: decodeMachineOverride, least: {} },
  { name: 'unit history', records: unitHistory, decode: decodeUnitHistory, least: {} },
  { name: 'machine history', records: machineHistory, decode: decodeMachineHistory, least: {} },
  {
    name: 'release', records: release, decode: decodeReleaseRecord,
    least: { target: 1, origin: 0, state: 'done' },
  },
  { name: 'roster', records: rosterEntry, decode: decodeRosterEntry, least: {} },
  { name: 'hold', records: hold, decode: decodeHold, least: { sinceMs: 1 } },
  { name: 'hold order', records: holdOrder, decode: decodeHoldOrder, least: { action: 'hold' } },
  { name: 'schema', records: schema, decode: decodeSchema, least: { version: 1 } },
  { name: 'restore', records: restore, decode: decodeRestore, least: {} },
  { name: 'store acceptance', records: storeAcceptance, decode: decodeStoreAcceptance, least: { atMs: 1 } },
  { name: 'port pool', records: portPool, decode: decodePortPool, least: { low: 1, high: 2 } },
  { name: 'port cursors', records: portCursors, decode: decodePortCursors, least: {} },
  { name: 'machine ports', records: machinePorts, decode: decodeMachinePorts, least: {} },
  { name: 'former ports', records: formerPorts, decode: decodeFormerPorts, least: { machine: 'm' } },
  { name: 'leader', records: leader, decode: decodeLeader, least: { machine: 'm' } },
];

for (const { name, records, decode, least } of kinds) {
  test(`a ${name} record is read as it was written`, () => {
    fc.assert(fc.property(records, (record) => {
      assert.deepEqual(decode(encodeRecord(record)), { ok: true, value: record });
    }));
  });

  test(`a ${name} record with fields of a newer version is read without them`, () => {
    fc.assert(fc.property(records, (record) => {
      assert.deepEqual(decode(JSON.stringify({ ...record, ofNewerVersion: { a: [1] } })), { ok: true, value: record });
    }));
  });

  test(`a ${name} record of an older version gets defaults for what it lacks`, () => {
    const read = decode(JSON.stringify(least));
    assert.ok(read.ok, read.ok ? '' : read.failure.message);
    assert.deepEqual({ ...read.value, ...(least as object) }, read.value);
  });

  test(`no text makes reading a ${name} record throw`, () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      const read = decode(text);
      assert.ok(read.ok || (read.failure.code === 'RECORD_UNREADABLE' && !read.failure.message.includes('\n')));
    }));
  });
}

const unreadable: readonly { decode: (text: string) => Result<unknown>; text: string; why: string }[] = [
  { decode: decodeUnitRecord, text: '', why: '"" is not JSON' },
  { decode: decodeUnitRecord, text: '{"hash": 1, "desired": "loaded"}', why: 'hash is 1, should be a text' },
  { decode: decodeUnitRecord, text: '{"desired": "loaded"}', why: 'hash is missing, should be a text' },
  { decode: decodeUnitRecord, text: '{"hash": "h", "desired": "asleep"}', why: 'desired is "asleep", should be one of inactive, loaded, launched' },
  { decode: decodeUnitRecord, text: '[]', why: 'the value is [], should be an object' },
  { decode: decodeLeader, text: 'null', why: 'the value is null, should be an object' },
  { decode: decodeAssignment, text: '{"hash": "h", "desired": "loaded", "ports": {"web": 80.5}}', why: 'ports.web is 80.5, should be a whole number' },
  { decode: decodeMachineRecord, text: '{"id": "m", "peer": {"address": "::1", "port": 1}}', why: 'peer.fingerprint is missing, should be a text' },
  { decode: decodeMachineOverride, text: '{"removed": ["a", null]}', why: 'removed.1 is null, should be a text' },
  { decode: decodeUnitStatus, text: '{"load": "l", "active": "a", "succeeded": 1}', why: 'succeeded is 1, should be true or false' },
];
for (const { decode, text, why } of unreadable) {
  test(`an unreadable value says why: ${why}`, () => {
    assert.deepEqual(decode(text), { ok: false, failure: { code: 'RECORD_UNREADABLE', message: why } });
  });
}
