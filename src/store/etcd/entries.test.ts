/** Keys, ranges and lease ids as etcd has them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { leaseText, parseLeaseText, rangeOf } from './entries.ts';

test('a range holds exactly the keys that begin with its prefix', () => {
  const ascii = fc.string({ unit: fc.constantFrom(...'/09AZaz.-_@~'), maxLength: 6 });
  fc.assert(fc.property(ascii, ascii, (prefix, text) => {
    const { key, rangeEnd } = rangeOf(`/${prefix}`);
    assert.equal(key <= text && text < rangeEnd, text.startsWith(`/${prefix}`));
  }), { examples: [['units', '/units/a'], ['units/', '/units0'], ['a~', '/a~b']] });
});

test('a lease id is the same after being written and read, also a negative one', () => {
  const ids = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
  fc.assert(fc.property(ids, (id) => assert.equal(parseLeaseText(leaseText(id)), id)));
  assert.equal(leaseText(0x694d81417acd4754n), '694d81417acd4754');
});

test('what is no lease id of etcd is not taken for one', () => {
  const texts = ['', 'lease-1', '0x12', '-1', '11112222333344445', 'ABC'];
  for (const text of texts) assert.equal(parseLeaseText(text), null);
});
