/** Health checks by command on real machines: as the unit's own user, and with what they say in the directory. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cluster, type Cluster } from './cluster.ts';
import { until } from './lab/command.ts';
import { bootMachines } from './lab/fleet-machines.ts';
import { done, placesOf, startUnit } from './units.ts';

const unit = (service: string, check: string): string => `[Service]
ExecStart=/bin/sleep infinity
${service}

[X-Fleet]
Port=any:20001-20010
HealthCheck=exec:${check}
HealthInterval=300ms
UnhealthyThreshold=2
`;

/** What list-units says of the unit's health. */
async function healthOf({ fleetctl }: Cluster, name: string): Promise<{ readonly health: string; readonly healthWhy: string }> {
  const { stdout } = await fleetctl('list-units', '--output=json');
  const found = (JSON.parse(stdout) as readonly { name: string; health: string; healthWhy: string }[]).find((each) => each.name === name);
  assert.ok(found, name);
  return found;
}

test('a check by command runs as the user of its unit, also one that lives only as long as the unit', async () => {
  const shared = await cluster();
  const table: readonly (readonly [service: string, expected: RegExp])[] = [
    ['', /ended with exit status 1: 0 0 0$/],
    ['User=nobody', /ended with exit status 1: 65534 65534 65534$/],
    ['User=nobody\nGroup=daemon\nSupplementaryGroups=mail', /ended with exit status 1: 65534 1 1 8$/],
    ['DynamicUser=yes', /ended with exit status 1: 6\d{4} 6\d{4} 6\d{4}$/],
  ];
  for (const [index, [service, expected]] of table.entries()) {
    const name = `whose${index}.service`;
    await startUnit(shared, name, unit(service, '/bin/sh -c "echo $(id -u) $(id -g) $(id -G); exit 1"'));
    const { healthWhy } = await until(async () => {
      const seen = await healthOf(shared, name);
      return seen.health === 'unhealthy' ? seen : null;
    }, async () => JSON.stringify(await healthOf(shared, name)));
    assert.match(healthWhy, expected, service);
  }
});

test('a unit is in the directory while its check passes', async () => {
  const shared = await cluster();
  const { fleetctl } = shared;
  const name = 'checked.service';
  await startUnit(shared, name, unit('User=nobody', '/usr/bin/test -e /tmp/well'));
  const machine = (await placesOf(shared)).get(name);
  assert.ok(machine);
  const isListed = async (): Promise<boolean> => (await fleetctl('services', '--no-legend')).stdout.includes(name);
  try {
    await until(async () => (await healthOf(shared, name)).health === 'unhealthy', 'it is unhealthy before it was healthy');
    assert.equal(await isListed(), false);
    await machine.sh('touch /tmp/well');
    await until(isListed, 'it is listed when it is healthy');
    const port = /:(200\d\d)\t/.exec((await fleetctl('services', 'checked', '--no-legend')).stdout)?.[1];
    assert.ok(port, 'with its port');
    await machine.sh('systemctl restart fleet');
    assert.ok(await isListed(), 'a restart of fleetd changes nothing');
    await machine.sh('rm /tmp/well');
    await until(async () => !(await isListed()), 'it is not listed any more');
    const { health, healthWhy } = await healthOf(shared, name);
    assert.deepEqual({ health, healthWhy }, { health: 'unhealthy', healthWhy: '/usr/bin/test ended with exit status 1' });
    assert.ok((await placesOf(shared)).has(name), 'it runs on');
  } finally {
    await machine.sh('rm -f /tmp/well');
  }
});

test('a unit that drains is stopped by the next fleetd when its own is killed meanwhile', async () => {
  const shared = await cluster();
  const { fleetctl } = shared;
  await startUnit(shared, 'drained.service', '[Service]\nExecStart=/bin/sleep infinity\n\n[X-Fleet]\nDrainTime=6s\n');
  const machine = (await placesOf(shared)).get('drained.service');
  assert.ok(machine);
  await done(fleetctl, 'destroy', 'drained.service');
  await until(async () => /drained\.service\t+draining/.test((await fleetctl('list-units', '--no-legend', '--fields=unit,health')).stdout), 'it drains');
  await machine.sh('systemctl kill --kill-whom=main --signal=KILL fleet');
  assert.equal((await machine.sh('systemctl is-active drained.service')).trim(), 'active');
  await until(async () => (await machine.exec(['systemctl', 'is-active', '-q', 'drained.service'])).code !== 0, 'it is stopped');
});

test('the supervisor has checks run as the user of the unit, too', async (context) => {
  const { lab } = await cluster();
  const address = '10.58.9.78';
  const [alone] = await bootMachines(lab, [
    { name: 'super', id: '88888888c3dba3e566192154d0544f6d', address, conf: `store=embedded\nrunner=supervisor\npublic_ip=${address}\n` },
  ]);
  assert(alone);
  context.after(() => alone.kill());
  await alone.sh('systemctl start fleet');
  for (const [name, service, expected] of [['root', '', '0 0 0'], ['nobody', 'User=nobody', '65534 65534 65534']] as const) {
    await alone.sh(`cat >/root/${name}.service <<'UNIT'\n${unit(service, '/bin/sh -c "echo $(id -u) $(id -g) $(id -G); exit 1"')}UNIT`);
    const started = await alone.exec(['fleetctl', 'start', `/root/${name}.service`]);
    assert.equal(started.code, 0, started.stderr + started.stdout);
    await until(async () => (await alone.sh('fleetctl list-units --output=json')).includes(`ended with exit status 1: ${expected}"`),
      () => alone.sh('fleetctl list-units --output=json'));
  }
});
