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
  assert.equal(started.code, 1, started.stdout + started.stderr);
  assert.match(started.stdout + started.stderr, /broken\.service.*failed/);
  assert.match(started.stdout + started.stderr, /exit-code/);
  assert.match(started.stdout + started.stderr, /the disk is on fire/);
});

test('a failed unit is listed by list-units --failed until reset-failed, and may be started again past its start limit', async () => {
  const shared = await cluster();
  const machine = shared.machine('m86');
  const text = '[Unit]\nStartLimitBurst=1\nStartLimitIntervalSec=1h\n\n[Service]\nExecStart=/bin/sh -c "test -e /run/mended && exec sleep 1000"\n';
  await writeUnit(shared, 'burst.service', `${text}\n[X-Fleet]\nMachineID=${machine.id}\n`);
  const failed = async (): Promise<string> => (await shared.fleetctl('list-units', '--failed', '--no-legend', '--fields=unit,active,why')).stdout;
  assert.equal((await shared.fleetctl('start', 'burst.service')).code, 1);
  assert.match(await failed(), /^burst\.service\s+failed\s+result exit-code, exit status 1$/m);
  await machine.sh('touch /run/mended');
  const refused = await shared.fleetctl('restart', 'burst.service');
  assert.match(refused.stderr, /start-limit-hit|too quickly/, 'systemd holds to its limit');
  const reset = await shared.fleetctl('reset-failed', 'burst.service');
  assert.deepEqual([reset.code, reset.stdout], [0, `Unit burst.service reset on ${machine.id.slice(0, 8)}.../${machine.address}\n`]);
  assert.doesNotMatch(await failed(), /burst/);
  assert.equal((await machine.exec(['systemctl', 'is-failed', 'burst.service'])).stdout, 'inactive\n');
  const restarted = await shared.fleetctl('restart', 'burst.service');
  assert.equal(restarted.code, 0, restarted.stderr);
});

test('explain names the reason of each machine for not taking a unit', async () => {
  const shared = await cluster();
  await writeUnit(shared, 'nowhere.service', sleeper('MachineMetadata=region=moon'));
  await shared.fleetctl('start', '--no-block', 'nowhere.service');
  const explained = await shared.fleetctl('explain', 'nowhere.service');
  assert.equal(explained.code, 0, explained.stderr);
  for (const { id } of shared.machines) assert.match(explained.stdout, new RegExp(`^.*${id.slice(0, 8)}.*region.*$`, 'm'));
});
