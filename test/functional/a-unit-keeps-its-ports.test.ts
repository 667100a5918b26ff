/** A port is kept for as long as the unit stays: only a release changes it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cluster } from './cluster.ts';
import { until } from './lab/command.ts';
import { answers, portsOf, webServer } from './ports.ts';
import { mainPid, startUnit } from './units.ts';

test('through restart, stop and start, unload and start, kill -9 of fleetd, a crash of etcd, and a reboot', async () => {
  const made = await cluster();
  const machine = made.machine('m82');
  const section = [`MachineID=${machine.id}`, 'Port=http:21001-21010'];
  await startUnit(made, 'first.service', webServer(...section));
  await startUnit(made, 'kept.service', webServer(...section));
  await made.fleetctl('destroy', 'first.service');
  const port = (await portsOf(made)).get('kept.service') ?? 0;
  const stays = async (what: string): Promise<void> => {
    await until(async () => answers(machine, port), async () =>
      `the service answers on port ${port} after ${what}\n${(await made.fleetctl('explain', 'kept.service')).stdout}`
      + (await made.fleetctl('events', 'kept.service')).stdout);
    assert.equal((await portsOf(made)).get('kept.service'), port, what);
  };
  await stays('its start');
  for (const words of [['restart'], ['stop', 'start'], ['unload', 'start']]) {
    for (const word of words) assert.equal((await made.fleetctl(word, 'kept.service')).code, 0, word);
    await stays(words.join(' and '));
  }
  const pid = await mainPid(machine, 'kept.service');
  const fleetdPid = await mainPid(machine, 'fleet.service');
  await machine.sh('systemctl kill --kill-whom=main --signal=KILL fleet');
  await until(async () => ![0, fleetdPid].includes(await mainPid(machine, 'fleet.service')), 'another fleetd runs');
  await made.etcd.crash();
  await made.etcd.start();
  await startUnit(made, 'later.service', webServer(...section));
  assert.equal(await mainPid(machine, 'kept.service'), pid, 'it was not even restarted');
  await stays('a kill of fleetd and a crash of etcd');
  await machine.kill();
  await machine.boot();
  await machine.sh('systemctl start fleet.service');
  await stays('a reboot');
});
