import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readHostAddress } from './host-address.ts';

test('a host is written with or without a port, an IPv6 address with or without brackets', () => {
  const read = (text: string): unknown => {
    const address = readHostAddress(text, 'flag --tunnel');
    return address.ok ? address.value : address.failure.message;
  };
  assert.deepEqual(read('10.58.9.83'), { host: '10.58.9.83', port: 22 });
  assert.deepEqual(read('bastion.example.com:2222'), { host: 'bastion.example.com', port: 2222 });
  assert.deepEqual(read('[fd00::1]:2222'), { host: 'fd00::1', port: 2222 });
  assert.deepEqual(read('[fd00::1]'), { host: 'fd00::1', port: 22 });
  assert.deepEqual(read('fd00::1'), { host: 'fd00::1', port: 22 });
  for (const wrong of ['', 'host:', 'host:0', 'host:65536', 'host:ssh', 'core@host', 'a b', '[fd00::1', ':22'])
    assert.equal(read(wrong), `invalid value "${wrong}" for flag --tunnel: must be HOST or HOST:PORT`);
});
