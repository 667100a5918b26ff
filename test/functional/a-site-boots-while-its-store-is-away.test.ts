/** Power comes back before the store does, or the store is itself a unit: machines start what they had last, and compare when the store answers. */
import assert from 'node:assert/strict';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { cluster } from './cluster.ts';
import { holder, overlapsIn } from './holder.ts';
import { must, until } from './lab/command.ts';
import { bootMachines } from './lab/fleet-machines.ts';
import { journalCursor, logged } from './lab/journal.ts';
import type { Machine } from './lab/machine.ts';
import { mainPid, mainPids, placesOf, sleeper, startOneOnEachMachine, startUnit, unitOn } from './units.ts';

/** Waits until a unit is in the copy a machine keeps of its assignments. */
async function kept(machine: Machine, unit: string): Promise<void> {
  await until(async () => (await machine.exec(['grep', '-rqF', unit, '/var/lib/fleet'])).code === 0, `${machine.name} keeps ${unit} on its disk`);
}

test('after a power cut all units of a site run again before its store does, but for those that stop with their machine; then nothing is restarted', async () => {
  const shared = await cluster();
  const { machines, etcd } = shared;
  const places = await startOneOnEachMachine(shared);
  await startUnit(shared, 'fenced.service', holder('OnMachineLost=stop'));
  const fencedHome = await until(async () => (await placesOf(shared)).get('fenced.service'), 'the fenced unit runs');
  await kept(fencedHome, 'fenced.service');
  for (const machine of machines) await kept(machine, unitOn(places, machine));
  await etcd.crash();
  let before: readonly string[] = [];
  try {
    await Promise.all(machines.map((machine) => machine.kill()));
    await Promise.all(machines.map((machine) => machine.boot()));
    const cursor = await journalCursor(fencedHome);
    await Promise.all(machines.map((machine) => machine.sh('systemctl start fleet.service')));
    await until(async () => (await mainPids(places)).every((line) => !line.endsWith(' 0')), 'every machine has started its unit', 30_000);
    await logged(fencedHome, cursor, /starting what this machine had last.*fencedUnitsThatWait.*1/);
    assert.equal(await mainPid(fencedHome, 'fenced.service'), 0);
    before = await mainPids(places);
  } finally {
    await etcd.start();
  }
  await until(async () => (await placesOf(shared)).size === 5, 'all units are reported, the fenced one too', 60_000);
  await Promise.all(machines.map((machine, index) => startUnit(shared, `later-${String(index)}.service`, sleeper(`MachineID=${machine.id}`))));
  assert.deepEqual(await mainPids(places), before);
  assert.equal(await overlapsIn(shared.folder), '');
});

test('a machine whose etcd is one of its units comes up by itself after a power cut', async (context) => {
  const { lab } = await cluster();
  const address = '10.58.9.78';
  const [seed] = await bootMachines(lab, [
    { name: 'seed', id: '78787878c3dba3e566192154d0544f6d', address, conf: `etcd_servers=["http://127.0.0.1:2379"]\npublic_ip=${address}\nagent_ttl=5s\n` },
  ]);
  assert(seed);
  context.after(() => seed.kill());
  await copyFile((await must(['sh', '-c', 'command -v etcd'])).trim(), join(seed.disk, 'usr/local/bin/etcd'));
  const etcdCommand = '/usr/local/bin/etcd --data-dir /var/lib/etcd --log-level error';
  await seed.sh(`chmod 755 /usr/local/bin/etcd; systemd-run -q --unit=first-etcd ${etcdCommand}; systemctl enable -q fleet; systemctl start fleet`);
  await until(async () => (await seed.exec(['curl', '-s', '--unix-socket', '/run/fleet.sock', 'http://fleet/readyz'])).stdout.startsWith('ok'), 'fleetd is ready');
  const etcdUnit = `[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart=${etcdCommand}\nRestart=always\nRestartSec=200ms\n`;
  await seed.sh(`cd /root; cat >etcd.service <<'UNIT'\n${etcdUnit}UNIT\ncat >app.service <<'UNIT'\n${sleeper()}UNIT
    fleetctl start --no-block etcd.service app.service`);
  const runs = async (): Promise<boolean> =>
    /app\.service\t+active[^]*etcd\.service\t+active\t+running/.test((await seed.exec(['fleetctl', 'list-units', '--no-legend', '--fields=unit,active,sub'])).stdout);
  await kept(seed, 'etcd.service');
  // Until now the unit could not have the port; from here on the store is kept by the unit alone.
  await seed.sh('systemctl stop first-etcd');
  await until(runs, 'etcd runs as a unit of the cluster whose store it is', 30_000);

  await seed.kill();
  await seed.boot();
  await until(async () => await mainPid(seed, 'etcd.service') !== 0, 'etcd is started from the copy on disk', 30_000);
  const before = [await mainPid(seed, 'etcd.service'), await mainPid(seed, 'app.service')];
  await until(runs, 'the cluster is back', 30_000);
  await seed.sh(`cat >/root/later.service <<'UNIT'\n${sleeper()}UNIT\nfleetctl start /root/later.service`);
  assert.deepEqual([await mainPid(seed, 'etcd.service'), await mainPid(seed, 'app.service')], before);
});
