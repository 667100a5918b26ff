/** Trouble of systemd itself: it hangs, it executes itself again, the message bus hangs. Units go on, people are told, and it heals. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cluster } from './cluster.ts';
import { holder } from './holder.ts';
import { until } from './lab/command.ts';
import type { Machine } from './lab/machine.ts';
import { mainPid, mainPids, placesOf, sleeper, startOneOnEachMachine, startUnit } from './units.ts';

const readyz = (machine: Machine): Promise<string> => machine.sh('curl -s -m 5 --unix-socket /run/fleet.sock http://fleet/readyz');

test('while systemd hangs units go on, /readyz and list-machines say it, new units go elsewhere, and afterwards everything is as before', async () => {
  const shared = await cluster();
  const machine = shared.machine('m83');
  await startUnit(shared, 'fenced.service', holder(`OnMachineLost=stop\nMachineID=${machine.id}`));
  await startOneOnEachMachine(shared);
  const places = await placesOf(shared);
  const before = await mainPids(places);
  await machine.freeze(async () => {
    const said = await until(async () => /^machine: .*$/m.exec(await readyz(machine))?.[0], async () => `it is said: ${await readyz(machine)}`, 60_000);
    assert.match(said, /the manager of its units does not answer/);
    await until(async () => (await shared.fleetctl('list-machines', '--all', '--full')).stdout.split('\n')
      .some((line) => line.startsWith(machine.id) && /can take no new units: .*does not answer/.test(line)), 'list-machines says it');
    await startUnit(shared, 'new.service', sleeper());
    assert.notEqual((await placesOf(shared)).get('new.service'), machine);
  });
  await until(async () => await readyz(machine) === 'ok\n', async () => `it is ready again: ${await readyz(machine)}`, 60_000);
  await startUnit(shared, 'later.service', sleeper(`MachineID=${machine.id}`));
  assert.deepEqual(await mainPids(places), before);
});

test('a message bus that hangs keeps nobody from starting units, and a systemd that executes itself again stops none', async (context) => {
  const shared = await cluster();
  const [busless, renewed] = [shared.machine('m86'), shared.machine('m82')];
  const places = await startOneOnEachMachine(shared);
  const before = await mainPids(places);
  const bus = (await busless.sh('systemctl start dbus; systemctl show -P MainPID dbus')).trim();
  context.after(() => busless.sh(`kill -CONT ${bus}`));
  await busless.sh(`kill -STOP ${bus}`);
  await renewed.sh('systemctl daemon-reexec');
  await startUnit(shared, 'busless.service', sleeper(`MachineID=${busless.id}`));
  await startUnit(shared, 'renewed.service', sleeper(`MachineID=${renewed.id}`));
  assert.match(await busless.sh(`grep ^State: /proc/${bus}/status`), /T \(stopped\)/);
  assert.notEqual(await mainPid(busless, 'busless.service'), 0);
  assert.deepEqual(await mainPids(places), before);
  for (const machine of [busless, renewed]) assert.equal(await readyz(machine), 'ok\n');
});
