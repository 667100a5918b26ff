/** Two clusters on one prefix: a machine of one that is pointed at the other's is not let in, keeps its units, and says so; the other goes on. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cluster, configuration } from './cluster.ts';
import { until } from './lab/command.ts';
import { bootMachines } from './lab/fleet-machines.ts';
import { journalCursor, logged, machineIds, mainPid, sleeper, startUnit } from './units.ts';

test('a machine that meets the prefix of another cluster touches nothing there, and is at home again with its own prefix', async (context) => {
  const shared = await cluster();
  const [address, id] = ['10.58.9.74', '74747474c3dba3e566192154d0544f6d'];
  const conf = (prefix: string): string => configuration(address).replace('etcd_key_prefix=/fleet', `etcd_key_prefix=${prefix}`);
  const [stray] = await bootMachines(shared.lab, [{ name: 'stray', id, address, conf: conf('/another') }]);
  assert.ok(stray !== undefined);
  context.after(() => stray.kill());
  const readyz = (): Promise<string> => stray.sh('curl -sS --unix-socket /run/fleet.sock http://fleet/readyz');
  const goTo = (prefix: string): Promise<string> => stray.sh(`cat >/etc/fleet/fleet.conf <<'CONF'\n${conf(prefix)}\nCONF\nsystemctl restart fleet`);
  await stray.sh(`systemctl start fleet; cat >/root/stray.service <<'UNIT'\n${sleeper()}UNIT\nfleetctl start /root/stray.service`);
  const pid = await mainPid(stray, 'stray.service');
  assert.notEqual(pid, 0);
  await startUnit(shared, 'own.service', sleeper());

  const cursor = await journalCursor(stray);
  await goTo('/fleet');
  const says = /the store has the cluster "[^"]+", begun .*another cluster uses this etcd and key prefix/;
  await until(async () => says.test(await readyz()), async () => `it says which store it has met: ${await readyz()}`);
  await logged(stray, cursor, /another cluster uses this etcd and key prefix.*units go on.*correct etcd_servers and etcd_key_prefix/);
  assert.match((await stray.exec(['fleetctl', 'list-units'])).stderr, says);
  assert.match((await stray.exec(['fleetctl', 'destroy', 'own.service'])).stderr, says);
  assert.match((await stray.exec(['fleetctl', 'accept-store'])).stderr, /would leave the cluster ".*and stop every unit it runs/);
  assert.equal(await mainPid(stray, 'stray.service'), pid);
  assert.equal((await machineIds(shared)).includes(id), false, 'it is no machine of the other cluster');
  await startUnit(shared, 'later.service', sleeper());

  await goTo('/another');
  await until(async () => await readyz() === 'ok\n', 'it is at home again');
  assert.equal(await mainPid(stray, 'stray.service'), pid);
  await stray.sh('systemctl stop fleet');
});
