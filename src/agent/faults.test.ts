/** Every call to the store fails once, before and after its effect: the cluster gets where it should all the same. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assignmentsOf, createCluster, sleeper } from '../../sim/cluster.ts';
import type { SimCluster } from '../../sim/cluster.ts';
import type { UnitName } from '../core/unit-name.ts';
import { seededRandom } from '../lib/random.ts';
import type { StoreCall, StoreFault } from '../store/memory-store.ts';

const withGlobal = `${sleeper}[X-Fleet]\nGlobal=true\n`;

/** More calls than the story makes: the loop must have ended by then. */
const callsMax = 400;

/** What goes wrong: with calls to the store of the first machine's fleetd, which leads, and with calls to its runner. */
interface Trouble {
  readonly seed: number;
  readonly faultOf: (call: StoreCall) => StoreFault;
  /** The runner's call of this number fails. */
  readonly failRunnerCall?: number;
}

/** The story: two machines, units come, change and go. Answers how many calls the first machine's runner was asked. */
async function runStory({ seed, faultOf, failRunnerCall }: Trouble): Promise<number> {
  const cluster = await createCluster(seed);
  const doubles = watchForDoubles(cluster);
  try {
    const first = cluster.machine('aaa');
    first.units.faults.failCall = failRunnerCall ?? null;
    let isCalm = false;
    first.start((call) => (isCalm ? {} : faultOf(call)));
    await cluster.until(() => cluster.snapshot().leader !== null, 300_000);
    cluster.machine('bbb').start();
    await cluster.want('a.service', 'launched', sleeper);
    await cluster.want('b.service', 'launched', sleeper);
    await cluster.want('g.service', 'launched', withGlobal);
    await cluster.until(() => runs(cluster, 'a.service') && runs(cluster, 'b.service'), 300_000);
    await cluster.restart('a.service');
    await cluster.want('b.service', 'loaded');
    await cluster.want('c.service', 'launched', sleeper);
    await cluster.until(() => runs(cluster, 'c.service') && statusOf(cluster, 'a.service')?.restart === 1, 300_000);
    await cluster.destroy('c.service');
    await cluster.clock.advance(1_000);
    isCalm = true;
    await cluster.until(() => isSettled(cluster), 300_000);
    await cluster.clock.advance(120_000);
    assert.ok(isSettled(cluster), 'it stays as it was wanted');
    assert.deepEqual(doubles, [], 'no unit ever had two machines');
    return first.units.calls;
  } finally {
    await cluster.close();
  }
}

function watchForDoubles(cluster: SimCluster): readonly string[] {
  const doubles: string[] = [];
  cluster.onChange(() => {
    for (const name of ['a.service', 'b.service', 'c.service']) {
      const machines = [...assignmentsOf(cluster.snapshot(), name as UnitName).keys()];
      if (machines.length > 1) doubles.push(`${name} on ${machines.join(' and ')}`);
    }
  });
  return doubles;
}

const statusOf = (cluster: SimCluster, name: string): ReturnType<SimCluster['status']> =>
  cluster.machinesOf(name).map((machine) => cluster.status(machine, name))[0];
const runs = (cluster: SimCluster, name: string): boolean => statusOf(cluster, name)?.active === 'active';

/** All is as wanted, and what the store says of units is what the machines have. */
function isSettled(cluster: SimCluster): boolean {
  const { statuses, machines } = cluster.snapshot();
  if (machines.size !== 2 || cluster.machinesOf('g.service').length !== 2) return false;
  if (!runs(cluster, 'a.service') || statusOf(cluster, 'b.service')?.active !== 'inactive' || statuses.size !== 2) return false;
  return cluster.machines().every(({ id, units }) => {
    const reported = statuses.get(id);
    return reported?.size === units.units.size && [...units.units].every(([name, unit]) => {
      const status = reported.get(name);
      return status?.active === unit.active && status.mainPid === unit.mainPid && status.restart === unit.restart;
    });
  });
}

const faults: Readonly<Record<string, StoreFault>> = {
  'that has no effect': { fails: 'before' },
  'that has its effect without an answer': { fails: 'after' },
  'that takes longer than anybody waits': { delayMs: 45_000 },
};

describe('a cluster whose leader has trouble gets where it should', () => {
  for (const [words, fault] of Object.entries(faults)) {
    test(`each call to the store fails once: one ${words}`, async () => {
      let failing = 1;
      for (let failed = true; failed; failing += 1) {
        failed = false;
        const faultOf = ({ number }: StoreCall): StoreFault => {
          failed ||= number === failing;
          return number === failing ? fault : {};
        };
        await runStory({ seed: failing, faultOf });
        assert.ok(failing < callsMax, 'the story has an end');
      }
      assert.ok(failing > 20, `only ${String(failing)} calls were made`);
    });
  }

  test('each call to the runner fails once', async () => {
    let calls = callsMax;
    for (let failing = 1; failing <= calls; failing += 1) {
      calls = Math.min(callsMax, await runStory({ seed: failing, faultOf: () => ({}), failRunnerCall: failing }));
    }
    assert.ok(calls > 10 && calls < callsMax, `${String(calls)} calls were made`);
  });

  test('one call in ten fails somehow, at random', async () => {
    for (let seed = 1; seed <= 40; seed += 1) {
      const random = seededRandom(seed);
      const kinds = Object.values(faults);
      const faultOf = (): StoreFault => (random.next() < 0.1 ? kinds[Math.floor(random.next() * kinds.length)] ?? {} : {});
      await assert.doesNotReject(runStory({ seed, faultOf }), `seed ${String(seed)}`);
    }
  });
});
