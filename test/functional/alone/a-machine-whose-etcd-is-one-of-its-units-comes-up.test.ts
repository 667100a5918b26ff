/** The store is itself a unit: its machine starts it from what it had last, and the cluster is back. */
import assert from 'node:assert/strict';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { must, until } from '../lab/command.ts';
import { bootMachines } from '../lab/fleet-machines.ts';
import { kept, mainPid, sleeper } from '../units.ts';
import { openLabAlone } from './lab-alone.ts';

test('a machine whose etcd is one of its units comes up by itself after a power cut', async () => {
  const lab = await openLabAlone('seed');
  const address = '10.58.9.78';
  const [seed] = await bootMachines(lab, [
    { name: 'seed', id: '78787878c3dba3e566192154d0544f6d', address, conf: `etcd_servers=["http://127.0.0.1:2379"]\npublic_ip=${address}\nagent_ttl=5s\n` },
  ]);
  assert(seed);
  await copyFile((await must(['sh', '-c', 'command -v etcd'])).trim(), join(seed.disk, 'usr/local/bin/etcd'));
  const etcdCommand = '/usr/local/bin/etcd --data-dir /var/lib/etcd --log-level error';
  await seed.sh(`chmod 755 /usr/local/bin/etcd; systemd-run -q --unit=first-etcd ${etcdCommand}; systemctl enable -q fleet; systemctl start fleet`);
  await until(async () => (await seed.exec(['curl', '-s', '--unix-socket', '/run/fleet.sock', 'http://fleet/readyz'])).stdout.startsWith('ok'), 'fleetd is ready');
  const etcdUnit = `[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart=${etcdCommand}\nRestart=always\nRestartSec=200ms\n`;
  await seed.sh(`cd /root; cat >etcd.service <<'UNIT'\n${etcdUnit}UNIT\ncat >app.service <<'UNIT'\n${sleeper()}UNIT
    fleetctl start --no-block etcd.service app.service`);
  const runs = async (): Promise<boolean> =>
    /app\.service\t+active[^]*etcd\.service\t+active\t+running/.test((await seed.exec(['fleetctl', 'list-units', '--no-legend', '--fields=unit,active,sub'])).stdout);
  await kept(seed, 'etcd.service');
  // Until now the unit could not have the port; from here on the store is kept by the unit alone.
  await seed.sh('systemctl stop first-etcd');
  await until(runs, 'etcd runs as a unit of the cluster whose store it is');

  await seed.kill();
  await seed.boot();
  await until(async () => await mainPid(seed, 'etcd.service') !== 0, 'etcd is started from the copy on disk');
  const before = [await mainPid(seed, 'etcd.service'), await mainPid(seed, 'app.service')];
  await until(runs, 'the cluster is back');
  await seed.sh(`cat >/root/later.service <<'UNIT'\n${sleeper()}UNIT\nfleetctl start /root/later.service`);
  assert.deepEqual([await mainPid(seed, 'etcd.service'), await mainPid(seed, 'app.service')], before);
});
