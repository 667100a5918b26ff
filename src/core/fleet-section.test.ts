import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { checkFleetSection, fleetKeys, parseFleetSection, parseStoredFleetSection } from './fleet-section.ts';
import type { FleetSection } from './fleet-section.ts';
import { limits } from './limits.ts';
import { noPlacingOptions } from './placing-options.ts';
import { noReleaseOptions } from './release/options.ts';
import { parseUnitFile, unitFileFromOptions } from './unit-file.ts';
import type { UnitFile } from './unit-file.ts';
import { parseUnitName } from './unit-name.ts';
import type { UnitName } from './unit-name.ts';

function nameOf(text: string): UnitName {
  const parts = parseUnitName(text);
  assert.ok(parts.ok, text);
  return parts.value.name;
}

function fileOf(lines: string): UnitFile {
  const file = parseUnitFile(`[Service]\nExecStart=/bin/true\n[X-Fleet]\n${lines}\n`);
  assert.ok(file.ok, lines);
  return file.value;
}

function sectionOf(lines: string, name = 'app@1.service'): FleetSection {
  const section = parseFleetSection(nameOf(name), fileOf(lines));
  assert.ok(section.ok, section.ok ? '' : section.failure.message);
  return section.value;
}

function failureOf(lines: string, name = 'app@1.service'): string {
  const section = parseFleetSection(nameOf(name), fileOf(lines));
  assert.ok(!section.ok, lines);
  return `${section.failure.code} ${section.failure.message}`;
}

/** Requirements as one line: alternatives with "|", requirements with a blank. */
function metadataOf(lines: string, name?: string): string {
  return sectionOf(lines, name).metadata
    .map(({ key, alternatives }) => alternatives.map(({ operator, value }) => `${key}${operator}${value}`).join('|')).join(' & ');
}

test('a unit without options may run anywhere', () => {
  assert.deepEqual(sectionOf(''), {
    machineId: null, machineBootId: null, machineOf: [], metadata: [], conflicts: [], replaces: [], global: false,
    service: null, healthCheck: null, healthIntervalMs: 5_000, healthTimeoutMs: 2_000, healthyThreshold: 1, unhealthyThreshold: 3, drainMs: 0,
    onMachineLost: 'keep', lostAfterMs: null,
    release: noReleaseOptions,
    ports: [], portScope: 'machine',
    placing: noPlacingOptions,
  });
});

test('every key fills its field, under its legacy name too', () => {
  const id = 'e3583575125c30bdf50d4473544f7eba';
  assert.equal(sectionOf(`MachineID=${id}`).machineId, id);
  assert.equal(sectionOf(`X-ConditionMachineID=${id}`).machineId, id);
  assert.equal(sectionOf(`X-ConditionMachineID=other\nMachineID=${id}`).machineId, id, 'the modern name is looked at first');
  assert.equal(sectionOf(`MachineID=${id}\nMachineID=other`).machineId, id, 'the first one counts');
  assert.equal(sectionOf(`X-ConditionMachineBootID=${id}`).machineBootId, id);
  assert.deepEqual(sectionOf('MachineOf=web@%i.service\nX-ConditionMachineOf=db').machineOf, ['web@1.service', 'db.service']);
  assert.deepEqual(sectionOf('Conflicts=app@*.service  b*\nX-Conflicts="c"').conflicts, ['app@*.service', 'b*', 'c']);
  assert.deepEqual(sectionOf('Replaces=old@%i.service').replaces, ['old@1.service']);
  assert.equal(metadataOf('X-ConditionMachineMetadata=a=b'), 'a=b');
});

test('an empty assignment forgets what stood before it', () => {
  assert.deepEqual(sectionOf('Conflicts=a\nConflicts=\nConflicts=b').conflicts, ['b']);
  assert.equal(sectionOf('MachineID=a\nMachineID=').machineId, null);
  assert.equal(sectionOf('Global=true\nGlobal=').global, false);
});

test('Global takes the words of fleet 1.0, and the last one counts', () => {
  for (const word of ['true', 'yes', '1', 'on', 't', 'TRUE', '"true"']) assert.equal(sectionOf(`Global=${word}`).global, true, word);
  for (const word of ['false', 'no', '0', 'off', 'F']) assert.equal(sectionOf(`Global=${word}`).global, false, word);
  assert.equal(sectionOf('Global=true\nGlobal=false').global, false);
  assert.equal(failureOf('Global=ture'), 'UNIT_OPTION_INVALID line 4: Global=ture: write true or false');
});

test('metadata: several keys must all hold, values of one key are alternatives', () => {
  const table: readonly (readonly [string, string])[] = [
    ['MachineMetadata=region=us-west', 'region=us-west'],
    ['MachineMetadata="region=us-west" "az=a"', 'region=us-west & az=a'],
    ['MachineMetadata=region=us-west\nMachineMetadata=az=a\nMachineMetadata=region=us-east', 'region=us-west|region=us-east & az=a'],
    ["MachineMetadata='role=default'", 'role=default'],
    ['MachineMetadata=10.58.9.83', '10.58.9.83=10.58.9.83'],
    ['MachineMetadata=AppServerMachineCluster 10.58.9.83', 'AppServerMachineCluster=AppServerMachineCluster & 10.58.9.83=10.58.9.83'],
    ['MachineMetadata=a=b c=d', 'a=b & c=d'],
    ['MachineMetadata=location=new york', 'location=new york'],
    ['MachineMetadata="location=new york" disk=ssd', 'location=new york & disk=ssd'],
    ['MachineMetadata=ram>=1024', 'ram>=1024'],
    ['MachineMetadata=ram >= 1024', 'ram>=1024'],
    ['MachineMetadata=ram>=4 ram<8.5 ram!=6', 'ram>=4 & ram<8.5 & ram!=6'],
    ['MachineMetadata=ram<=4\nMachineMetadata=ram>-1', 'ram<=4 & ram>-1'],
    ['MachineMetadata=a!=b\nMachineMetadata=a=c\nMachineMetadata=a=d', 'a!=b & a=c|a=d'],
    ['MachineMetadata="url=http://x/?a=b"', 'url=http://x/?a=b'],
    ['MachineMetadata=slot=%i name=%p', 'slot=1 & name=app'],
    ['MachineMetadata=host=%H', 'host=%H'],
    ['MachineMetadata=a=\\\n b', 'a=b'],
  ];
  for (const [lines, expected] of table) assert.equal(metadataOf(lines), expected, lines);
});

test('a template keeps its specifiers, unchecked', () => {
  const section = sectionOf('MachineMetadata=slot<%i\nMachineOf=web@%i.service\nConflicts=a%i*\nGlobal=%i', 'app@.service');
  assert.equal(section.metadata[0]?.alternatives[0]?.value, '%i');
  assert.deepEqual([section.machineOf, section.conflicts, section.global], [['web@%i.service'], ['a%i*'], false]);
  assert.equal(sectionOf('MachineID=%i', 'app@.service').machineId, '%i');
});

test('an instance cannot add words through its specifiers', () => {
  assert.deepEqual(sectionOf('Conflicts=%I', String.raw`app@a\x20b.service`).conflicts, ['a b']);
  assert.deepEqual(sectionOf('Conflicts=%I', String.raw`app@\x22a.service`).conflicts, ['"a']);
});

test('a wrong key or value is named with its line, its text and what to do', () => {
  const table: readonly (readonly [string, string])[] = [
    ['Gloable=true', 'UNIT_OPTION_UNKNOWN line 4: [X-Fleet] has no option "Gloable"; did you mean "Global"?'],
    ['Matadata=a=b', 'UNIT_OPTION_UNKNOWN line 4: [X-Fleet] has no option "Matadata"; did you mean "MachineMetadata"?'],
    ['machineid=a', 'UNIT_OPTION_UNKNOWN line 4: [X-Fleet] has no option "machineid"; did you mean "MachineID"?'],
    ['X-Conflict=a', 'UNIT_OPTION_UNKNOWN line 4: [X-Fleet] has no option "X-Conflict"; did you mean "X-Conflicts"?'],
    ['ExecStart=a', 'UNIT_OPTION_UNKNOWN line 4: [X-Fleet] has no option "ExecStart"; it belongs in [Service]'],
    ['Bogus=1', 'UNIT_OPTION_UNKNOWN line 4: [X-Fleet] has no option "Bogus"; '
      + `it has ${fleetKeys.filter((key) => !key.startsWith('X-')).join(', ')}`],
    ['MachineID=a b', 'UNIT_OPTION_INVALID line 4: MachineID=a b: only one id can be given; use MachineMetadata for several machines'],
    ['MachineID=""', 'UNIT_OPTION_INVALID line 4: MachineID="": no id; list-machines -l shows them'],
    ['\nMachineOf=a/b', `UNIT_OPTION_INVALID line 5: MachineOf=a/b: "a/b" is not a unit: invalid character '/' in unit name`],
    ['MachineOf=app@%i', 'UNIT_OPTION_INVALID line 4: MachineOf=app@%i: "app@1" is the unit itself'],
    ['MachineOf=app@', 'UNIT_OPTION_INVALID line 4: MachineOf=app@: "app@" is a template; name an instance of it'],
    ['Conflicts=[a', 'PATTERN_INVALID line 4: Conflicts=[a: "[a" is not a glob pattern: '
      + 'a class such as [a-z] is empty or not closed; write \\[ for the character itself'],
    ['MachineMetadata=ram>=big', 'UNIT_OPTION_INVALID line 4: MachineMetadata=ram>=big: "ram>=big" compares with "big", which is not a number'],
    ['MachineMetadata=a=', 'UNIT_OPTION_INVALID line 4: MachineMetadata=a=: "a=" needs a key and a value, as in region=west'],
    ['MachineMetadata=a==b', 'UNIT_OPTION_INVALID line 4: MachineMetadata=a==b: "a==b" has no operator fleet knows; write a=b'],
    ['MachineMetadata=a=b c=d e', 'UNIT_OPTION_INVALID line 4: MachineMetadata=a=b c=d e: '
      + 'it has several meanings; put each requirement in quotes, as in "a=b" "c=d"'],
    ['MachineMetadata="a=b', 'UNIT_OPTION_INVALID line 4: MachineMetadata="a=b: the quote in "a=b is not closed; add "'],
  ];
  for (const [lines, expected] of table) assert.equal(failureOf(lines), expected);
});

test('options that exclude each other are refused with the sentences of fleet 1.0', () => {
  const table: readonly (readonly [string, string])[] = [
    ['MachineID=a\nMachineOf=b.service', 'MachineID cannot be used with Peers'],
    ['MachineID=a\nConflicts=b.service', 'MachineID cannot be used with Conflicts'],
    ['MachineID=a\nGlobal=true', 'MachineID cannot be used with Global'],
    ['MachineID=a\nReplaces=b', 'MachineID cannot be used with Replaces'],
    ['X-ConditionMachineBootID=a\nReplaces=b', 'MachineID cannot be used with Replaces'],
    ['Global=true\nMachineOf=b', 'Global cannot be used with Peers'],
    ['Global=true\nReplaces=b', 'Global cannot be used with Replaces'],
    ['Conflicts=a\nReplaces=b', 'Conflicts cannot be used with Replaces'],
    ['MachineOf=a.service\nConflicts=a*', 'unresolvable requirements: peer "a.service" matches conflict "a*"'],
    ['MachineOf=a.service\nReplaces=a*', 'unresolvable requirements: peer "a.service" matches replace "a*"'],
  ];
  for (const [lines, message] of table) assert.equal(failureOf(lines), `UNIT_OPTIONS_CONFLICT ${message}`, lines);
  assert.deepEqual(sectionOf('Global=true\nConflicts=b*').conflicts, ['b*'], 'a global unit may have conflicts');
});

test('a unit that was accepted before is read over keys nobody knows', () => {
  const read = (lines: string): ReturnType<typeof parseFleetSection> => parseStoredFleetSection(nameOf('a.service'), fileOf(lines));
  const known = read('Bogus=1\nGlobal=true\nLater=2');
  assert.equal(known.ok && known.value.global, true);
  const late = read(`${'Bogus=1\n'.repeat(limits.findingsMax + 1)}Global=true`);
  assert.equal(late.ok && late.value.global, true);
  assert.equal(read(`${'Bogus=1\n'.repeat(limits.findingsMax + 1)}Global=maybe`).ok, false);
  assert.equal(read('Bogus=1\nMachineID=a\nGlobal=true').ok, false);
});

test('a list of options has no lines to name', () => {
  const file = unitFileFromOptions([{ section: 'X-Fleet', name: 'Gloable', value: 'true' }]);
  assert.ok(file.ok);
  const section = parseFleetSection(nameOf('a.service'), file.value);
  assert.equal(section.ok ? '' : section.failure.message, '[X-Fleet] has no option "Gloable"; did you mean "Global"?');
});

test('everything wrong is found, in the order of the lines, up to a limit', () => {
  const findings = checkFleetSection(nameOf('a.service'), fileOf('X-Conflicts=[\nGloable=1\nGlobal=maybe\nMachineID=a b'));
  assert.deepEqual(findings.map((finding) => [finding.line, finding.text]), [[4, '['], [5, 'Gloable'], [6, 'maybe'], [7, 'a b']]);
  const many = checkFleetSection(nameOf('a.service'), fileOf('Bogus=1\n'.repeat(5_000)));
  assert.equal(many.length, limits.findingsMax);
});

test('lists have a limit', () => {
  const words = Array.from({ length: limits.fleetOptionValuesMax + 1 }, (_, index) => `u${index}`);
  for (const key of ['MachineOf', 'Conflicts', 'Replaces', 'MachineMetadata']) {
    assert.ok(failureOf(`${key}=${words.join(' ')}`).endsWith(`: more than ${limits.fleetOptionValuesMax} values; use fewer`), key);
    sectionOf(`${key}=${words.slice(1).join(' ')}`);
  }
});

test('no value makes the section throw or gives a message of several lines', () => {
  const isOneLine = (text: string): boolean => !/[\r\n\0]/.test(text) && text.isWellFormed();
  const value = fc.oneof(
    fc.string({ unit: fc.constantFrom(...'ab=<>!%iI"\' \\[*@.0-') }), fc.string({ unit: 'binary' }).filter(isOneLine));
  const option = fc.tuple(fc.constantFrom(...fleetKeys, 'Other'), value);
  fc.assert(fc.property(fc.array(option, { maxLength: 6 }), fc.constantFrom('a.service', 'a@.service', String.raw`a@\q.service`), (options, name) => {
    const file = unitFileFromOptions(options.map(([key, text]) => ({ section: 'X-Fleet', name: key, value: text })));
    if (!file.ok) return;
    const section = parseFleetSection(nameOf(name), file.value);
    if (!section.ok) assert.match(section.failure.message, /^[^\n]+$/);
  }), { numRuns: 2_000 });
});

test('ports: each Port= is one, named once, and a template leaves open what depends on the instance', () => {
  assert.deepEqual(sectionOf('Port=http:20001-20010\nPort=apps.war').ports, [
    { name: 'http', from: { low: 20_001, high: 20_010 } }, { name: 'apps.war', from: { pool: 'apps.war' } },
  ]);
  assert.deepEqual(sectionOf('Port=http:1000%i').ports, [{ name: 'http', from: { low: 10_001, high: 10_001 } }]);
  assert.deepEqual(sectionOf('Port=http:1000%i', 'app@.service').ports, []);
  assert.equal(failureOf('Port=http:1-2\nPort=http:3-4'), 'PORTS_INVALID line 5: Port=http:3-4: "http" is the name of two ports; give each its own');
  assert.equal(failureOf('Port=a-b:1-2 a.b:1-2'),
    'PORTS_INVALID line 4: Port=a-b:1-2 a.b:1-2: "a.b" and "a-b" would both be FLEET_PORT_A_B; rename one');
});

test('PortScope is machine unless the unit says cluster', () => {
  assert.equal(sectionOf('').portScope, 'machine');
  assert.equal(sectionOf('PortScope=cluster').portScope, 'cluster');
  assert.equal(failureOf('PortScope=rack'), 'UNIT_OPTION_INVALID line 4: PortScope=rack: write machine or cluster');
});
