/** fleetd is replaced by another version and back again while units run, or finds what a newer one has written; on_stop= decides otherwise for every orderly end. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, describe, test } from 'node:test';
import { cluster, type Cluster } from './cluster.ts';
import { holder } from './holder.ts';
import { until } from './lab/command.ts';
import { allSay, done, machineIds, mainPid, mainPids, placesOf, sleeper, startOneOnEachMachine, startUnit } from './units.ts';

const folder = '/etc/systemd/system/fleet.service.d';
const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8')) as { readonly version: string };
/** As long as the real one, so that it can take its place in the executable. */
const otherVersion = `${version.slice(0, -1)}${version.endsWith('9') ? '8' : '9'}`;

/** Lines for the [Service] of fleet.service on m82 from its next start on. */
async function configure(shared: Cluster, ...lines: readonly string[]): Promise<void> {
  await shared.machine('m82').sh(`mkdir -p ${folder}; printf '[Service]\\n${lines.map((line) => `${line}\\n`).join('')}' >${folder}/test.conf; systemctl daemon-reload`);
}

async function versionOf(shared: Cluster): Promise<string> {
  const { stdout } = await shared.fleetctl('list-machines', '--no-legend', '--full', '--fields=machine,version');
  return stdout.split('\n').map((line) => line.split(/\t+/)).find(([id]) => id === shared.machine('m82').id)?.[1] ?? '';
}

describe('fleetd on a machine with units', () => {
  after(async () => {
    const shared = await cluster();
    await shared.machine('m82').sh(`rm -rf ${folder}; systemctl daemon-reload; systemctl restart fleet`);
  });

  test('is upgraded and downgraded, and their main processes stay', async () => {
    const shared = await cluster();
    const machine = shared.machine('m82');
    await startUnit(shared, 'kept.service', sleeper(`MachineID=${machine.id}`));
    await startUnit(shared, 'fenced.service', holder(`OnMachineLost=stop\nMachineID=${machine.id}`));
    const places = await placesOf(shared);
    const before = await mainPids(places);
    await machine.sh(`sed 's/${version.replaceAll('.', '\\.')}/${otherVersion}/g' /opt/fleet/fleetd >/usr/local/bin/other-fleetd; chmod 755 /usr/local/bin/other-fleetd`);
    await configure(shared, 'ExecStart=', 'ExecStart=/usr/local/bin/other-fleetd');
    await machine.sh('systemctl restart fleet');
    await until(async () => await versionOf(shared) === otherVersion, 'the other version runs');
    await startUnit(shared, 'later.service', sleeper(`MachineID=${machine.id}`));
    assert.deepEqual(await mainPids(places), before);

    await configure(shared, 'Environment=FLEET_VERBOSITY=1');
    await machine.sh('systemctl restart fleet');
    await until(async () => await versionOf(shared) === version, 'the former version runs again');
    await startUnit(shared, 'last.service', sleeper(`MachineID=${machine.id}`));
    assert.deepEqual(await mainPids(places), before);
  });

  test('works on in a store whose layout is one version ahead, with keys and fields it does not know; two ahead it changes nothing and says so', async () => {
    const shared = await cluster();
    const { etcd } = shared;
    const places = await startOneOnEachMachine(shared);
    const before = await mainPids(places);
    const value = async (key: string): Promise<object> => JSON.parse(await etcd.ctl('get', '--print-value-only', `/fleet/${key}`)) as object;
    const put = (key: string, record: object): Promise<string> => etcd.ctl('put', `/fleet/${key}`, JSON.stringify(record));
    const restartAll = (): Promise<unknown> => Promise.all(shared.machines.map((machine) => machine.sh('systemctl restart fleet')));
    const [schema, unit] = [await value('schema'), await value('units/spread@1.service')];
    try {
      await put('schema', { ...schema, version: 2, future: [1] });
      await put('future-things/one', { any: 'thing' });
      await put('units/spread@1.service', { ...unit, future: { by: 'a newer fleet' } });
      await restartAll();
      await startUnit(shared, 'later.service', sleeper());
      await done(shared.fleetctl, 'destroy', 'later.service');
      assert.deepEqual(await mainPids(places), before);

      await put('schema', { ...schema, version: 3 });
      await allSay(shared, /layout 3 of a newer fleet, this one understands up to 2: install the newer fleet here/);
      const refused = await shared.fleetctl('stop', 'spread@1.service');
      assert.notEqual(refused.code, 0);
      assert.match(refused.stderr, /layout 3 of a newer fleet/);
      await restartAll();
      await allSay(shared, /layout 3 of a newer fleet/);
      assert.deepEqual(await mainPids(places), before);
    } finally {
      await etcd.ctl('del', '/fleet/future-things/one');
      await put('schema', schema);
    }
    await allSay(shared, /^ok$/m);
    await startUnit(shared, 'last.service', sleeper());
    assert.deepEqual(await mainPids(places), before);
  });

  test('is stopped with on_stop=keep: they go on, and the machine is not given up', async () => {
    const shared = await cluster();
    const machine = shared.machine('m82');
    await configure(shared, 'Environment=FLEET_ON_STOP=keep');
    await machine.sh('systemctl restart fleet');
    await startUnit(shared, 'kept.service', sleeper(`MachineID=${machine.id}`));
    const before = await mainPid(machine, 'kept.service');
    await machine.sh('systemctl stop fleet');
    assert((await machineIds(shared)).includes(machine.id), 'its lease goes on');
    assert.equal(await mainPid(machine, 'kept.service'), before);
    await machine.sh('systemctl start fleet');
    await startUnit(shared, 'later.service', sleeper(`MachineID=${machine.id}`));
    assert.equal(await mainPid(machine, 'kept.service'), before);
  });

  test('is restarted with on_stop=leave: they stop, and the machine leaves', async () => {
    const shared = await cluster();
    const machine = shared.machine('m82');
    await configure(shared, 'Environment=FLEET_ON_STOP=leave');
    await machine.sh('systemctl restart fleet');
    await startUnit(shared, 'taken.service', sleeper(`MachineID=${machine.id}`));
    const before = await mainPid(machine, 'taken.service');
    await machine.sh('systemctl restart fleet');
    await until(async () => ![0, before].includes(await mainPid(machine, 'taken.service')), 'it was stopped, and started again');
    assert.match((await shared.fleetctl('events', machine.id)).stdout, /left/);
  });
});
