/** A oneshot does its work once: neither a reboot nor a move of the unit repeats it, a person can. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cluster } from './cluster.ts';
import { until } from './lab/command.ts';
import { done, writeUnit } from './units.ts';

const job = `[Service]
Type=oneshot
ExecStart=/bin/sh -c 'echo ran >>/var/lib/job.runs'
`;

test('a oneshot that has succeeded is not run again by a power cut of its machine, nor by its move; a restart runs it again', async (context) => {
  const shared = await cluster();
  await Promise.all(shared.machines.map((machine) => machine.sh('rm -f /var/lib/job.runs')));
  const runs = async (): Promise<number> => {
    const counts = await Promise.all(shared.machines.map((machine) => machine.exec(['sh', '-c', 'cat /var/lib/job.runs 2>/dev/null | wc -l'])));
    return counts.reduce((sum, { stdout }) => sum + Number(stdout.trim() || 0), 0);
  };
  const isDone = async (): Promise<boolean> => (await shared.fleetctl('explain', 'job.service')).stdout.includes('has run to its end with success');
  await writeUnit(shared, 'job.service', `${job}[X-Fleet]\nMachineID=${shared.machine('m82').id}\n`);
  const started = await shared.fleetctl('start', 'job.service');
  assert.equal(started.code, 0, started.stderr);
  const first = shared.machine('m82');
  // What happened to a unit of this name before it was destroyed is told, too.
  const successes = async (): Promise<number> => (await shared.fleetctl('events', 'job.service')).stdout.match(/succeeded/g)?.length ?? 0;
  await until(async () => await successes() === 1, 'its success is remembered');
  await first.kill();
  await first.boot();
  await first.sh('systemctl start fleet');
  await until(isDone, 'its machine is back and says that it has done its work');
  assert.equal(await runs(), 1);

  await shared.fleetctl('destroy', 'job.service');
  await writeUnit(shared, 'job.service', job);
  await done(shared.fleetctl, 'start', 'job.service');
  assert.equal(await runs(), 2, 'created anew it is asked for anew');
  await until(async () => await successes() === 2, 'its second success is remembered');
  const place = (await shared.fleetctl('list-units', '--no-legend', '--full', '--fields=machine')).stdout;
  const home = shared.machines.find(({ id }) => place.startsWith(id));
  assert(home);
  const other = shared.machines.find((machine) => machine !== home) ?? home;
  const asked = (verb: string): Promise<string> => other.sh(`fleetctl ${verb} job.service`);
  context.after(() => home.sh('systemctl start fleet'));
  await home.sh('systemctl stop fleet');
  await until(async () => (await asked('events')).includes('moved'), 'the unit has moved');
  await until(async () => (await asked('explain')).includes('has run to its end with success'), 'it counts as done there');
  assert.equal(await runs(), 2);
  await home.sh('systemctl start fleet');
  await asked('restart');
  await until(async () => await runs() === 3, 'a restart runs it again');
});
