import assert from 'node:assert/strict';
import { test } from 'node:test';
import { editDistance, nearest } from './spelling.ts';

test('edits are counted, a swap of neighbours as one', () => {
  const table: readonly (readonly [string, string, number])[] = [
    ['Descrption', 'Description', 1], ['EnvironementFile', 'EnvironmentFile', 1], ['Gloable', 'Global', 2], ['ab', 'ba', 1], ['', 'abc', 3],
  ];
  for (const [from, to, distance] of table) assert.equal(editDistance(from, to), distance, `${from} -> ${to}`);
});

test('a slip finds its word, another word finds none', () => {
  const words = ['MachineID', 'MachineMetadata', 'Global', 'Conflicts'];
  assert.equal(nearest('Gloable', words), 'Global');
  assert.equal(nearest('machineid', words), 'MachineID');
  assert.equal(nearest('Bogus', words), null);
});
