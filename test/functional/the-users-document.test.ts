/** What the document of a user of fleet 1.0 shows has to come out, on four machines with the key prefix /fleet. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cluster, members } from './cluster.ts';
import { until } from './lab/command.ts';

const template = (placement: string): string => `[Unit]
Description=Wordpress All Service (Connect to MOSSIN DB instance)

[Service]
EnvironmentFile=/etc/wys-wpa-env
TimeoutStartSec=0
ExecStartPre=-/usr/local/bin/fake-docker kill wpa%i
ExecStartPre=-/usr/local/bin/fake-docker rm wpa%i
ExecStart=/usr/local/bin/fake-docker run -p 1000%i:80 --name wpa%i tutum/wordpress
ExecStop=/usr/local/bin/fake-docker stop wpa%i
ExecStop=/usr/local/bin/fake-docker kill wpa%i

[X-Fleet]
${placement}
`;

test('list-machines shows all machines with their metadata unquoted', async () => {
  const { fleetctl } = await cluster();
  const listed = await fleetctl('--etcd-key-prefix=/fleet', 'list-machines', '-l');
  assert.equal(listed.code, 0, listed.stderr);
  for (const { id, address } of members) assert.match(listed.stdout, new RegExp(`${id}\\t+${address.replaceAll('.', '\\.')}\\t+role=default`));
});

test('two instances of a template run on the machine that MachineID names, each on its port', async () => {
  const { fleetctl, machine, machines, sh } = await cluster();
  for (const one of machines) await one.sh('echo A=1 >/etc/wys-wpa-env');
  await sh(`cat >'wys-wpa@.service' <<'UNIT'\n${template('MachineID=e3583575125c30bdf50d4473544f7eba')}UNIT`);
  const started = await fleetctl('-etcd-key-prefix=/fleet', 'start', 'wys-wpa@{2..3}.service');
  assert.equal(started.code, 0, started.stderr);
  for (const number of [2, 3]) assert.match(started.stdout, new RegExp(`^Unit wys-wpa@${number}\\.service launched on e3583575\\.\\.\\./10\\.58\\.9\\.82$`, 'm'));
  const listed = await fleetctl('-etcd-key-prefix=/fleet', 'list-units');
  for (const number of [2, 3]) assert.match(listed.stdout, new RegExp(`^wys-wpa@${number}\\.service\\t+e3583575\\.\\.\\./10\\.58\\.9\\.82\\t+active\\t+running$`, 'm'));
  const ports = await until(async () => {
    const text = await machine('m82').sh('ss -ltn');
    return text.includes(':10002 ') && text.includes(':10003 ') ? text : null;
  }, 'both ports listen');
  assert.match(ports, /:10002 /);
  const status = await fleetctl('status', 'wys-wpa@2.service');
  assert.equal(status.code, 0, status.stderr);
  assert.match(status.stdout, /Active: active \(running\)/);
});

test('a list in braces starts just those instances', async () => {
  const { fleetctl, sh } = await cluster();
  await sh(`cat >'wys-wpa@.service' <<'UNIT'\n${template('MachineMetadata=role=default')}UNIT`);
  const started = await fleetctl('--etcd-key-prefix=fleet', 'start', 'wys-wpa@{1,5,7}.service');
  assert.equal(started.code, 0, started.stderr);
  const listed = await fleetctl('list-units', '--no-legend', '--fields=unit,active');
  assert.equal(listed.stdout.replaceAll(/\t+/g, ' '), 'wys-wpa@1.service active\nwys-wpa@5.service active\nwys-wpa@7.service active\n');
});

test('metadata set while running makes a machine eligible', async () => {
  const { fleetctl, sh } = await cluster();
  await sh(`cat >'appserver-83@.service' <<'UNIT'\n${template('MachineMetadata=10.58.9.83')}UNIT`);
  const refused = await fleetctl('start', 'appserver-83@1.service');
  assert.equal(refused.code, 1, refused.stdout + refused.stderr);
  assert.match(refused.stderr + refused.stdout, /10\.58\.9\.83/);
  await sh(`curl -sf --unix-socket /run/fleet.sock -X PATCH http://localhost/fleet/v1/machines -d '[
    {"op":"add","path":"/364cd1ff8ac5dc300e15c293544f7cec/metadata/10.58.9.83","value":{"value":"10.58.9.83"}}]'`);
  const started = await fleetctl('start', 'appserver-83@1.service');
  assert.equal(started.code, 0, started.stderr);
  // The engine may have been faster than this second start, which then has nothing to tell.
  const listed = await fleetctl('list-units', '--no-legend', '--fields=unit,machine,active');
  assert.equal(listed.stdout.replaceAll(/\t+/g, ' '), 'appserver-83@1.service 364cd1ff.../10.58.9.83 active\n');
  await sh(`curl -sf --unix-socket /run/fleet.sock -X PATCH http://localhost/fleet/v1/machines -d '[
    {"op":"remove","path":"/364cd1ff8ac5dc300e15c293544f7cec/metadata/10.58.9.83"}]'`);
});

test('a global unit runs once on every machine, status shows each, destroy removes all', async () => {
  const { fleetctl, machines, sh } = await cluster();
  await sh(`cat >'wys-wpa@.service' <<'UNIT'\n${template('Global=true')}UNIT`);
  const started = await fleetctl('--etcd-key-prefix=/fleet', 'start', 'wys-wpa@{3..3}.service');
  assert.equal(started.code, 0, started.stderr);
  const listed = await until(async () => {
    const { stdout } = await fleetctl('list-units', '--no-legend', '--full');
    return stdout.split('\n').filter((line) => /active\t+running/.test(line)).length === members.length ? stdout : null;
  }, 'it runs on all machines');
  for (const { id } of members) assert.match(listed, new RegExp(`wys-wpa@3\\.service\\t+${id}/`));
  const status = await fleetctl('--etcd-key-prefix=fleet', 'status', 'wys-wpa@3.service');
  assert.equal(status.code, 0, status.stderr);
  assert.equal(status.stdout.match(/Active: active \(running\)/g)?.length, members.length);
  const destroyed = await fleetctl('--etcd-key-prefix=fleet', 'destroy', 'wys-wpa@3.service');
  assert.equal(destroyed.stdout, 'Destroyed wys-wpa@3.service\n');
  for (const machine of machines) {
    await until(async () => !(await machine.exec(['pgrep', '-f', 'fake-docker run'])).stdout.trim(), `nothing of it is left on ${machine.name}`);
  }
});
