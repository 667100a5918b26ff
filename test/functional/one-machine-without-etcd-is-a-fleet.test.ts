/** One machine with a store of its own is a full fleet: no etcd needed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cluster } from './cluster.ts';
import { bootMachines } from './lab/fleet-machines.ts';
import { until } from './lab/command.ts';
import { mainPid, sleeper } from './units.ts';

test('with store=embedded a machine starts, lists and destroys units alone, also over a restart and a reboot', async (context) => {
  const { lab } = await cluster();
  const address = '10.58.9.77';
  const [alone] = await bootMachines(lab, [
    { name: 'alone', id: '77777777c3dba3e566192154d0544f6d', address, conf: `store=embedded\npublic_ip=${address}\n` },
  ]);
  assert(alone);
  context.after(() => alone.kill());
  await alone.sh('systemctl enable -q fleet.service; systemctl start fleet');
  await alone.sh(`cat >/root/own.service <<'UNIT'\n${sleeper()}UNIT`);
  const started = await alone.exec(['fleetctl', 'start', '/root/own.service']);
  assert.equal(started.code, 0, started.stderr + started.stdout);
  assert.match(started.stdout, /^Unit own\.service launched on 77777777\.\.\.\/10\.58\.9\.77$/m);
  const pid = await mainPid(alone, 'own.service');
  await alone.sh('systemctl restart fleet');
  assert.match(await alone.sh('fleetctl list-units --no-legend'), /^own\.service\t+77777777\.\.\.\/10\.58\.9\.77\t+active\t+running$/m);
  assert.equal(await mainPid(alone, 'own.service'), pid);
  await alone.kill();
  await alone.boot();
  await until(async () => await mainPid(alone, 'own.service') !== 0, 'the unit runs again after the reboot', 30_000);
  assert.equal(await alone.sh('fleetctl destroy own.service'), 'Destroyed own.service\n');
  await until(async () => await mainPid(alone, 'own.service') === 0, 'the unit has stopped');
});
