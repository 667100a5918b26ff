/** systemd decides how often a unit that fails is started; fleet starts it again only where it was not before, or when a person asks. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { cluster } from './cluster.ts';
import { sharedFolder } from './holder.ts';
import { until } from './lab/command.ts';
import { mainPid, sleeper, startUnit, writeUnit } from './units.ts';

const failing = `[Unit]
StartLimitIntervalSec=60
StartLimitBurst=3

[Service]
ExecStart=/bin/sh -c 'echo %H >>${sharedFolder}/failing.starts; exit 1'
Restart=always
RestartSec=50ms
`;

test('a unit that fails is started as often as its StartLimitBurst= says, on each machine it comes to, and not again by a restart of fleetd', async (context) => {
  const shared = await cluster();
  const startsOn = async (name: string): Promise<number> =>
    (await readFile(join(shared.folder, 'failing.starts'), 'utf8')).split('\n').filter((line) => line === name).length;
  const state = async (): Promise<string> => (await shared.fleetctl('list-units', '--no-legend', '--full', '--fields=unit,active,machine')).stdout;
  await writeUnit(shared, 'failing.service', failing);
  await startUnit(shared, 'ballast.service', sleeper(`MachineID=${shared.machine('m85').id}`));
  const started = await shared.fleetctl('start', 'failing.service');
  assert.equal(started.code, 1, started.stdout + started.stderr);
  assert.match(started.stderr + started.stdout, /failing\.service.*start-limit-hit|failing\.service.*exit-code/);
  const homeOf = async (): Promise<(typeof shared.machines)[number] | undefined> => {
    const line = (await state()).split('\n').find((each) => /^failing\.service\t+failed/.test(each)) ?? '';
    return shared.machines.find(({ id }) => line.includes(id));
  };
  const home = await until(homeOf, 'it is reported as failed');
  assert.equal(await startsOn(home.name), 3);

  const fleetd = await mainPid(home, 'fleet.service');
  await home.sh('systemctl restart fleet');
  assert.notEqual(await mainPid(home, 'fleet.service'), fleetd);
  await startUnit(shared, 'later.service', sleeper(`MachineID=${home.id}`));
  assert.equal(await startsOn(home.name), 3, 'another fleetd has gone through the assignments and left it alone');

  context.after(() => home.sh('systemctl start fleet'));
  await home.sh('systemctl stop fleet');
  const next = await until(async () => {
    const machine = await homeOf();
    return machine !== home && machine;
  }, async () => `it has come to another machine: ${await state()}`);
  await startUnit(shared, 'after.service', sleeper(`MachineID=${next.id}`));
  assert.equal(await startsOn(next.name), 3);
  assert.equal(await startsOn(home.name), 3);
});
