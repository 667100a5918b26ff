/** Memory, zones and priorities on real machines: what fleet.conf reserves, what [Service] limits, and what explain says of each machine. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { cluster, type Cluster } from './cluster.ts';
import { until } from './lab/command.ts';
import { done, placesOf, startUnit, writeUnit } from './units.ts';

/** Adds lines to fleet.conf and a zone to the metadata of a machine, until the test is over. */
async function configure(shared: Cluster, context: TestContext, { name, zone, lines }: { name: 'm82' | 'm83' | 'm85' | 'm86'; zone: string; lines: string }): Promise<void> {
  const machine = shared.machine(name);
  await machine.sh(`cp /etc/fleet/fleet.conf /root/fleet.conf.before; sed -i s/role=default/role=default,zone=${zone}/ /etc/fleet/fleet.conf
    printf '\\n%s\\n' '${lines}' >>/etc/fleet/fleet.conf; systemctl reload fleet`);
  context.after(() => machine.sh('mv /root/fleet.conf.before /etc/fleet/fleet.conf; systemctl reload fleet'));
}

async function threeWithRoom(context: TestContext): Promise<Cluster> {
  const shared = await cluster();
  await configure(shared, context, { name: 'm85', zone: 'a', lines: 'reserved_memory=100%' });
  await configure(shared, context, { name: 'm82', zone: 'a', lines: 'reserved_memory=5%' });
  await configure(shared, context, { name: 'm83', zone: 'b', lines: 'reserved_memory=5%' });
  await configure(shared, context, { name: 'm86', zone: 'b', lines: 'reserved_memory=5%' });
  await until(async () => {
    const { stdout } = await shared.fleetctl('list-machines', '--no-legend', '--fields=metadata');
    return stdout.split('zone=').length === 5;
  }, 'all machines have a zone');
  return shared;
}

const limited = (memory: string, fleet: string): string =>
  `[Service]\nExecStart=/bin/sleep infinity\nMemoryMax=${memory}\n\n[X-Fleet]\n${fleet}\n`;

/** As much memory as two units cannot have on one machine. */
async function threeFifths(shared: Cluster): Promise<string> {
  const total = Number(await shared.machine('m85').sh("awk '/MemTotal/ {print $2}' /proc/meminfo"));
  return `${String(Math.floor(total * 0.6))}K`;
}

test('a unit comes where there is memory for its MemoryMax=, another one waits, and explain says what each machine lacks', async (context) => {
  const shared = await threeWithRoom(context);
  await writeUnit(shared, 'big@.service', limited(await threeFifths(shared), 'SpreadBy=zone'));
  const started = await shared.fleetctl('start', 'big@{1..3}.service');
  assert.equal(started.code, 0, started.stderr + started.stdout);
  const places = await placesOf(shared);
  assert.deepEqual(new Set([...places.values()].map(({ name }) => name)), new Set(['m82', 'm83', 'm86']));

  await done(shared.fleetctl, 'start', '--no-block', 'big@4.service');
  const explained = async (): Promise<string> => (await shared.fleetctl('explain', 'big@4.service')).stdout;
  await until(async () => /0 of 4 machines fit: needs \S+ of memory \(4\)/.test(await explained()), explained);
  assert.equal((await explained()).match(/needs \S+ of memory; \S+ of \S+ memory free/g)?.length, 4, await explained());
  await done(shared.fleetctl, 'destroy', 'big@1.service');
  await until(async () => (await placesOf(shared)).has('big@4.service'), explained);
  assert.match(await explained(), /zone=\S has \d of big@\.service; of such machines the least loaded that fits/);
});

test('a unit of higher priority takes the room of one that allows it, which says for whom it made room', async (context) => {
  const shared = await threeWithRoom(context);
  const memory = await threeFifths(shared);
  await writeUnit(shared, 'low@.service', limited(memory, 'Preemptible=true'));
  const started = await shared.fleetctl('start', 'low@{1..3}.service');
  assert.equal(started.code, 0, started.stderr + started.stdout);
  await startUnit(shared, 'high.service', limited(memory, 'Priority=10'));
  const places = await placesOf(shared);
  assert.ok(places.has('high.service'));
  assert.equal([...places.keys()].filter((name) => name.startsWith('low@')).length, 2);
  const { stdout } = await shared.fleetctl('explain', 'high.service');
  assert.match(stdout, /low@\d\.service \(priority 0\) made room for it/);
  const gone = ['low@1.service', 'low@2.service', 'low@3.service'].find((name) => !places.has(name)) ?? '';
  const events = await shared.fleetctl('events', gone);
  assert.match(events.stdout, /made room for high\.service \(priority 10\)/);
});
