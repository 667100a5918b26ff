/** What fleetctl says about units that do not run as wished, and that restart really restarts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cluster } from './cluster.ts';
import { mainPid, sleeper, startUnit, writeUnit } from './units.ts';

test('fleetctl restart gives a unit another main process', async () => {
  const shared = await cluster();
  const machine = shared.machine('m86');
  await startUnit(shared, 'again.service', sleeper(`MachineID=${machine.id}`));
  const before = await mainPid(machine, 'again.service');
  const restarted = await shared.fleetctl('restart', 'again.service');
  assert.equal(restarted.code, 0, restarted.stderr + restarted.stdout);
  const after = await mainPid(machine, 'again.service');
  assert(after !== 0 && after !== before, `${before} before, ${after} after`);
});

test('starting a unit that fails ends with exit 1, with the result systemd gives and the last lines of its journal', async () => {
  const shared = await cluster();
  await writeUnit(shared, 'broken.service', '[Service]\nExecStart=/bin/sh -c "echo the disk is on fire; exit 3"\n');
  const started = await shared.fleetctl('start', 'broken.service');
  assert.equal(started.code, 1);
  assert.match(started.stdout + started.stderr, /broken\.service.*failed/);
  assert.match(started.stdout + started.stderr, /exit-code/);
  assert.match(started.stdout + started.stderr, /the disk is on fire/);
});

test('explain names the reason of each machine for not taking a unit', async () => {
  const shared = await cluster();
  await writeUnit(shared, 'nowhere.service', sleeper('MachineMetadata=region=moon'));
  await shared.fleetctl('start', '--no-block', 'nowhere.service');
  const explained = await shared.fleetctl('explain', 'nowhere.service');
  assert.equal(explained.code, 0, explained.stderr);
  for (const { id } of shared.machines) assert.match(explained.stdout, new RegExp(`^.*${id.slice(0, 8)}.*region.*$`, 'm'));
});
