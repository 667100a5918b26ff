/** fleetd may be restarted, upgraded or killed at any time: running units do not notice. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cluster } from './cluster.ts';
import { until } from './lab/command.ts';
import { mainPid, sleeper, startUnit } from './units.ts';

const ways = [
  { way: 'systemctl restart fleet', script: 'systemctl restart fleet' },
  { way: 'kill -9 of fleetd', script: 'systemctl kill --kill-whom=main --signal=KILL fleet' },
];
for (const { way, script } of ways) {
  test(`${way} keeps the main process of a running unit`, async () => {
    const shared = await cluster();
    const machine = shared.machine('m82');
    await startUnit(shared, 'kept.service', sleeper(`MachineID=${machine.id}`));
    const [fleetdPid, unitPid] = [await mainPid(machine, 'fleet.service'), await mainPid(machine, 'kept.service')];
    await machine.sh(script);
    await until(async () => ![0, fleetdPid].includes(await mainPid(machine, 'fleet.service')), 'another fleetd runs');
    // What the new fleetd starts shows that it has gone through the assignments.
    await startUnit(shared, 'later.service', sleeper(`MachineID=${machine.id}`));
    assert.equal(await mainPid(machine, 'kept.service'), unitPid);
    const listed = await shared.fleetctl('list-units', '--no-legend', '--fields=unit,active');
    assert.equal(listed.stdout.replaceAll(/\t+/g, ' '), 'kept.service active\nlater.service active\n');
  });
}
