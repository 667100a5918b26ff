/** When most machines vanish at once, nothing moves until a person says so, and everybody who looks sees why. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cluster } from './cluster.ts';
import { until } from './lab/command.ts';
import { done, lastEvent, mainPids, placesOf, startOneOnEachMachine } from './units.ts';

test('three of four machines that vanish keep their units until the hold is released by hand; list-machines and /healthz show it', async (context) => {
  const shared = await cluster();
  const places = await startOneOnEachMachine(shared);
  const before = await mainPids(places);
  const told = async (): Promise<readonly string[]> => Promise.all([...places.keys()].map((unit) => lastEvent(shared, unit)));
  const placed = await told();
  const lost = ['m83', 'm86', 'm82'].map((name) => shared.machines.find((machine) => machine.name === name)).filter((machine) => machine !== undefined);
  context.after(() => Promise.all(lost.map((machine) => machine.join())));
  await Promise.all(lost.map((machine) => machine.cut()));
  const note = await until(async () => /^NOTE: hold: .*$/m.exec((await shared.fleetctl('list-machines')).stderr)?.[0], 'list-machines shows the hold');
  assert.match(note, /units of missing machines \(3\) stay assigned to them until .*"fleetctl hold --release" ends it/);
  await until(async () => (await shared.fleetctl('list-machines', '--no-legend')).stdout.trim().split('\n').length === 1, 'one machine is left');
  assert.match(await shared.sh('curl -s --unix-socket /run/fleet.sock http://fleet/healthz'), /^ok\nhold: /);
  assert.deepEqual(await told(), placed, 'nothing was placed anew');
  assert.deepEqual(await mainPids(places), before);

  await done(shared.fleetctl, 'hold', '--release');
  await until(async () => (await placesOf(shared)).size === 4, 'the units run on the machine that is left');
  assert.deepEqual(new Set((await placesOf(shared)).values()), new Set([shared.machine('m85')]));
  await Promise.all(lost.map((machine) => machine.join()));
  await until(async () => (await mainPids(places)).filter((line) => !line.endsWith(' 0')).length === 1, 'the machines are back and have stopped what moved');
});
