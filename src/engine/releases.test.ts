/** Releases carried out by engines and agents, in one process on a clock moved by hand; the leader dies wherever it can. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createCluster } from '../../sim/cluster.ts';
import type { SimCluster, SimFleetd, SimMachine } from '../../sim/cluster.ts';
import { decideOrder } from '../api/releases/decide-order.ts';
import { decideRelease } from '../api/releases/decide-release.ts';
import type { Basis, Decision } from '../api/write/decision.ts';
import { commitOf } from '../api/write/plan.ts';
import type { Result } from '../core/failure.ts';
import type { ReleaseOptions } from '../core/release/options.ts';
import type { ReleaseRecord, ReleaseWay } from '../core/release/release.ts';
import { createSectionReader } from '../core/schedule/sections.ts';
import type { UnitName } from '../core/unit-name.ts';
import { parseKey } from '../store/keys.ts';

const never = new AbortController().signal;
const apps = 'apps@.service' as UnitName;
const range = 'Port=http:20001-20010';
const unitText = (version: number, ...section: readonly string[]): string => [
  '[Service]', `Environment=VERSION=${String(version)}`, 'ExecStart=/bin/sleep infinity', '[X-Fleet]', ...section, '',
].join('\n');

/** What a person asks through the API, on the newest state of the store. */
async function ask(cluster: SimCluster, decide: (basis: Basis) => Result<Decision<ReleaseRecord>>): Promise<void> {
  const { entries } = await cluster.store.list('', never);
  const revisions = new Map(entries.map(({ key, modRevision }) => [key, modRevision]));
  const decided = decide({
    snapshot: cluster.snapshot(), modRevision: (key) => revisions.get(key) ?? 0, nowMs: cluster.clock.nowMs(),
  });
  assert.ok(decided.ok, decided.ok ? '' : decided.failure.message);
  assert.ok((await cluster.store.commit(commitOf(decided.value.plan), never)).committed);
}

const release = (cluster: SimCluster, text: string, strategy: Partial<ReleaseOptions> = {}): Promise<void> =>
  ask(cluster, (basis) => decideRelease(basis, { name: apps, text, strategy: { minActiveMs: 1_000, ...strategy }, by: 'ann' }, createSectionReader()));

const recordOf = (cluster: SimCluster): ReleaseRecord | undefined => cluster.snapshot().releases.get(apps);
const hasEnded = (cluster: SimCluster): boolean => {
  const state = recordOf(cluster)?.state;
  return state === 'done' || state === 'rolled-back';
};

/** "apps@1.service 20001", one for each instance. */
function portsOf(cluster: SimCluster): readonly string[] {
  return [...cluster.snapshot().assignments.values()]
    .flatMap((ofMachine) => [...ofMachine].map(([name, { ports }]) => `${name} ${String(ports['http'])}`)).sort();
}

function activeCount(cluster: SimCluster): number {
  return [...cluster.snapshot().statuses.values()]
    .reduce((sum, ofMachine) => sum + [...ofMachine.values()].filter(({ active }) => active === 'active').length, 0);
}

interface Scene {
  readonly cluster: SimCluster;
  /** Runs the units. */
  readonly worker: SimMachine;
  /** Leads at the beginning, and runs no unit. */
  readonly leader: SimFleetd;
}

/** A leader, two engines that wait, and a machine for the units: instances 1 to `count` of apps@.service. */
async function begin(count: number, ...section: readonly string[]): Promise<Scene> {
  const cluster = await createCluster();
  const leader = cluster.machine('leader').start();
  await cluster.until(() => leader.engine.role === 'leading');
  cluster.machine('other').start();
  const worker = cluster.machine('worker', { role: 'apps' });
  worker.start();
  await cluster.until(() => cluster.snapshot().machines.size === 3);
  const text = unitText(0, 'MachineMetadata=role=apps', ...section);
  await cluster.want(apps, 'inactive', text);
  for (let number = 1; number <= count; number += 1) await cluster.want(`apps@${String(number)}.service`, 'launched', text);
  await cluster.until(() => activeCount(cluster) === count);
  return { cluster, worker, leader };
}

const nextText = (version: number, ...section: readonly string[]): string => unitText(version, 'MachineMetadata=role=apps', ...section);

/** Which keys the changes of a release write. */
const isOfRelease = (key: string): boolean => ['release', 'unit', 'assignment'].includes(parseKey(key)?.kind ?? '');

/** The new file of a run: one that works, or one that fails at once. */
type NewFile = 'good' | 'bad';

interface Run {
  readonly ports: readonly string[];
  /** Commits of the release, the request itself being the first. */
  readonly commits: number;
  readonly leastActive: number;
}

/** A release of three instances, in which the leader dies after that many commits; null: it lives. */
async function runRelease(way: ReleaseWay, file: NewFile, diesAfter: number | null): Promise<Run> {
  const { cluster, leader } = await begin(3, range);
  let commits = 0;
  let leastActive = Infinity;
  cluster.onChange((batch) => {
    leastActive = Math.min(leastActive, activeCount(cluster));
    if (!batch.changes.some((change) => isOfRelease(change.kind === 'put' ? change.entry.key : change.key))) return;
    commits += 1;
    if (commits === diesAfter) leader.kill();
  });
  const text = nextText(1, range);
  await release(cluster, file === 'good' ? text : text.replace('/bin/sleep infinity', '/bin/sh -c "exit 3"'), { way });
  await cluster.until(() => hasEnded(cluster), 900_000);
  assert.equal(recordOf(cluster)?.state, file === 'good' ? 'done' : 'rolled-back', recordOf(cluster)?.why);
  await cluster.until(() => activeCount(cluster) === 3);
  const ports = portsOf(cluster);
  await cluster.close();
  return { ports, commits, leastActive };
}

describe('the leader dies after each commit of a release, and another one carries it on', () => {
  for (const [way, file, expected] of [
    ['surge', 'good', ['apps@1.service 20005', 'apps@2.service 20006', 'apps@4.service 20004']],
    ['in-place', 'good', ['apps@1.service 20004', 'apps@2.service 20005', 'apps@3.service 20006']],
    ['surge', 'bad', ['apps@1.service 20001', 'apps@2.service 20002', 'apps@3.service 20003']],
  ] as const) {
    test(`${way}, a ${file} file: each time the same instances on the same ports`, async () => {
      const undisturbed = await runRelease(way, file, null);
      assert.deepEqual(undisturbed.ports, expected);
      assert.ok(undisturbed.commits >= (file === 'good' ? 9 : 5), `${String(undisturbed.commits)} commits`);
      for (let diesAfter = 1; diesAfter <= undisturbed.commits; diesAfter += 1) {
        const run = await runRelease(way, file, diesAfter);
        assert.deepEqual(run.ports, expected, `after commit ${String(diesAfter)}`);
        assert.ok(run.leastActive >= (way === 'surge' ? 3 : 2), `${String(run.leastActive)} active, after commit ${String(diesAfter)}`);
      }
    });
  }
});

describe('a release', () => {
  test('of one instance on a range of ten, eleven times, comes round to the first port', async () => {
    const { cluster } = await begin(1, range);
    const ports = [portsOf(cluster)[0]?.split(' ')[1]];
    for (let version = 1; version <= 10; version += 1) {
      await release(cluster, nextText(version, range));
      await cluster.until(() => recordOf(cluster)?.target === version && hasEnded(cluster), 600_000);
      ports.push(portsOf(cluster)[0]?.split(' ')[1]);
    }
    assert.deepEqual(ports, [...Array.from({ length: 10 }, (_, index) => String(20_001 + index)), '20001']);
    assert.equal(recordOf(cluster)?.generations.length, 10);
    await cluster.close();
  });

  test('of a full range goes in place and says so; every instance ends on a port of the range', async () => {
    const { cluster } = await begin(3, 'Port=http:20001-20003');
    await release(cluster, nextText(1, 'Port=http:20001-20003'));
    await cluster.until(() => hasEnded(cluster), 600_000);
    assert.equal(recordOf(cluster)?.state, 'done', recordOf(cluster)?.why);
    assert.match(recordOf(cluster)?.inPlaceWhy ?? '', /20001-20003/);
    assert.deepEqual(portsOf(cluster).map((line) => line.split(' ')[0]), ['apps@1.service', 'apps@2.service', 'apps@3.service']);
    assert.deepEqual(portsOf(cluster).map((line) => line.split(' ')[1]).sort(), ['20001', '20002', '20003']);
    await cluster.close();
  });

  test('whose new file fails rolls back by itself, and the old instances were never touched', async () => {
    const { cluster } = await begin(2, range);
    const before = portsOf(cluster);
    await release(cluster, nextText(1, range).replace('/bin/sleep infinity', '/bin/sh -c "exit 3"'));
    await cluster.until(() => hasEnded(cluster), 600_000);
    assert.equal(recordOf(cluster)?.state, 'rolled-back');
    assert.match(recordOf(cluster)?.why ?? '', /apps@3\.service in the place of apps@1\.service: .*exit status 3/);
    assert.deepEqual(portsOf(cluster), before);
    const origin = recordOf(cluster)?.generations[0]?.hash;
    assert.equal(cluster.snapshot().units.get(apps)?.hash, origin, 'new instances are made of the old file again');
    await cluster.close();
  });

  test('is undone on its way, and afterwards: the kept file comes back', async () => {
    const { cluster } = await begin(2, range);
    await release(cluster, nextText(1, range));
    await cluster.until(() => hasEnded(cluster), 600_000);
    const [first, second] = recordOf(cluster)?.generations ?? [];
    await cluster.clock.advance(300_000);
    assert.ok(first !== undefined && cluster.snapshot().files.has(first.hash), 'nobody uses it, and it is there');
    await ask(cluster, (basis) => decideOrder(basis, { name: apps, action: 'undo', by: 'ann' }, createSectionReader()));
    await cluster.until(() => recordOf(cluster)?.target === 2 && hasEnded(cluster), 600_000);
    const hashes = [...cluster.snapshot().units].filter(([name]) => name !== apps).map(([, { hash }]) => hash);
    assert.deepEqual(hashes, [first.hash, first.hash]);
    assert.notEqual(second?.hash, first.hash);
    await cluster.close();
  });

  for (const section of ['', 'Port=http:20001-20010']) {
    test(`of a global unit ${section === '' ? 'without ports' : 'with ports'} changes one machine after the other`, async () => {
      const name = 'everywhere.service' as UnitName;
      const { cluster } = await begin(0);
      await cluster.want(name, 'launched', unitText(0, 'Global=true', section));
      await cluster.until(() => activeCount(cluster) === 3);
      const generations = (): readonly number[] =>
        [...cluster.snapshot().assignments.values()].flatMap((ofMachine) => ofMachine.get(name)?.release ?? []).sort();
      const seen: string[] = [];
      let leastActive = 3;
      cluster.onChange(() => {
        leastActive = Math.min(leastActive, activeCount(cluster));
        const now = generations().join(' ');
        if (seen.at(-1) !== now) seen.push(now);
      });
      const text = unitText(1, 'Global=true', section);
      await ask(cluster, (basis) =>
        decideRelease(basis, { name, text, strategy: { minActiveMs: 0 }, by: 'ann' }, createSectionReader()));
      await cluster.until(() => cluster.snapshot().releases.get(name)?.state === 'done', 600_000);
      assert.deepEqual(seen, ['0 0 0', '0 0 1', '0 1 1', '1 1 1']);
      assert.ok(leastActive >= 2, `${String(leastActive)} of 3 active`);
      await cluster.close();
    });
  }

  test('leaves alone what a person destroys at the same moment', async () => {
    const { cluster } = await begin(2, range);
    let destroyed: Promise<void> | null = null;
    cluster.onChange(() => {
      const isOnItsWay = (recordOf(cluster)?.moves.length ?? 0) > 0;
      if (isOnItsWay) destroyed ??= cluster.destroy('apps@2.service');
    });
    await release(cluster, nextText(1, range));
    await cluster.until(() => hasEnded(cluster), 600_000);
    assert.deepEqual([...cluster.snapshot().units.keys()].sort(), ['apps@.service', 'apps@3.service']);
    await cluster.close();
  });

  test('waits while machines drain the old instance, before the next one begins', async () => {
    const drained = [range, 'DrainTime=20s'];
    const { cluster } = await begin(2, ...drained);
    let mostActive = 0;
    cluster.onChange(() => { mostActive = Math.max(mostActive, activeCount(cluster)); });
    await release(cluster, nextText(1, ...drained));
    await cluster.until(() => hasEnded(cluster), 600_000);
    assert.equal(mostActive, 3, 'never more than one too many');
    await cluster.close();
  });
});
