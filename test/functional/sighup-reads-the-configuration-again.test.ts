/** SIGHUP (systemctl reload) changes metadata without an interruption; a wrong configuration changes nothing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cluster } from './cluster.ts';
import { until } from './lab/command.ts';
import { journalCursor, logged, mainPid, placesOf, sleeper, startUnit, writeUnit } from './units.ts';

test('metadata added to fleet.conf is in force after a reload, and a unit that waited for it is placed', async (context) => {
  const shared = await cluster();
  const machine = shared.machine('m83');
  await startUnit(shared, 'running.service', sleeper(`MachineID=${machine.id}`));
  const [fleetdPid, unitPid] = [await mainPid(machine, 'fleet.service'), await mainPid(machine, 'running.service')];
  await writeUnit(shared, 'wants-ssd.service', sleeper('MachineMetadata=disk=ssd'));
  const early = await shared.fleetctl('start', '--no-block', 'wants-ssd.service');
  assert.equal(early.code, 0, early.stderr);
  context.after(() => machine.sh('mv /root/fleet.conf.before /etc/fleet/fleet.conf; systemctl reload fleet'));
  await machine.sh("cp /etc/fleet/fleet.conf /root/fleet.conf.before; sed -i s/role=default/role=default,disk=ssd/ /etc/fleet/fleet.conf");
  const cursor = await journalCursor(machine);
  await machine.sh('systemctl reload fleet');
  await logged(machine, cursor, /Reloading configuration/);
  await until(async () => (await placesOf(shared)).get('wants-ssd.service') === machine, 'the waiting unit runs on the machine that has the metadata now');
  assert.equal(await mainPid(machine, 'fleet.service'), fleetdPid);
  assert.equal(await mainPid(machine, 'running.service'), unitPid);
});

test('a wrong configuration is one line in the log, and the old one stays in force', async (context) => {
  const shared = await cluster();
  const machine = shared.machine('m83');
  const before = (await shared.fleetctl('list-machines', '--full')).stdout;
  context.after(() => machine.sh('mv /root/fleet.conf.before /etc/fleet/fleet.conf; systemctl reload fleet'));
  await machine.sh('cp /etc/fleet/fleet.conf /root/fleet.conf.before; echo agent_ttl=soon >>/etc/fleet/fleet.conf; sed -i s/role=default/role=other/ /etc/fleet/fleet.conf');
  const cursor = await journalCursor(machine);
  await machine.sh('systemctl reload fleet');
  await logged(machine, cursor, /ERROR config: .*agent_ttl.*soon.*stays as it was/);
  assert.equal((await shared.fleetctl('list-machines', '--full')).stdout, before);
  assert.equal((await machine.sh('systemctl is-active fleet')).trim(), 'active');
});
