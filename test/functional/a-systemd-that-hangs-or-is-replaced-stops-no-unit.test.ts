/** Trouble of systemd itself: it hangs, it executes itself again, the message bus hangs. Units go on, people are told, and it heals. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cluster } from './cluster.ts';
import { holder } from './holder.ts';
import { until } from './lab/command.ts';
import type { Machine } from './lab/machine.ts';
import { mainPids, placesOf, sleeper, startOneOnEachMachine, startUnit } from './units.ts';

const readyz = (machine: Machine): Promise<string> => machine.sh('curl -s -m 5 --unix-socket /run/fleet.sock http://fleet/readyz');

test('a systemd that hangs, a message bus that hangs and a systemd that executes itself again stop no unit', async (context) => {
  const shared = await cluster();
  const [hanging, busless, renewed] = [shared.machine('m83'), shared.machine('m86'), shared.machine('m82')];
  await startUnit(shared, 'fenced.service', holder(`OnMachineLost=stop\nMachineID=${hanging.id}`));
  await startOneOnEachMachine(shared);
  const places = await placesOf(shared);
  const before = await mainPids(places);
  const bus = (await busless.sh('systemctl start dbus; systemctl show -P MainPID dbus')).trim();
  context.after(() => busless.sh(`kill -CONT ${bus}`));

  await hanging.freeze(async () => {
    await busless.sh(`kill -STOP ${bus}`);
    await renewed.sh('systemctl daemon-reexec');
    await startUnit(shared, 'busless.service', sleeper(`MachineID=${busless.id}`));
    await startUnit(shared, 'renewed.service', sleeper(`MachineID=${renewed.id}`));
    assert.match(await busless.sh(`grep ^State: /proc/${bus}/status`), /T \(stopped\)/);
    for (const machine of [busless, renewed]) assert.equal(await readyz(machine), 'ok\n', 'fleetd speaks to systemd itself, and takes up a new one');

    const said = await until(async () => /^machine: .*$/m.exec(await readyz(hanging))?.[0], async () => `it is said: ${await readyz(hanging)}`);
    assert.match(said, /the manager of its units does not answer/);
    await until(async () => (await shared.fleetctl('list-machines', '--all', '--full')).stdout.split('\n')
      .some((line) => line.startsWith(hanging.id) && /can take no new units: .*does not answer/.test(line)), 'list-machines says it');
    await startUnit(shared, 'new.service', sleeper());
    assert.notEqual((await placesOf(shared)).get('new.service'), hanging, 'new units go elsewhere');
  });
  await until(async () => await readyz(hanging) === 'ok\n', async () => `it is ready again: ${await readyz(hanging)}`);
  await startUnit(shared, 'later.service', sleeper(`MachineID=${hanging.id}`));
  assert.deepEqual(await mainPids(places), before);
});
