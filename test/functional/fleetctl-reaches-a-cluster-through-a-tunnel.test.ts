/** `--tunnel`: every verb over SSH, with and without sshd's own way to unix sockets; `fd-forward`; ssh beyond the bastion. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { cluster, type Cluster } from './cluster.ts';
import type { CommandResult } from './lab/command.ts';
import { agentSocket, asRoot, startAgent, startSshd, stopAgent, stopSshd } from './ssh.ts';
import { done, placesOf, sleeper, writeUnit } from './units.ts';

describe('through a tunnel', () => {
  let shared: Cluster;
  let key = '';
  // From the first machine over m83, whose known host key the first command learns.
  const fleetctl = (...args: readonly string[]): Promise<CommandResult> => shared.machine('m85').exec(
    ['sh', '-c', `cd /root && SSH_AUTH_SOCK=${agentSocket} timeout 60 fleetctl --tunnel=10.58.9.83 "$@"`, 'sh', ...asRoot, ...args], { input: 'yes\n' });

  before(async () => {
    shared = await cluster();
    key = await startAgent(shared);
    await startSshd(shared.machine('m83'), key);
    // The first machine's own fleetd is not the one that answers.
    await shared.machine('m85').sh('mv /run/fleet.sock /run/fleet.sock.away');
  });
  after(async () => {
    await shared.machine('m85').sh('mv /run/fleet.sock.away /run/fleet.sock');
    await stopSshd(shared.machine('m83'));
    await stopAgent(shared);
  });

  test('the machines are listed, and one unit and ten are started without an error', async () => {
    const machines = await fleetctl('list-machines', '--no-legend');
    assert.equal(machines.stdout.trim().split('\n').length, 4, machines.stderr);
    await writeUnit(shared, 'far@.service', sleeper());
    for (const names of ['far@1', 'far@{2..11}']) {
      const { code, stderr } = await fleetctl('start', names);
      assert.deepEqual([code, stderr], [0, '']);
    }
    const list = await fleetctl('list-units', '--no-legend', '--fields=unit,active');
    assert.equal(list.stdout.match(/\tactive/g)?.length, 11, list.stdout);
    const { code, stdout } = await fleetctl('status', 'far@1');
    assert.equal(code, 0);
    assert.match(stdout, /Active: active/);
    await done(fleetctl, 'destroy', 'far@{1..11}', 'far@.service');
  });

  test('a socket that is not there is told', async () => {
    const { code, stderr } = await fleetctl('--endpoint=unix:///nowhere.sock', 'list-units');
    assert.equal(code, 1);
    assert.match(stderr, /cannot reach the socket \/nowhere\.sock/);
  });

  test('etcd itself is reached as it is seen from there', async () => {
    const { code, stdout, stderr } = await fleetctl('--driver=etcd', '--endpoint=http://10.58.0.1:2379', '--etcd-key-prefix=/fleet', 'list-machines', '--no-legend');
    assert.equal(code, 0, stderr);
    assert.equal(stdout.trim().split('\n').length, 4);
  });

  test('ssh goes on to machines behind the host', async () => {
    await startSshd(shared.machine('m82'), key);
    try {
      const { code, stdout, stderr } = await fleetctl('ssh', 'e3583575', 'echo $SSH_CLIENT; hostname; exit 5');
      assert.equal(code, 5, stderr);
      assert.match(stdout, /^10\.58\.9\.83 \d+ 22\nm82\n$/);
    } finally {
      await stopSshd(shared.machine('m82'));
    }
  });

  test('a host that cannot be reached is one line, and nobody else is asked', async () => {
    const { code, stdout, stderr } = await fleetctl('--tunnel=10.58.9.86', 'list-machines');
    assert.deepEqual([code, stdout], [1, '']);
    assert.equal(stderr, 'Unable to initialize client: failed initializing SSH client: '
      + 'cannot reach 10.58.9.86: connection refused; look whether sshd runs there, and on which port\n');
  });

  test('where sshd must not reach unix sockets, fleetctl fd-forward of that host does', async () => {
    await stopSshd(shared.machine('m83'));
    await startSshd(shared.machine('m83'), key, ['AllowStreamLocalForwarding no']);
    await shared.sh('rm /root/known_hosts');
    await writeUnit(shared, 'far.service', sleeper());
    const { code, stderr } = await fleetctl('start', 'far');
    assert.equal(code, 0, stderr);
    assert.doesNotMatch(stderr, /Error/);
    assert.equal((await fleetctl('list-machines', '--no-legend')).stdout.trim().split('\n').length, 4);
  });
});

test('fd-forward passes standard input to a unix socket and its answer back', async () => {
  const shared = await cluster();
  assert.equal((await placesOf(shared)).size, 0);
  const { code, stdout, stderr } = await shared.machine('m85').exec(['fleetctl', 'fd-forward', '/run/fleet.sock'],
    { input: 'GET /fleet/v1/machines HTTP/1.0\r\n\r\n' });
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^HTTP\/1\.1 200 OK\r\n[^]*"machines":\[/);
});
