/** A key prefix that no fleetd serves is reached in etcd itself; one that the machine's fleetd serves goes through its API. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cluster } from './cluster.ts';

const unit = `[Unit]
Description=Kept

[Service]
ExecStart=/bin/sleep infinity
`;

const etcd = ['--etcd-key-prefix=/other', '--driver=etcd', '--endpoint=http://10.58.0.1:2379'] as const;

test('units of a cluster without any fleetd are submitted, listed, shown and destroyed, and no other cluster sees them', async () => {
  const { fleetctl, sh } = await cluster();
  await sh(`cat >kept.service <<'UNIT'\n${unit}UNIT`);
  const done = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await fleetctl(...etcd, ...args);
    assert.equal(code, 0, `${args.join(' ')}: ${stderr}`);
    return stdout;
  };
  assert.equal(await done('list-machines', '--no-legend'), '');
  await done('submit', 'kept.service');
  assert.match(await done('list-unit-files', '--no-legend'), /^kept\.service\t+[0-9a-f]{7}\t+inactive\t+inactive\t+-$/m);
  assert.equal(await done('cat', 'kept.service'), unit);
  assert.equal((await fleetctl('list-unit-files', '--no-legend')).stdout, '');
  assert.equal(await done('destroy', 'kept.service'), 'Destroyed kept.service\n');
  assert.equal(await done('list-unit-files', '--no-legend'), '');
});

test('etcd itself shows the machines of the prefix that fleetds serve', async () => {
  const { fleetctl } = await cluster();
  const throughEtcd = await fleetctl('--etcd-key-prefix=/fleet', '--driver=etcd', '--endpoint=http://10.58.0.1:2379', 'list-machines', '-l');
  assert.equal(throughEtcd.code, 0, throughEtcd.stderr);
  assert.equal(throughEtcd.stdout, (await fleetctl('list-machines', '-l')).stdout);
});

test('the prefix of the machine\'s own fleetd is asked through its API, whatever its slashes', async () => {
  const { fleetctl } = await cluster();
  for (const prefix of ['/fleet', 'fleet', '/fleet/']) {
    const { code, stdout, stderr } = await fleetctl(`--etcd-key-prefix=${prefix}`, '--debug', 'list-machines', '--no-legend');
    assert.equal(code, 0, stderr);
    assert.equal(stdout.trim().split('\n').length, 4);
    assert.match(stderr, /fleet\.sock/);
  }
});

test('a prefix nobody serves is looked for in etcd on this machine, and one line says where', async () => {
  const { fleetctl } = await cluster();
  const { code, stderr } = await fleetctl('--etcd-key-prefix=/other', 'list-machines');
  assert.equal(code, 1);
  assert.match(stderr, /^[^\n]*127\.0\.0\.1:2379[^\n]*\n$/);
});
