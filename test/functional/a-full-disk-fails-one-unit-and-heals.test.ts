/** Where unit files cannot be written, the unit says why instead of pretending to run; space alone mends it, no restart is needed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cluster, members } from './cluster.ts';
import { until } from './lab/command.ts';

const member = members[3];
const directory = '/run/fleet/units';

test('a unit on a machine whose disk is full is explained with the reason, and runs as soon as there is space', async () => {
  const { fleetctl, machine, sh } = await cluster();
  await sh(`cat >full.service <<'UNIT'\n[Service]\nExecStart=/bin/sleep infinity\n[X-Fleet]\nMachineID=${member.id}\nUNIT`);
  const host = machine(member.name);
  await host.sh(`mkdir -p ${directory} && mount -t tmpfs -o size=4k,mode=755 tmpfs ${directory} && head -c 4096 /dev/zero >${directory}/filler`);
  try {
    const started = await fleetctl('start', '--block-attempts=4', 'full.service');
    assert.equal(started.code, 1, started.stdout);
    const told = await until(async () => {
      const { stdout } = await fleetctl('explain', 'full.service');
      return /no space|ENOSPC/i.test(stdout) ? stdout : null;
    }, async () => `explain names the full disk: ${(await fleetctl('explain', 'full.service')).stdout}${started.stderr}`);
    assert.match(told, /full\.service/);
  } finally {
    await host.sh(`rm -f ${directory}/filler; umount -l ${directory}`);
  }
  await until(async () => /active\t+running/.test((await fleetctl('list-units', '--no-legend')).stdout), 'it runs once there is space', 40_000);
});
