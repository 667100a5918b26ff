/** What people do with machines: keep new units away, move units off, and forget those that are gone; always with the reason in list-machines. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cluster, members } from './cluster.ts';
import { holder, overlapsIn } from './holder.ts';
import { until } from './lab/command.ts';
import { mainPid, mainPids, placesOf, sleeper, startOneOnEachMachine, startUnit, unitOn, writeUnit } from './units.ts';

test('a cordoned machine gets no new units, a drained one gives its units away and keeps what is to stay, and one that is gone can be forgotten', async (context) => {
  const shared = await cluster();
  const { fleetctl } = shared;
  const machine = shared.machine('m82');
  const others = members.filter(({ id }) => id !== machine.id).map(({ id }) => id);
  const listed = async (): Promise<string> =>
    (await fleetctl('list-machines', '--all', '--full', '--no-legend')).stdout.split('\n').find((line) => line.startsWith(machine.id)) ?? '';
  const accepted = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await fleetctl(...args);
    assert.equal(code, 0, `${args.join(' ')}: ${stderr}${stdout}`);
    return stdout + stderr;
  };
  const places = await startOneOnEachMachine(shared);
  const moving = unitOn(places, machine);
  const staying = new Map([...places].filter(([unit]) => unit !== moving));
  const before = await mainPids(staying);
  await writeUnit(shared, 'everywhere.service', sleeper('Global=true'));
  await accepted('start', 'everywhere.service');

  context.after(() => fleetctl('uncordon', ...members.map(({ id }) => id)));
  await accepted('cordon', '--reason=a disk is replaced', ...others);
  assert.match((await fleetctl('list-machines', '--all')).stdout, /cordoned\t+.*a disk is replaced/);
  await startUnit(shared, 'fenced.service', holder('OnMachineLost=stop'));
  assert.equal((await placesOf(shared)).get('fenced.service'), machine, 'the only machine that takes units');
  await accepted('uncordon', ...others);

  const globalPid = await until(async () => await mainPid(machine, 'everywhere.service') || null, 'the global unit runs');
  await accepted('drain', '--reason=kernel upgrade', '--block', '--timeout=60', machine.id);
  assert.match(await listed(), /drained\t+.*kernel upgrade/);
  for (const unit of [moving, 'fenced.service']) {
    assert.equal(await mainPid(machine, unit), 0);
    assert.notEqual((await placesOf(shared)).get(unit), machine);
  }
  assert.equal(await mainPid(machine, 'everywhere.service'), globalPid, 'global units stay');
  await accepted('drain', '--global', '--block', '--timeout=60', machine.id);
  assert.equal(await mainPid(machine, 'everywhere.service'), 0, 'unless they are named');
  await accepted('undrain', machine.id);
  await until(async () => await mainPid(machine, 'everywhere.service') !== 0, 'the global unit comes back');
  assert.deepEqual(await mainPids(staying), before);
  assert.equal(await overlapsIn(shared.folder), '');

  const refused = await fleetctl('forget', machine.id);
  assert.notEqual(refused.code, 0, 'a machine that is alive cannot be forgotten');
  context.after(async () => {
    if (!(await machine.running())) await machine.boot();
    await machine.sh('systemctl start fleet');
  });
  await machine.kill();
  await until(async () => /\blost\b/.test(await listed()), async () => `it is lost: ${await listed()}`);
  await accepted('forget', machine.id);
  await until(async () => await listed() === '', async () => `it is forgotten: ${await listed()}`);
});
