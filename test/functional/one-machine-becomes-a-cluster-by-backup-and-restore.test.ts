/** From one machine with a store of its own to a cluster on etcd: its units run on. The commands are those of docs/backup.md. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cluster } from './cluster.ts';
import { bootMachines } from './lab/fleet-machines.ts';
import { until } from './lab/command.ts';
import { mainPid, sleeper } from './units.ts';

const address = '10.58.9.78';
const etcd = 'http://10.58.0.1:2379';
const settings = `etcd_servers=["${etcd}"]\netcd_key_prefix=/grown\n`;

test('a backup of the embedded store, restored into etcd, makes a machine the first of a cluster without touching its units', async (context) => {
  const { lab } = await cluster();
  const id = '78787878c3dba3e566192154d0544f6d';
  const [one] = await bootMachines(lab, [{ name: 'one', id, address, conf: `store=embedded\npublic_ip=${address}\n` }]);
  assert(one);
  context.after(() => one.kill());
  await one.sh('systemctl start fleet');
  await one.sh(`cat >/root/own.service <<'UNIT'\n${sleeper()}UNIT`);
  await one.sh(`printf '[Service]\\nType=oneshot\\nExecStart=/bin/sh -c "echo ran >>/root/runs"\\n' >/root/job.service`);
  await one.sh('fleetctl start /root/own.service /root/job.service');
  await until(async () => (await one.sh('fleetctl events job')).includes('succeeded'), 'the oneshot has succeeded');
  const pid = await mainPid(one, 'own.service');

  assert.match(await one.sh('fleetctl backup /root/one.backup'), /^Backed up 2 units \(\d+ entries\) at revision \d+ to \/root\/one\.backup$/m);
  assert.equal((await one.sh('stat -c %a /root/one.backup')).trim(), '600');
  const intoEtcd = ['fleetctl', '--driver=etcd', `--endpoint=${etcd}`, '--etcd-key-prefix=/grown', 'restore'];
  await one.sh('head -c 300 /root/one.backup >/root/cut.backup');
  const cut = await one.exec([...intoEtcd, '/root/cut.backup']);
  assert.deepEqual([cut.code, cut.stderr.trim().split('\n').length], [1, 1]);
  assert.match(cut.stderr, /^Error reading \/root\/cut\.backup: this is no whole backup of a fleet: /);
  const restored = await one.exec([...intoEtcd, '/root/one.backup']);
  assert.equal(restored.code, 0, restored.stderr);
  const again = await one.exec([...intoEtcd, '/root/one.backup']);
  assert.deepEqual([again.code, again.stderr.includes('--force')], [1, true], 'a cluster with units is not overwritten');

  await one.sh(`printf '${settings}public_ip=${address}\\n' >/etc/fleet/fleet.conf; systemctl restart fleet`);
  await until(async () => (await one.sh('fleetctl list-units --no-legend')).split('\n').some((line) => /^own\.service\t.*active\t+running$/.test(line)),
    async () => `the unit is known in the cluster on etcd: ${await one.sh('fleetctl list-units; fleetctl list-machines; journalctl -u fleet -n 40 --no-pager -o cat')}`);
  assert.equal(await mainPid(one, 'own.service'), pid, 'it was not touched');
  assert.match(await one.sh('fleetctl explain job'), /has run to its end with success/);
  assert.equal((await one.sh('cat /root/runs')).trim(), 'ran', 'what has succeeded was not run again');
  assert.match(await one.sh('fleetctl list-machines --no-legend --fields=machine,store'), /^78787878\.\.\.\t+etcd$/m);

  await one.sh('fleetctl backup /root/later.backup; fleetctl destroy own.service');
  await until(async () => await mainPid(one, 'own.service') === 0, 'the unit is gone');
  await one.sh('fleetctl restore --force /root/later.backup');
  await until(async () => await mainPid(one, 'own.service') !== 0, 'the restored unit runs');
});
