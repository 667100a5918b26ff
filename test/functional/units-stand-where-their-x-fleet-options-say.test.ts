/** [X-Fleet] on real machines: Replaces, circles of it, Conflicts with global units, MachineOf chains, templates of other types, taken names. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cluster, type Cluster } from './cluster.ts';
import { until } from './lab/command.ts';
import { done, placesOf, sleeper, startUnit, writeUnit } from './units.ts';

/** Where units run, by name of the machine; "" for those that do not. */
async function whereAre(shared: Cluster, ...names: readonly string[]): Promise<readonly string[]> {
  const places = await placesOf(shared);
  return names.map((name) => places.get(name)?.name ?? '');
}

test('a unit that replaces another takes its machine, and the other one moves', async () => {
  const shared = await cluster();
  await startUnit(shared, 'old.service', sleeper());
  const [before] = await whereAre(shared, 'old.service');
  await startUnit(shared, 'new.service', sleeper('Replaces=old.service'));
  await until(async () => !(await whereAre(shared, 'old.service')).includes(''), 'the replaced unit runs again');
  const [oldPlace, newPlace] = await whereAre(shared, 'old.service', 'new.service');
  assert.equal(newPlace, before);
  assert.notEqual(oldPlace, before);
});

test('of two units that replace each other the first stays where it is, and both exist', async () => {
  const shared = await cluster();
  await startUnit(shared, 'first.service', sleeper('Replaces=second.service'));
  const [before] = await whereAre(shared, 'first.service');
  await writeUnit(shared, 'second.service', sleeper('Replaces=first.service'));
  await shared.fleetctl('start', '--block-attempts=2', 'second.service');
  assert.equal((await whereAre(shared, 'first.service'))[0], before);
  assert.notEqual((await whereAre(shared, 'second.service'))[0], before);
  const { stdout } = await shared.fleetctl('list-unit-files', '--no-legend', '--fields=unit');
  assert.equal(stdout, 'first.service\nsecond.service\n');
});

test('a global unit keeps off the machines of units it conflicts with', async () => {
  const shared = await cluster();
  await startUnit(shared, 'quiet.service', sleeper());
  const [quiet = ''] = await whereAre(shared, 'quiet.service');
  await writeUnit(shared, 'loud.service', sleeper('Global=true\nConflicts=quiet.service'));
  await done(shared.fleetctl, 'start', 'loud.service');
  const rows = async (): Promise<readonly string[]> =>
    (await shared.fleetctl('list-units', '--no-legend', '--full', '--fields=unit,machine,active')).stdout.split('\n').filter((row) => /^loud.*\tactive/.test(row));
  await until(async () => (await rows()).length === 3, async () => `three machines run it: ${(await rows()).join()}`);
  const there = shared.machines.find(({ name }) => name === quiet)?.id ?? 'nowhere';
  assert.ok(!(await rows()).some((row) => row.includes(there)));
});

test('a chain of MachineOf stands on one machine, and moves with its leader when that machine leaves', async () => {
  const shared = await cluster();
  await startUnit(shared, 'base.service', sleeper('MachineMetadata=role=default'));
  await startUnit(shared, 'middle.service', sleeper('MachineOf=base.service'));
  await startUnit(shared, 'top.service', sleeper('MachineOf=middle.service'));
  const chain = ['base.service', 'middle.service', 'top.service'];
  const [home = '', ...followers] = await whereAre(shared, ...chain);
  assert.deepEqual(followers, [home, home]);
  const machine = shared.machines.find(({ name }) => name === home);
  assert.ok(machine);
  // From another machine: the one that leaves has no API any more.
  const witness = shared.machines.find((each) => each !== machine);
  assert.ok(witness);
  const activeOn = async (): Promise<readonly string[]> => (await witness.sh("fleetctl list-units --no-legend --full --fields=unit,machine,active | grep -w active || true"))
    .split('\n').flatMap((row) => (chain.includes(row.split('\t')[0] ?? '') ? [row.split(/\t+/)[1] ?? ''] : []));
  await machine.sh('systemctl stop fleet');
  try {
    await until(async () => (await activeOn()).length === 3,
      () => witness.sh('fleetctl list-units; for unit in base middle top; do fleetctl explain $unit; done'));
    const places = await activeOn();
    assert.equal(new Set(places).size, 1, places.join());
    assert.ok(!places[0]?.startsWith(machine.id));
  } finally {
    await machine.sh('systemctl start fleet');
  }
});

test('templates of sockets, timers, paths and targets do their work where they are placed', async () => {
  const shared = await cluster();
  const machine = shared.machine('m83');
  const there = `MachineID=${machine.id}`;
  const files: Readonly<Record<string, string>> = {
    'echo@.socket': `[Socket]\nListenStream=127.0.0.1:%i\nAccept=no\n\n[X-Fleet]\n${there}\n`,
    'echo@.service': `[Service]\nStandardOutput=journal\nExecStart=/bin/sh -c "echo asked on %i; sleep infinity"\n\n[X-Fleet]\nMachineOf=echo@%i.socket\n`,
    'tick@.timer': `[Timer]\nOnActiveSec=0\nUnit=tock@%i.service\n\n[X-Fleet]\n${there}\n`,
    'tock@.service': `[Service]\nType=oneshot\nExecStart=/bin/sh -c "echo %i >>/run/tocks"\n\n[X-Fleet]\nMachineOf=tick@%i.timer\n`,
    'seen@.path': `[Path]\nPathExists=/run/seen-%i\n\n[X-Fleet]\n${there}\n`,
    'seen@.service': `[Service]\nType=oneshot\nExecStart=/bin/sh -c "rm /run/seen-%i; touch /run/was-seen-%i"\n\n[X-Fleet]\nMachineOf=seen@%i.path\n`,
    'all@.target': `[Unit]\nWants=part@%i.service\n\n[X-Fleet]\n${there}\n`,
    'part@.service': `[Service]\nExecStart=/bin/sleep infinity\n\n[X-Fleet]\nMachineOf=all@%i.target\n`,
  };
  for (const [name, text] of Object.entries(files)) await writeUnit(shared, name, text);
  const done = async (...args: readonly string[]): Promise<void> => {
    const { code, stdout, stderr } = await shared.fleetctl(...args);
    assert.equal(code, 0, `${args.join(' ')}: ${stderr}${stdout}`);
  };
  // What is started by another unit is loaded with it, in one order of commands: the leader first.
  await done('load', 'echo@9101.socket', 'tick@a.timer', 'seen@b.path', 'all@c.target');
  await done('load', 'echo@9101', 'tock@a', 'seen@b', 'part@c');
  await done('start', 'echo@9101.socket', 'tick@a.timer', 'seen@b.path', 'all@c.target');
  await machine.sh('curl -s -m 1 http://127.0.0.1:9101/ || true; touch /run/seen-b');
  for (const [what, script] of [
    ['the socket starts its service', 'systemctl is-active echo@9101.service'],
    ['the timer starts its service', 'grep -q a /run/tocks'],
    ['the path starts its service', 'test -e /run/was-seen-b'],
    ['the target starts what it wants', 'systemctl is-active part@c.service'],
  ] as const) await until(async () => (await machine.exec(['sh', '-c', script])).code === 0, what);
  const { stdout } = await shared.fleetctl('list-units', '--no-legend', '--fields=unit,active');
  for (const unit of ['echo@9101.socket', 'echo@9101.service', 'all@c.target', 'part@c.service'])
    assert.match(stdout, new RegExp(`^${unit}\\s+active$`, 'm'));
  await done('stop', 'all@c.target', 'part@c', 'echo@9101.socket', 'echo@9101');
  await machine.sh('rm -f /run/tocks /run/was-seen-b');
});

test('a unit with the name of one of the machine\'s own is refused with the reason, and the machine\'s own runs on', async () => {
  const shared = await cluster();
  const machine = shared.machine('m83');
  const before = await machine.sh('systemctl show -P FragmentPath,ActiveState dbus.service');
  await writeUnit(shared, 'dbus.service', sleeper(`MachineID=${machine.id}`));
  const { code, stderr } = await shared.fleetctl('start', 'dbus.service');
  assert.equal(code, 1);
  assert.match(stderr, /dbus\.service .*the name is taken on this machine by \/\S+\/dbus\.service, which is not fleet's: choose another name/);
  assert.equal(await machine.sh('systemctl show -P FragmentPath,ActiveState dbus.service'), before);
  await done(shared.fleetctl, 'destroy', 'dbus.service');
});
