/** Listening ports are those the kernel says. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { parseLocalPortRange, portsInState, readListeningPorts } from './listeners.ts';

const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:4E21 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1 0000 100 0 0 10 0
   1: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12 1 0000 100 0 0 10 0
   2: 0100007F:1F90 0100007F:D2F0 01 00000000:00000000 00:00000000 00000000     0        0 13 1 0000 20 4 30 10 -1
   3: 00000000:4E2`;

test('a table tells the local ports of sockets in a state; a torn line tells nothing', () => {
  assert.deepEqual(portsInState(table, '0A'), [20_001, 8080]);
  assert.deepEqual(portsInState('', '0A'), []);
});

test('the range of outgoing connections is two numbers', () => {
  assert.deepEqual(parseLocalPortRange('32768\t60999\n'), { low: 32_768, high: 60_999 });
  assert.equal(parseLocalPortRange(''), null);
});

test('a server that listens is seen, over either version of IP and over UDP, until it closes', async () => {
  const four = createServer().listen(0, '127.0.0.1');
  await once(four, 'listening');
  const tcp = (four.address() as AddressInfo).port;
  const { listening, ephemeral } = await readListeningPorts();
  assert.ok(listening.includes(tcp));
  assert.deepEqual(listening, listening.toSorted((left, right) => left - right));
  four.close();
  await once(four, 'close');
  assert.ok(!(await readListeningPorts()).listening.includes(tcp));
  const outside = Math.max(1_024, (ephemeral?.low ?? 2_000) - 17);
  const udp = createSocket('udp4').bind(outside, '127.0.0.1');
  await once(udp, 'listening');
  assert.ok((await readListeningPorts()).listening.includes(outside));
  udp.close();
});
