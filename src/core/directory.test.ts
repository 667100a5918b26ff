/**
 * The service directory: scenarios as text (testdata/directory).
 *
 * The words of a scenario:
 *   machine ID ADDRESS                   without an address the machine has none
 *   unit NAME MACHINE [port:NAME=PORT…] [active=…] [health=…] [draining] [loaded] [leaving] [unassigned] [service=NAME] [was=NAME]
 *                                        `service` is its Service= now, `was` that of the file that runs
 * The answer is a line for each service, its instances indented.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { goldenTests } from '../../test/golden.ts';
import { emptySnapshot } from './cluster.ts';
import type { ClusterSnapshot, KnownFile } from './cluster.ts';
import { createDirectoryReader, isKnownService, servicesOf } from './directory.ts';
import type { Listing } from './directory.ts';
import type { Health } from './health-check.ts';
import type { Machine, MachineId } from './machine.ts';
import { createSectionReader } from './schedule/sections.ts';
import { parseUnitFile } from './unit-file.ts';
import { hashUnitFile } from './unit-hash.ts';
import { unchecked, unfenced, withoutPorts } from './unit.ts';
import type { Assignment, FileHash, UnitRecord, UnitStatus } from './unit.ts';
import type { UnitName } from './unit-name.ts';

interface World {
  readonly files: Map<FileHash, KnownFile>;
  readonly units: Map<UnitName, UnitRecord>;
  readonly machines: Map<MachineId, Machine>;
  readonly assignments: Map<MachineId, Map<UnitName, Assignment>>;
  readonly statuses: Map<MachineId, Map<UnitName, UnitStatus>>;
}

function addFile(world: World, service: string | undefined): FileHash {
  const text = `[Service]\nExecStart=/bin/true\n[X-Fleet]\n${service === undefined ? '' : `Service=${service}\n`}`;
  const parsed = parseUnitFile(text);
  assert.ok(parsed.ok);
  const hash = hashUnitFile(parsed.value);
  world.files.set(hash, { hash, text, file: parsed.value });
  return hash;
}

function addUnit(world: World, [name = '', machine = '', ...words]: readonly string[]): void {
  const facts = Object.fromEntries(words.map((word): [string, string] => {
    const [key = '', value = 'yes'] = word.split('=', 2);
    return [key, value];
  }));
  const unit = name as UnitName;
  const id = machine as MachineId;
  const hash = addFile(world, facts['service']);
  const ports = Object.fromEntries(Object.entries(facts).filter(([key]) => key.startsWith('port:'))
    .map(([key, value]) => [key.slice('port:'.length), Number(value)]));
  world.units.set(unit, { hash, desired: 'launched', generation: 1, restart: 0, reset: 0, release: 0, changedAtMs: 0, changedBy: '', adoptOn: null });
  if (facts['unassigned'] === undefined) {
    const assignments = world.assignments.get(id) ?? new Map<UnitName, Assignment>();
    world.assignments.set(id, assignments.set(unit, {
      hash, desired: facts['loaded'] === undefined ? 'launched' : 'loaded', restart: 0, reset: 0, ...withoutPorts, why: '', assignedAtMs: 0,
      finished: false, ...unfenced, leaving: facts['leaving'] !== undefined,
    }));
  }
  const statuses = world.statuses.get(id) ?? new Map<UnitName, UnitStatus>();
  world.statuses.set(id, statuses.set(unit, {
    load: 'loaded', active: facts['active'] ?? 'active', sub: '', hash: facts['was'] === undefined ? hash : addFile(world, facts['was']),
    sinceMs: 7, result: 'success', exitStatus: null, succeeded: false, restarts: 0, mainPid: 1, restart: 0, reset: 0, problem: '', ...unchecked,
    health: (facts['health'] ?? 'none') as Health, draining: facts['draining'] !== undefined, ports,
  }));
}

function listingOf(lines: readonly string[]): Listing {
  const world: World = { files: new Map(), units: new Map(), machines: new Map(), assignments: new Map(), statuses: new Map() };
  for (const line of lines.filter((each) => each.trim() !== '')) {
    const [row, ...words] = line.trim().split(/\s+/);
    if (row === 'unit') addUnit(world, words);
    else world.machines.set(words[0] as MachineId, { id: words[0], publicIp: words[1] ?? '' } as Machine);
  }
  const snapshot: ClusterSnapshot = { ...emptySnapshot, ...world };
  return { snapshot, sections: createSectionReader() };
}

function answer(question: readonly string[]): string {
  const services = servicesOf(listingOf(question));
  if (services.length === 0) return 'nobody';
  return services.map(({ name, portName, instances }) => [`${name} ${portName}`, ...instances.map(({ unit, machine, address, port, health }) =>
    `  ${unit} on ${machine}: ${address} port ${String(port)}${health === 'none' ? '' : `, ${health}`}`)].join('\n')).join('\n');
}

describe('the directory lists', () => {
  goldenTests(new URL('testdata/directory/', import.meta.url), answer);
});

test('a service is known by its units, also while none is listed', () => {
  const listing = listingOf(['machine aaa 10.0.0.1', 'unit web@1.service aaa active=failed', 'unit db.service aaa active=failed service=data']);
  assert.deepEqual(['web', 'data', 'db', 'no'].map((name) => isKnownService(listing, name)), [true, true, false, false]);
});

test('the directory of a snapshot is read once', () => {
  const { snapshot, sections } = listingOf(['machine aaa 10.0.0.1', 'unit web@1.service aaa port:http=80']);
  const read = createDirectoryReader(sections);
  assert.equal(read(snapshot), read(snapshot));
  assert.deepEqual(read(snapshot), servicesOf({ snapshot, sections }));
});
