import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { printBytes, printMemory, quotaMillis, readMemory } from './amounts.ts';
import { parseFleetSection } from './fleet-section.ts';
import type { PlacingOptions } from './placing-options.ts';
import { noPlacingOptions } from './placing-options.ts';
import { parseUnitFile } from './unit-file.ts';
import type { UnitName } from './unit-name.ts';

function read(lines: string, service = ''): ReturnType<typeof parseFleetSection> {
  const file = parseUnitFile(`[Service]\nExecStart=/bin/true\n${service}\n[X-Fleet]\n${lines}\n`);
  assert.ok(file.ok, lines);
  return parseFleetSection('app@1.service' as UnitName, file.value);
}

function optionsOf(lines: string, service = ''): PlacingOptions {
  const section = read(lines, service);
  assert.ok(section.ok, section.ok ? '' : section.failure.message);
  return section.value.placing;
}

function refused(lines: string): string {
  const section = read(lines);
  assert.ok(!section.ok, lines);
  return `${section.failure.code} ${section.failure.message.replace(/^line \d+: /, '')}`;
}

test('every option of placing is read, with specifiers of the instance', () => {
  const lines = [
    'Memory=1.5G', 'CPU=0.5', 'Strategy=pack', 'SpreadBy=zone', 'Weight=3', 'Prefer="disk=ssd" "rack=%i"', 'Avoid=db@*.service log@%i.service',
    'MaxPerMachine=2', 'Priority=-5', 'Preemptible=true',
  ];
  assert.deepEqual(optionsOf(lines.join('\n')), {
    memory: { bytes: 1.5 * 2 ** 30 }, cpuMillis: 500, strategy: 'pack', spreadBy: 'zone', weight: 3,
    prefer: [{ key: 'disk', alternatives: [{ operator: '=', value: 'ssd' }] }, { key: 'rack', alternatives: [{ operator: '=', value: '1' }] }],
    avoid: ['db@*.service', 'log@1.service'], maxPerMachine: 2, priority: -5, preemptible: true,
  });
  assert.deepEqual(optionsOf(lines.map((line) => `${line}\n${line.split('=')[0] ?? ''}=`).join('\n')), noPlacingOptions, 'an empty value forgets');
});

test('what [Service] limits is asked for, where the unit does not say itself', () => {
  const table: readonly (readonly [fleet: string, service: string, Pick<PlacingOptions, 'memory' | 'cpuMillis'>])[] = [
    ['', 'MemoryMax=512M\nCPUQuota=150%', { memory: { bytes: 512 * 2 ** 20 }, cpuMillis: 1_500 }],
    ['', 'MemoryMax=25%', { memory: { basisPoints: 2_500 }, cpuMillis: null }],
    ['', 'MemoryMax=1G\nMemoryMax=infinity', { memory: null, cpuMillis: null }],
    ['', 'MemoryMax=1G\nMemoryMax=\nCPUQuota=', { memory: null, cpuMillis: null }],
    ['', 'MemoryMax=plenty\nCPUQuota=2', { memory: null, cpuMillis: null }],
    ['Memory=1K', 'MemoryMax=1G', { memory: { bytes: 1_024 }, cpuMillis: null }],
    ['Memory=infinity\nCPU=0', 'MemoryMax=1G\nCPUQuota=10%', { memory: { bytes: 0 }, cpuMillis: 0 }],
  ];
  for (const [fleet, service, wanted] of table) {
    const { memory, cpuMillis } = optionsOf(fleet, service);
    assert.deepEqual({ memory, cpuMillis }, wanted, `${fleet} ${service}`);
  }
});

test('a wrong value is refused in one line with what would be right', () => {
  const table: readonly (readonly [string, string])[] = [
    ['Memory=lots', 'UNIT_OPTION_INVALID Memory=lots: write an amount of memory such as 512M or 1.5G, or a share of the machine such as 25%'],
    ['Memory=101%', 'UNIT_OPTION_INVALID Memory=101%: write an amount of memory such as 512M or 1.5G, or a share of the machine such as 25%'],
    ['Memory=9999999P', 'UNIT_OPTION_INVALID Memory=9999999P: write an amount of memory such as 512M or 1.5G, or a share of the machine such as 25%'],
    ['CPU=150%', 'UNIT_OPTION_INVALID CPU=150%: write a number of CPUs such as 2 or 0.5'],
    ['CPU=-1', 'UNIT_OPTION_INVALID CPU=-1: write a number of CPUs such as 2 or 0.5'],
    ['Strategy=random', 'UNIT_OPTION_INVALID Strategy=random: write spread or pack'],
    ['SpreadBy=zone=a', 'UNIT_OPTION_INVALID SpreadBy=zone=a: write one key of metadata such as zone'],
    ['Weight=1001', 'UNIT_OPTION_INVALID Weight=1001: write a whole number from 0 to 1000'],
    ['MaxPerMachine=0', 'UNIT_OPTION_INVALID MaxPerMachine=0: write a whole number from 1 to 10000'],
    ['Priority=high', 'UNIT_OPTION_INVALID Priority=high: write a whole number from -1000 to 1000'],
    ['Preemptible=maybe', 'UNIT_OPTION_INVALID Preemptible=maybe: write true or false'],
    ['Strategie=pack', 'UNIT_OPTION_UNKNOWN [X-Fleet] has no option "Strategie"; did you mean "Strategy"?'],
    ['SpredBy=zone', 'UNIT_OPTION_UNKNOWN [X-Fleet] has no option "SpredBy"; did you mean "SpreadBy"?'],
    ['MaxPerMachines=1', 'UNIT_OPTION_UNKNOWN [X-Fleet] has no option "MaxPerMachines"; did you mean "MaxPerMachine"?'],
    ['MemoryMax=1G', 'UNIT_OPTION_UNKNOWN [X-Fleet] has no option "MemoryMax"; it belongs in [Service]'],
  ];
  for (const [line, message] of table) assert.ok(refused(line).startsWith(message), refused(line));
});

test('options that exclude each other are refused in one line', () => {
  const table: readonly (readonly [string, string])[] = [
    ['Global=true\nStrategy=pack', 'Global cannot be used with Strategy'],
    ['Global=true\nMaxPerMachine=1', 'Global cannot be used with MaxPerMachine'],
    ['Global=true\nWeight=2', 'Global cannot be used with Weight'],
    ['Global=true\nPriority=1', 'Global cannot be used with Priority'],
    ['Global=true\nPreemptible=true', 'Global cannot be used with Preemptible'],
    ['MachineID=abc\nPrefer=disk=ssd', 'MachineID cannot be used with Prefer'],
    ['MachineOf=db.service\nSpreadBy=zone', 'MachineOf cannot be used with SpreadBy'],
    ['Preemptible=true\nReplaces=db.service', 'Preemptible cannot be used with Replaces'],
    ['Preemptible=true\nOnMachineLost=stop', 'Preemptible cannot be used with OnMachineLost=stop'],
  ];
  for (const [lines, message] of table) assert.equal(refused(lines), `UNIT_OPTIONS_CONFLICT ${message}`);
  for (const lines of ['Global=true\nMemory=1G', 'MachineID=abc\nPriority=1', 'MachineOf=db.service\nMemory=1G', 'Replaces=db.service\nPriority=1']) {
    assert.ok(read(lines).ok, lines);
  }
});

test('amounts are printed short, and read back', () => {
  assert.deepEqual([0, 1, 1_023, 1_024, 1_536, 2 ** 30 + 1, 3.5 * 2 ** 30].map(printBytes), ['0', '1', '1023', '1K', '1.5K', '1G', '3.5G']);
  fc.assert(fc.property(fc.nat({ max: 10_000 }), (basisPoints) => {
    const read = readMemory(printMemory({ basisPoints }));
    assert.deepEqual(read, { ok: true, value: { basisPoints } });
  }));
  assert.deepEqual(['150%', '0.5%', '0%', '2', 'infinity'].map(quotaMillis), [1_500, 5, null, null, null]);
});
