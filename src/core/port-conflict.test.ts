/** When a start failed because of a port, and because of which. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { conflictsOf } from './port-conflict.ts';

interface Case {
  readonly says: string;
  readonly ports?: readonly number[];
  readonly listening?: readonly number[];
  readonly lines?: readonly string[];
  readonly found: readonly number[];
}

const cases: readonly Case[] = [
  { says: 'nothing speaks for it', lines: ['cannot read /etc/app.conf'], found: [] },
  { says: 'something listens on the port while the unit does not run', listening: [20_001, 80], found: [20_001] },
  { says: 'nginx names the port', lines: ['bind() to 0.0.0.0:20001 failed (98: Address already in use)'], found: [20_001] },
  { says: 'Node names the port', lines: ['Error: listen EADDRINUSE: address already in use :::20001', '    at Server.setup'], found: [20_001] },
  { says: 'Go names the port', lines: ['listen tcp :20001: bind: address already in use'], found: [20_001] },
  { says: 'Docker names the port', lines: ['Bind for 0.0.0.0:20001 failed: port is already allocated.'], found: [20_001] },
  { says: 'Python names no port', lines: ['OSError: [Errno 98] Address already in use'], found: [20_001] },
  { says: 'of two ports the one that is named', ports: [20_001, 30_001], lines: ['bind 0.0.0.0:30001: Address already in use'], found: [30_001] },
  { says: 'without a name both may be it', ports: [20_001, 30_001], lines: ['bind: Address already in use'], found: [20_001, 30_001] },
  { says: 'a port that is none of the unit\'s', lines: ['bind 0.0.0.0:5432: Address already in use'], found: [] },
];
for (const { says, ports = [20_001], listening = [], lines = [], found } of cases) {
  test(`${says}: ${found.length === 0 ? 'no port' : found.join(', ')} was in use`, () => {
    assert.deepEqual(conflictsOf({ ports, listening: new Set(listening), lines }).map(({ port }) => port), found);
  });
}

test('what was seen is told in one short line', () => {
  const [conflict] = conflictsOf({ ports: [1], listening: new Set(), lines: [`  Address already in use ${'x'.repeat(500)}`] });
  assert.equal(conflict?.why.length, 200);
  assert.ok(conflict.why.startsWith('Address already in use'));
});
