/** Where unit files cannot be written, unit and machine say why instead of pretending; units that run go on; it heals without a restart. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cluster, type Cluster, type members } from './cluster.ts';
import { until } from './lab/command.ts';
import { mainPid, sleeper, startUnit, writeUnit } from './units.ts';

const directory = '/run/fleet/units';

interface Disk {
  readonly state: string;
  readonly on: (typeof members)[number]['name'];
  readonly spoil: string;
  readonly mend: string;
  readonly says: RegExp;
}

const disks: readonly Disk[] = [
  {
    state: 'full', on: 'm82', says: /no space|ENOSPC/i,
    spoil: `mount -t tmpfs -o size=4k,mode=755 tmpfs ${directory} && head -c 4096 /dev/zero >${directory}/filler`, mend: `umount -l ${directory}`,
  },
  {
    state: 'read-only', on: 'm86', says: /read-only|EROFS/i,
    spoil: `mount --bind ${directory} ${directory} && mount -o remount,bind,ro ${directory}`, mend: `umount -l ${directory}`,
  },
];

async function spoilAndMend(shared: Cluster, { state, on, spoil, mend, says }: Disk): Promise<void> {
  const { fleetctl } = shared;
  const machine = shared.machine(on);
  const [runs, fails] = [`runs-on-${state}.service`, `fails-on-${state}.service`];
  await startUnit(shared, runs, sleeper(`MachineID=${machine.id}`));
  const before = await mainPid(machine, runs);
  const readyz = (): Promise<string> => machine.sh('curl -s -m 5 --unix-socket /run/fleet.sock http://fleet/readyz');
  await writeUnit(shared, fails, sleeper(`MachineID=${machine.id}`));
  await machine.sh(`mkdir -p ${directory} && ${spoil}`);
  try {
    const started = await fleetctl('start', '--block-attempts=4', fails);
    assert.equal(started.code, 1, started.stdout);
    const told = await until(async () => {
      const { stdout } = await fleetctl('explain', fails);
      return says.test(stdout) ? stdout : null;
    }, async () => `explain names the ${state} disk: ${(await fleetctl('explain', fails)).stdout}${started.stderr}`);
    assert.ok(told.includes(fails));
    await until(async () => /^machine: cannot write /m.test(await readyz()), async () => `/readyz says it: ${await readyz()}`);
    const listed = await until(async () => (await fleetctl('list-machines', '--all', '--full')).stdout.split('\n')
      .find((line) => line.startsWith(machine.id) && line.includes('can take no new units')), 'list-machines says it');
    assert.match(listed, says);
  } finally {
    await machine.sh(mend);
  }
  await until(async () => await mainPid(machine, fails) !== 0, 'it runs once it can be written');
  await until(async () => await readyz() === 'ok\n', 'the machine is ready again');
  assert.equal(await mainPid(machine, runs), before);
}

test('a unit on a machine whose disk is full or read-only is explained with the reason and runs as soon as that is over; nothing else is disturbed', async () => {
  const shared = await cluster();
  await Promise.all(disks.map((disk) => spoilAndMend(shared, disk)));
});
