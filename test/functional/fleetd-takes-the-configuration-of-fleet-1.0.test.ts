/** Options, sockets and signals of fleet 1.0's fleetd, on a machine of its own: one boot, a configuration for each promise. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { spawn, type ChildProcess } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { makeCertificates } from '../integration/etcd-server.ts';
import { cluster, type Cluster } from './cluster.ts';
import { run, until, type CommandResult } from './lab/command.ts';
import { bootMachines } from './lab/fleet-machines.ts';
import type { Machine } from './lab/machine.ts';
import { done, journalCursor, logged, sleeper } from './units.ts';

const id = '55555555c3dba3e566192154d0544f6d';
const address = '10.58.9.75';
const etcd = 'etcd_servers=["http://10.58.0.1:2379"]';

describe('fleetd', () => {
  let shared: Cluster;
  let machine: Machine;
  /** Starts fleetd anew with this fleet.conf, under a key prefix of its own; answers where its journal begins. */
  const configure = async (...lines: readonly string[]): Promise<string> => {
    const cursor = await journalCursor(machine);
    await machine.sh(`systemctl stop fleet.service\ncat >/etc/fleet/fleet.conf <<'CONF'\n${lines.join('\n')}\nCONF\nsystemctl start fleet.socket fleet.service`);
    return cursor;
  };
  const fleetctl = (...args: readonly string[]): Promise<CommandResult> => machine.exec(['fleetctl', ...args]);
  const present = (): Promise<unknown> => until(async () => (await fleetctl('list-machines', '--no-legend')).stdout.includes('55555555'), 'the machine is in its cluster');

  before(async () => {
    shared = await cluster();
    [machine] = await bootMachines(shared.lab, [{ name: 'opt', id, address, conf: etcd }]) as [Machine];
  });
  after(() => machine.kill());

  test('finds its public_ip by the default route, and takes options from FLEET_ variables before those of the file', async () => {
    await machine.sh('mkdir -p /run/systemd/system/fleet.service.d; printf "[Service]\\nEnvironment=FLEET_METADATA=from=environment\\n" >/run/systemd/system/fleet.service.d/env.conf; systemctl daemon-reload');
    await configure(etcd, 'etcd_key_prefix=/options/', 'metadata="from=file"', 'agent_ttl=5s', 'engine_reconcile_interval=2', 'authorized_keys_file=/x', 'enable_grpc=false');
    await present();
    assert.equal((await fleetctl('list-machines', '--no-legend', '--full')).stdout, `${id}\t${address}\tfrom=environment\n`);
    await machine.sh('rm -r /run/systemd/system/fleet.service.d; systemctl daemon-reload');
  });

  test('pages API v1 by token_limit', async () => {
    await configure(etcd, 'etcd_key_prefix=/options/', 'token_limit=2', 'agent_ttl=5s');
    await present();
    await machine.sh(`cd /root; for n in 1 2 3; do printf '%s' '${sleeper()}' >page$n.service; done; fleetctl submit page1 page2 page3`);
    const ask = async (path: string): Promise<string> => machine.sh(`curl -s --unix-socket /run/fleet.sock 'http://fleet/fleet/v1/units${path}'`);
    const first = JSON.parse(await ask('')) as { readonly units: readonly object[]; readonly nextPageToken: string };
    assert.deepEqual([first.units.length, first.nextPageToken], [2, 'AgACAA==']);
    assert.equal((JSON.parse(await ask(`?nextPageToken=${first.nextPageToken}`)) as { units: readonly object[] }).units.length, 1);
    assert.match(await ask('?nextPageToken=ZAACAA=='), /token limit must be 2/);
    await done(fleetctl, 'destroy', 'page1', 'page2', 'page3');
  });

  test('leaves leading to others with disable_engine', async () => {
    await configure(etcd, 'etcd_key_prefix=/options/', 'disable_engine=true', 'agent_ttl=5s');
    await present();
    await machine.sh(`cd /root; printf '%s' '${sleeper()}' >lone.service; fleetctl start --no-block lone`);
    assert.match((await fleetctl('explain', 'lone.service')).stdout, /no engine leads the cluster/);
    await done(fleetctl, 'destroy', 'lone');
  });

  test('prints its state as JSON on SIGUSR1, and opens no debugger', async () => {
    const cursor = await configure(etcd, 'etcd_key_prefix=/options/', 'agent_ttl=5s');
    await present();
    await machine.sh('systemctl kill -s USR1 --kill-whom=main fleet');
    await logged(machine, cursor, new RegExp(`^\\{.*"machine":"${id}".*\\}$`, 'm'));
    assert.doesNotMatch(await machine.sh('ss -ltn; journalctl -q -u fleet -o cat'), /:9229|Debugger listening/);
  });

  test('serves several sockets of systemd; in clear to other machines only with api_insecure=true, and names that line', async () => {
    await machine.sh(`mkdir -p /etc/systemd/system/fleet.socket.d
      printf '[Socket]\\nListenStream=/run/second.sock\\nListenStream=127.0.0.1:49154\\nListenStream=49153\\n' >/etc/systemd/system/fleet.socket.d/more.conf
      systemctl daemon-reload; systemctl stop fleet.socket`);
    const elsewhere = (): Promise<CommandResult> => shared.machine('m85').exec(['curl', '-s', '-m', '1', `http://${address}:49153/fleet/v1/machines`]);
    const cursor = await configure(etcd, 'etcd_key_prefix=/options/', 'agent_ttl=5s');
    await present();
    await logged(machine, cursor, /ERROR api: the socket http:\/\/\S+:49153 passed by systemd .*add the line api_insecure=true to fleet\.conf/);
    for (const to of ['--unix-socket /run/second.sock http://fleet', 'http://127.0.0.1:49154'])
      assert.match(await machine.sh(`curl -s ${to}/fleet/v1/machines`), /"primaryIP":"10\.58\.9\.75"/);
    assert.notEqual((await elsewhere()).code, 0);
    await configure(etcd, 'etcd_key_prefix=/options/', 'agent_ttl=5s', 'api_insecure=true');
    await present();
    assert.match((await elsewhere()).stdout, /"primaryIP":"10\.58\.9\.75"/);
    const fromThere = await shared.fleetctl(`--endpoint=http://10.58.9.83:1,http://${address}:49153`, 'list-machines', '--no-legend');
    assert.match(fromThere.stdout, /^55555555\.\.\.\t+10\.58\.9\.75/, fromThere.stderr);
  });

  test('refuses no connection while it reloads on SIGHUP', async () => {
    const asking = machine.sh(`for n in $(seq 1 60); do curl -s -o /dev/null -w '%{http_code} ' http://127.0.0.1:49154/fleet/v1/machines || echo refused; done`);
    for (let time = 0; time < 3; time += 1) await machine.sh('systemctl reload fleet');
    assert.equal(await asking, '200 '.repeat(60));
    assert.doesNotMatch(await machine.sh('journalctl -q -u fleet -o cat'), /Failed serving HTTP on listener/);
  });

  test('answers 503 while the store is away, stays up, and ends in order', async () => {
    await configure('etcd_servers=["http://10.58.0.1:1"]', 'etcd_key_prefix=/options/');
    assert.equal(await machine.sh("curl -s -w '%{http_code}' --unix-socket /run/fleet.sock http://fleet/fleet/v1/machines"),
      '{"error":{"code":503,"message":"fleet server unable to communicate with etcd"}}503');
    const list = await fleetctl('list-machines');
    assert.equal(list.code, 1, list.stdout + list.stderr);
    assert.match(list.stderr, /^Error retrieving list of active machines from fleet API .*\nPossible issues:\n {2}etcd is unhealthy and\/or lost quorum\n/);
    assert.match((await fleetctl('start', 'nothere')).stderr, /fleet server unable to communicate with etcd/);
    assert.equal((await machine.sh('systemctl is-active fleet')).trim(), 'active');
    await machine.sh('systemctl stop fleet');
    assert.equal((await machine.sh('systemctl show -P Result fleet')).trim(), 'success');
  });

  test('reaches an etcd that wants a client certificate, a user and a password', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'fleet-etcd-tls-'));
    let server: ChildProcess | null = null;
    try {
      await makeCertificates(folder, 'IP:127.0.0.1,IP:10.58.0.1');
      const flags = [`--data-dir=${folder}/data`, '--log-level=error', '--listen-client-urls=https://10.58.0.1:2390', '--advertise-client-urls=https://10.58.0.1:2390',
        '--listen-peer-urls=http://127.0.0.1:2391', '--initial-advertise-peer-urls=http://127.0.0.1:2391', '--initial-cluster=default=http://127.0.0.1:2391',
        `--cert-file=${folder}/server.crt`, `--key-file=${folder}/server.key`, `--trusted-ca-file=${folder}/ca.crt`, '--client-cert-auth'];
      const [program = '', ...args] = [...shared.lab.inHub, 'etcd', ...flags];
      server = spawn(program, args, { stdio: 'ignore' });
      const etcdctl = (...words: readonly string[]): Promise<CommandResult> => run([...shared.lab.inHub, 'env', 'ETCDCTL_API=3', 'etcdctl', '--endpoints=https://10.58.0.1:2390',
        `--cacert=${folder}/ca.crt`, `--cert=${folder}/client.crt`, `--key=${folder}/client.key`, ...words]);
      await until(async () => (await etcdctl('endpoint', 'health')).code === 0, 'etcd with TLS is healthy');
      for (const words of ['user add root:toor', 'user grant-role root root', 'user add fleet:secret', 'role add fleet',
        'role grant-permission --prefix=true fleet readwrite /options/', 'user grant-role fleet fleet', 'auth enable'])
        assert.equal((await etcdctl(...words.split(' '))).code, 0, words);
      for (const name of ['ca.crt', 'client.crt', 'client.key'])
        await machine.sh(`cat >/etc/fleet/${name} <<'PEM'\n${await readFile(join(folder, name), 'utf8')}PEM`);
      const tls = ['etcd_servers=https://10.58.0.1:2390', 'etcd_key_prefix=/options/', 'etcd_cafile=/etc/fleet/ca.crt', 'etcd_certfile=/etc/fleet/client.crt', 'etcd_keyfile=/etc/fleet/client.key'];
      await configure(...tls, 'etcd_username=fleet', 'etcd_password=secret');
      await present();
      const cursor = await configure(...tls, 'etcd_username=fleet', 'etcd_password=wrong');
      await logged(machine, cursor, /refuses the user name or the password/);
    } finally {
      server?.kill('SIGKILL');
      await rm(folder, { recursive: true, force: true });
    }
  });
});
