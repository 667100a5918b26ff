import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { takePassedSockets } from './activation.ts';
import { defaultRouteInterface } from './facts.ts';
import { readMachineId } from './identity.ts';

let directory: string;
before(async () => { directory = await mkdtemp(join(tmpdir(), 'fleet-host-')); });
after(() => rm(directory, { recursive: true }));

test('the system\'s machine id is taken; without one an id is made once and kept', async () => {
  const system = join(directory, 'system-machine-id');
  await writeFile(system, '336043c3dba3e566192154d0544f626d\n');
  assert.deepEqual(await readMachineId(system, directory), { ok: true, value: '336043c3dba3e566192154d0544f626d' });
  const made = await readMachineId(join(directory, 'absent'), join(directory, 'data'));
  assert.ok(made.ok);
  assert.match(made.value, /^[0-9a-f]{32}$/);
  assert.deepEqual(await readMachineId(join(directory, 'absent'), join(directory, 'data')), made);
  assert.equal((await readFile(join(directory, 'data', 'machine-id'), 'utf8')).trim(), made.value);
});

test('an unset machine id counts as absent, a wrong one is refused by name', async () => {
  const system = join(directory, 'odd-machine-id');
  await writeFile(system, 'uninitialized\n');
  assert.ok((await readMachineId(system, join(directory, 'data2'))).ok);
  await writeFile(system, 'NOT-AN-ID\n');
  const refused = await readMachineId(system, join(directory, 'data2'));
  assert.ok(!refused.ok);
  assert.match(refused.failure.message, /odd-machine-id: "NOT-AN-ID" is not a machine id/);
});

test('the default route with the smallest metric names the interface', () => {
  const header = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n';
  const byDefault = (name: string, metric: number): string =>
    `${name}\t00000000\t010012AC\t0003\t0\t0\t${metric}\t00000000\t0\t0\t0\n`;
  const local = 'eth1\t000012AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n';
  assert.equal(defaultRouteInterface(header + local), null);
  assert.equal(defaultRouteInterface(header + byDefault('wlan0', 600) + local + byDefault('eth0', 100)), 'eth0');
  assert.equal(defaultRouteInterface(''), null);
});

test('passed sockets are taken once, and only by the process they were meant for', () => {
  const environment: NodeJS.ProcessEnv = { LISTEN_PID: '42', LISTEN_FDS: '2', LISTEN_FDNAMES: 'fleet.socket:tcp' };
  assert.deepEqual(takePassedSockets(environment, 42), [{ descriptor: 3, name: 'fleet.socket' }, { descriptor: 4, name: 'tcp' }]);
  assert.deepEqual(environment, {});
  assert.deepEqual(takePassedSockets({ LISTEN_PID: '41', LISTEN_FDS: '1' }, 42), []);
  assert.deepEqual(takePassedSockets({}, 42), []);
});
