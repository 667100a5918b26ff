import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatTable } from './table.ts';

/** Rows, and the lines of them in fleet 1.0's recorded runs. */
const recorded: readonly (readonly [readonly (readonly string[])[], string])[] = [
  [
    [
      ['UNIT', 'HASH', 'DSTATE', 'STATE', 'TARGET'],
      ['simple.service', '8385c91', 'inactive', 'inactive', '-'],
    ],
    'UNIT\t\tHASH\tDSTATE\t\tSTATE\t\tTARGET\nsimple.service\t8385c91\tinactive\tinactive\t-\n',
  ],
  [[['UNIT', 'MACHINE', 'ACTIVE', 'SUB']], 'UNIT\tMACHINE\tACTIVE\tSUB\n'],
  [
    [
      ['UNIT', 'MACHINE', 'ACTIVE', 'SUB'],
      ['fail.service', '2c7d7478.../172.18.0.3', 'failed', 'failed'],
      ['one.service', '99f4004d.../172.18.0.2', 'inactive', 'dead'],
    ],
    'UNIT\t\tMACHINE\t\t\tACTIVE\t\tSUB\n' +
      'fail.service\t2c7d7478.../172.18.0.3\tfailed\t\tfailed\n' +
      'one.service\t99f4004d.../172.18.0.2\tinactive\tdead\n',
  ],
  [
    [
      ['MACHINE', 'IP', 'METADATA'],
      ['2c7d7478...', '172.18.0.3', 'region=us-west'],
    ],
    'MACHINE\t\tIP\t\tMETADATA\n2c7d7478...\t172.18.0.3\tregion=us-west\n',
  ],
];

test('tables are those of the recorded runs, byte for byte', () => {
  for (const [rows, text] of recorded) assert.equal(formatTable(rows), text);
});

test('characters are counted, not bytes', () => {
  assert.equal(
    formatTable([
      ['机器机器机器', 'x'],
      ['a', 'y'],
    ]),
    '机器机器机器\tx\na\ty\n',
  );
  // Seven characters that are two UTF-16 units each.
  assert.equal(formatTable([['🚢🚢🚢🚢🚢🚢🚢', 'x'], ['a', 'y']]), '🚢🚢🚢🚢🚢🚢🚢\tx\na\ty\n');
});

test('a cell cannot break a line or move the cursor', () => {
  assert.equal(formatTable([['a\nb\tc\u001b[2Jd', 'x']]), 'a b c [2Jd\tx\n');
});

test('a table without rows is no text', () => {
  assert.equal(formatTable([]), '');
});
