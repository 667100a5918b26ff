/** What happened to a unit and to a machine, and why, can be asked for afterwards, and followed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cluster } from './cluster.ts';
import { until } from './lab/command.ts';
import { startOneOnEachMachine, unitOn, writeUnit } from './units.ts';

test('a failure, a lost machine and a move are told with their reasons, to followers as they happen', async (context) => {
  const shared = await cluster();
  await writeUnit(shared, 'bad.service', '[Service]\nExecStart=/bin/sh -c "exit 7"\n');
  assert.equal((await shared.fleetctl('start', 'bad.service')).code, 1);
  await until(async () => /failed\t+.*exit status 7/.test((await shared.fleetctl('events', 'bad')).stdout), 'the failure is told');

  const lost = shared.machine('m82');
  const places = await startOneOnEachMachine(shared);
  const unit = unitOn(places, lost);
  await shared.sh(`systemd-run -q --unit=follower sh -c 'fleetctl events -f --output=json ${unit} >/root/followed'`);
  context.after(async () => {
    await shared.sh('systemctl stop follower; rm -f /root/followed');
    await lost.boot();
    await lost.sh('systemctl start fleet');
  });
  await until(async () => (await shared.sh('cat /root/followed')).includes('"placed"'), 'the follower hears where it was placed');
  await lost.kill();
  await until(async () => (await shared.sh('cat /root/followed')).includes('"moved"'),
    async () => `the follower hears of the move: ${await shared.sh('cat /root/followed; fleetctl events')}`);
  const events = (await shared.fleetctl('events', unit)).stdout;
  assert.match(events, /placed\t+the least loaded machine that fits/);
  assert.match(events, /moved\t+its machine e3583575\.\.\. is gone; the least loaded machine that fits/);
  assert.match((await shared.fleetctl('events', 'e3583575')).stdout, /joined\t+m82, 10\.58\.9\.82/);
  assert.equal((await shared.fleetctl('events', 'nothere')).code, 1);
});
