/** The user's question: any port of a service, the range controllable, for example [20001-20010]=apps.war. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cluster } from './cluster.ts';
import { until } from './lab/command.ts';
import { answers, portsOf, webServer } from './ports.ts';
import { done, writeUnit } from './units.ts';

test('ten instances on one machine have ports 20001 to 20010, the eleventh is told why it has none and gets the first that is free', async () => {
  const made = await cluster();
  const machine = made.machine('m85');
  const set = await made.fleetctl('ports', 'set', '[20001-20010]=apps.war');
  assert.equal(set.stdout, 'Pool apps.war has ports 20001-20010\n', set.stderr);
  await writeUnit(made, 'apps@.service', webServer(`MachineID=${machine.id}`, 'Port=apps.war'));
  const started = await made.fleetctl('start', 'apps@{1..10}.service');
  assert.equal(started.code, 0, started.stderr + started.stdout);
  const ports = await portsOf(made);
  assert.equal(ports.size, 10);
  assert.deepEqual([...ports.values()].sort(), Array.from({ length: 10 }, (_, index) => 20_001 + index));
  // A simple service has started before it listens.
  for (const port of ports.values()) await until(async () => answers(machine, port), `a server answers on ${String(port)}`);
  const listed = await made.fleetctl('list-units', '--no-legend', '--fields=unit,ports', '--output=table');
  assert.ok(listed.stdout.includes(`apps.war=${String(ports.get('apps@1.service'))}`), listed.stdout);

  const eleventh = await made.fleetctl('start', 'apps@11.service');
  assert.equal(eleventh.code, 1, eleventh.stdout + eleventh.stderr);
  assert.match(eleventh.stderr, /all 10 ports of pool apps\.war \(20001-20010\) are in use: 10 by apps@\.service/);
  const explained = await made.fleetctl('explain', 'apps@11.service');
  assert.match(explained.stdout, /all 10 ports of pool apps\.war \(20001-20010\) are in use: 10 by apps@\.service/);

  const freed = ports.get('apps@4.service');
  await made.fleetctl('destroy', 'apps@4.service');
  await until(async () => (await portsOf(made)).get('apps@11.service') === freed, async () => `the freed port is taken: ${(await made.fleetctl('ports')).stdout}`);
  await until(async () => answers(machine, freed ?? 0), 'the eleventh answers there');

  const shrunk = await made.fleetctl('ports', 'set', 'apps.war', '20001-20005');
  assert.equal(shrunk.code, 1, shrunk.stdout + shrunk.stderr);
  assert.match(shrunk.stderr, /^Error managing ports: ports of pool "apps\.war" outside of 20001-20005 are given out: .* with --force .*\n$/);
  assert.equal((await made.fleetctl('ports', 'unset', 'apps.war')).code, 1);
  const before = await portsOf(made);
  await done(made.fleetctl, 'ports', 'set', 'apps.war', '20001-20005', '--force');
  assert.match((await made.fleetctl('ports', 'list')).stdout, /apps\.war\s+20001-20005\s+5\s+10/);
  assert.deepEqual(await portsOf(made), before, 'no unit loses its port');
  await done(made.fleetctl, 'ports', 'unset', 'apps.war', '--force');
});

test('wrong pools, ranges and names are one line each that names the text', async () => {
  const made = await cluster();
  await made.fleetctl('ports', 'set', 'taken', '30001-30010');
  const wrong: readonly (readonly [readonly string[], RegExp])[] = [
    [['set', 'apps.war', '20010-20001'], /^"20010-20001" is not a port range; write the lower port first, as in 20001-20010\n$/],
    [['set', '[20001]=9apps'], /^"9apps" is not a name of ports; .*\n$/],
    [['set', 'other', '30010-30020'], /^Error managing ports: 30010-30020 overlaps pool "taken" \(30001-30010\); .*--force\n$/],
    [['show', 'nothere'], /^there is no pool "nothere"\n$/],
    [['unset', 'nothere'], /^Error managing ports: there is no pool "nothere"\n$/],
  ];
  for (const [words, line] of wrong) {
    const { code, stderr } = await made.fleetctl('ports', ...words);
    assert.notEqual(code, 0, words.join(' '));
    assert.match(stderr, line);
  }
  const warned = await made.fleetctl('ports', 'set', 'low', '80-90');
  assert.equal(warned.code, 0, warned.stdout + warned.stderr);
  assert.equal(warned.stderr, 'WARNING: 80-90 has ports below 1024, which only privileged processes may listen on\n');
  const ephemeral = await made.fleetctl('ports', 'set', 'high', '40000-40010');
  assert.match(ephemeral.stderr, /^WARNING: 40000-40010 lies in ip_local_port_range 32768-60999: .*\n$/);
  await writeUnit(made, 'wrong.service', webServer('Port=http:20001..20010'));
  const refused = await made.fleetctl('start', 'wrong.service');
  assert.equal(refused.code, 1, refused.stdout + refused.stderr);
  assert.match(refused.stderr, /^wrong\.service:5: error: Port=http:20001\.\.20010: "20001\.\.20010" is not a port range; write LOW-HIGH, as in 20001-20010\n$/);
  await writeUnit(made, 'poolless.service', webServer('Port=nothere'));
  const poolless = await made.fleetctl('start', 'poolless.service');
  assert.equal(poolless.code, 1, poolless.stdout + poolless.stderr);
  assert.match(poolless.stderr, /^Error starting units: poolless\.service: Port=nothere: there is no pool "nothere"; make it with "fleetctl ports set nothere LOW-HIGH"\n$/);
  for (const name of ['taken', 'low', 'high']) await made.fleetctl('ports', 'unset', name);
});
