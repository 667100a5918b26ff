/** One machine with a store of its own is a full fleet: no etcd needed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cluster } from './cluster.ts';
import { bootMachines } from './lab/fleet-machines.ts';
import { until, type CommandResult } from './lab/command.ts';
import { mainPid, sleeper } from './units.ts';

test('with store=embedded a machine starts, lists and destroys units alone, also over a restart and a reboot', async (context) => {
  const { lab } = await cluster();
  const address = '10.58.9.77';
  const [alone] = await bootMachines(lab, [
    { name: 'alone', id: '77777777c3dba3e566192154d0544f6d', address, conf: `store=embedded\npublic_ip=${address}\n` },
  ]);
  assert(alone);
  context.after(() => alone.kill());
  await alone.sh('systemctl enable -q fleet.service; systemctl start fleet');
  await alone.sh(`cat >/root/own.service <<'UNIT'\n${sleeper()}UNIT`);
  const started = await alone.exec(['fleetctl', 'start', '/root/own.service']);
  assert.equal(started.code, 0, started.stderr + started.stdout);
  assert.match(started.stdout, /^Unit own\.service launched on 77777777\.\.\.\/10\.58\.9\.77$/m);
  const pid = await mainPid(alone, 'own.service');
  await alone.sh('systemctl restart fleet');
  assert.match(await alone.sh('fleetctl list-units --no-legend'), /^own\.service\t+77777777\.\.\.\/10\.58\.9\.77\t+active\t+running$/m);
  assert.equal(await mainPid(alone, 'own.service'), pid);
  await alone.kill();
  await alone.boot();
  await until(async () => await mainPid(alone, 'own.service') !== 0, 'the unit runs again after the reboot');
  assert.equal(await alone.sh('fleetctl destroy own.service'), 'Destroyed own.service\n');
  await until(async () => await mainPid(alone, 'own.service') === 0, 'the unit has stopped');
});

test('while the disk under its store is full a machine runs its units and says why it takes no changes; with room it goes on by itself', async (context) => {
  const { lab } = await cluster();
  const address = '10.58.9.76';
  const [alone] = await bootMachines(lab, [
    { name: 'full', id: '76767676c3dba3e566192154d0544f6d', address, conf: `store=embedded\npublic_ip=${address}\n` },
  ]);
  assert(alone);
  context.after(() => alone.kill());
  await alone.sh(`mkdir -p /var/lib/fleet; mount -t tmpfs -o size=8m,mode=755 tmpfs /var/lib/fleet; systemctl start fleet
    cat >/root/own.service <<'UNIT'\n${sleeper()}UNIT\nfleetctl start /root/own.service`);
  const pid = await mainPid(alone, 'own.service');
  const ask = (name: string): Promise<CommandResult> => alone.exec(['sh', '-c', `cp /root/own.service /root/${name}; fleetctl start --no-block /root/${name}`]);
  await alone.exec(['sh', '-c', 'cat /dev/zero >/var/lib/fleet/filler']);
  const refused = await until(async () => {
    const answer = await ask(`more-${String(Date.now())}.service`);
    return answer.code !== 0 && answer;
  }, 'a change is refused');
  const says = /no space for the store \/var\/lib\/fleet\/fleet\.db: free some on its disk/;
  assert.match(refused.stderr, says);
  assert.match(refused.stderr, /unable to use its embedded store/);
  const readyz = (): Promise<string> => alone.sh('curl -s --unix-socket /run/fleet.sock http://fleet/readyz');
  assert.match(await readyz(), says);
  assert.match((await alone.exec(['fleetctl', 'list-machines'])).stderr, says);
  assert.equal(await mainPid(alone, 'own.service'), pid);
  await alone.sh('rm /var/lib/fleet/filler');
  await until(async () => (await ask('later.service')).code === 0, 'a change is taken');
  await until(async () => await mainPid(alone, 'later.service') !== 0, 'and carried out');
  await until(async () => await readyz() === 'ok\n', 'it is ready again');
  assert.equal(await mainPid(alone, 'own.service'), pid);
});

test('an older copy of its store stops nothing on a machine alone, and it goes on once the copy is accepted', async (context) => {
  const { lab } = await cluster();
  const address = '10.58.9.75';
  const [alone] = await bootMachines(lab, [
    { name: 'older', id: '75757575c3dba3e566192154d0544f6d', address, conf: `store=embedded\non_stop=keep\npublic_ip=${address}\n` },
  ]);
  assert(alone);
  context.after(() => alone.kill());
  const unit = (name: string): Promise<string> => alone.sh(`cat >/root/${name} <<'UNIT'\n${sleeper()}UNIT\nfleetctl start /root/${name}`);
  const readyz = (): Promise<string> => alone.sh('curl -s --unix-socket /run/fleet.sock http://fleet/readyz');
  const pids = async (): Promise<readonly number[]> => [await mainPid(alone, 'own.service'), await mainPid(alone, 'late.service')];
  await alone.sh('systemctl start fleet');
  await unit('own.service');
  await alone.sh('systemctl stop fleet; mkdir /root/older; cp -a /var/lib/fleet/fleet.db* /root/older; systemctl start fleet');
  await unit('late.service');
  const before = await pids();
  assert.equal(before.includes(0), false);
  await alone.sh('systemctl stop fleet; rm /var/lib/fleet/fleet.db*; cp -a /root/older/. /var/lib/fleet/; systemctl start fleet');
  const says = /it was put back from an older backup/;
  await until(async () => says.test(await readyz()), async () => `it doubts its store: ${await readyz()}`);
  assert.match((await alone.exec(['fleetctl', 'list-units'])).stderr, says);
  assert.match((await alone.exec(['fleetctl', 'destroy', 'own.service'])).stderr, says);
  assert.deepEqual(await pids(), before);
  const refusal = async (): Promise<string> => (await alone.exec(['fleetctl', 'accept-store'])).stderr;
  await until(async () => /these would be stopped: late\.service/.test(await refusal()), refusal);
  const accepted = await alone.exec(['fleetctl', 'accept-store', '--force']);
  assert.equal(accepted.code, 0, accepted.stderr);
  await until(async () => await mainPid(alone, 'late.service') === 0, 'what the copy does not have is stopped');
  assert.equal(await mainPid(alone, 'own.service'), before[0]);
  await until(async () => await readyz() === 'ok\n', 'it is ready again');
});
