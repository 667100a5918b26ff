/** The user's example, [20001-20010]=apps.war: every release takes the next port, and comes round to the first. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cluster } from './cluster.ts';
import { appsText, portsOfApps, releaseApps, startApps, versionOn } from './releases.ts';
import { done, writeUnit } from './units.ts';

/** The cursor of a range moves on from test to test; this one belongs to the first test here. */
const range = 'Port=http:20001-20010';
const replaceRange = 'Port=http:20101-20110';

test('one instance and eleven generations: 20001 to 20010, then 20001 again', async () => {
  const made = await cluster();
  await startApps(made, 1, range);
  const ports: number[] = [];
  const look = async (version: number): Promise<void> => {
    const all = [...(await portsOfApps(made)).values()];
    assert.equal(all.length, 1, 'one instance runs');
    const [port = 0] = all;
    ports.push(port);
    assert.equal(await versionOn(made, port), String(version));
  };
  await look(0);
  for (let version = 1; version <= 10; version += 1) {
    await releaseApps(made, version, range);
    await look(version);
  }
  assert.deepEqual(ports, [...Array.from({ length: 10 }, (_, index) => 20_001 + index), 20_001]);
});

test('ten instances fill the range: the eleventh is explained, and a release of all ten goes in place and says so', async () => {
  const made = await cluster();
  await startApps(made, 10, range);
  assert.deepEqual([...(await portsOfApps(made)).values()].sort(), Array.from({ length: 10 }, (_, index) => 20_001 + index));
  const eleventh = await made.fleetctl('start', 'apps@11.service');
  assert.equal(eleventh.code, 1, eleventh.stdout + eleventh.stderr);
  assert.match(eleventh.stderr, /20001-20010/);
  await made.fleetctl('destroy', 'apps@11.service');
  const told = await releaseApps(made, 1, range, 'ReleaseBatch=2');
  assert.match(told, /in place.*no machine takes one more: .*20001-20010/i);
  const ports = await portsOfApps(made);
  assert.deepEqual([...ports.keys()].sort(), Array.from({ length: 10 }, (_, index) => `apps@${String(index + 1)}.service`).sort());
  assert.deepEqual([...ports.values()].sort(), Array.from({ length: 10 }, (_, index) => 20_001 + index));
  for (const port of ports.values()) assert.equal(await versionOn(made, port), '1');
});

test('a release whose new file fails goes back by itself; undo brings a kept generation back', async () => {
  const made = await cluster();
  await startApps(made, 2, range);
  await releaseApps(made, 1, range);
  const before = await portsOfApps(made);
  await writeUnit(made, 'apps@.service', appsText(2, range).replace('/usr/bin/python3', '/bin/false'));
  const failed = await made.fleetctl('release', 'apps@.service');
  assert.equal(failed.code, 1, failed.stdout);
  assert.match(failed.stderr, /apps@\d\.service in the place of apps@.*: it failed: .*exit status 1; generation 1 is back/);
  assert.deepEqual(await portsOfApps(made), before, 'the units that ran were never touched');
  const undone = await made.fleetctl('release', 'undo', 'apps@.service');
  assert.equal(undone.code, 0, undone.stderr + undone.stdout);
  for (const port of (await portsOfApps(made)).values()) assert.equal(await versionOn(made, port), '0');
  const history = await made.fleetctl('release', 'history', 'apps@.service');
  assert.match(history.stdout, /^3\*.*done \(undo to 0\)/m);
  assert.match(history.stdout, /^2\t.*failed/m);
});

test('start --replace of a unit that runs is a release of it: the next port, one after the other', async () => {
  const made = await cluster();
  await startApps(made, 2, replaceRange);
  await writeUnit(made, 'apps@.service', appsText(1, replaceRange));
  const replaced = await made.fleetctl('start', '--replace', 'apps@{1..2}.service');
  assert.equal(replaced.code, 0, replaced.stderr + replaced.stdout);
  assert.match(replaced.stdout, /^Unit apps@2\.service launched on 364cd1ff\.\.\.\/10\.58\.9\.83$/m);
  assert.deepEqual([...(await portsOfApps(made))].sort(), [['apps@1.service', 20_103], ['apps@2.service', 20_104]]);
  assert.equal(await versionOn(made, 20_103), '1');
});

test('scale starts and removes instances, the highest numbers first', async () => {
  const made = await cluster();
  await startApps(made, 1, range);
  await made.fleetctl('submit', 'apps@.service');
  const more = await made.fleetctl('scale', 'apps@', '3');
  assert.equal(more.code, 0, more.stderr);
  assert.deepEqual([...(await portsOfApps(made)).keys()].sort(), ['apps@1.service', 'apps@2.service', 'apps@3.service']);
  const fewer = await made.fleetctl('scale', 'apps@', '1');
  assert.equal(fewer.stdout, 'Destroyed apps@2.service\nDestroyed apps@3.service\n');
});

test('a global unit changes machine by machine', async () => {
  const made = await cluster();
  const text = (version: number): string => `[Service]\nEnvironment=VERSION=${String(version)}\nExecStart=/bin/sleep infinity\n\n[X-Fleet]\nGlobal=true\n`;
  await writeUnit(made, 'everywhere.service', text(0));
  await done(made.fleetctl, 'start', 'everywhere.service');
  await writeUnit(made, 'everywhere.service', text(1));
  const released = await made.fleetctl('release', 'everywhere.service', '--min-active=0');
  assert.equal(released.code, 0, released.stderr + released.stdout);
  assert.equal(released.stdout.match(/starts anew$/gm)?.length, 4, released.stdout);
  for (const machine of made.machines) {
    assert.match(await machine.sh('systemctl show -P Environment everywhere.service'), /VERSION=1/, machine.name);
  }
});
