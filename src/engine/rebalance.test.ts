/** Whole clusters that a person has rebalanced after a machine came. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { createCluster, sleeper } from '../../sim/cluster.ts';
import type { SimCluster, SimFleetd } from '../../sim/cluster.ts';
import { limits } from '../core/limits.ts';
import { keys } from '../store/keys.ts';
import { encodeRecord } from '../store/records.ts';

const never = new AbortController().signal;
const names = Array.from({ length: 24 }, (_, index) => `app@${String(index).padStart(2, '0')}.service`);

describe('a cluster to which a machine has come', () => {
  let cluster: SimCluster;
  let fleetds: Map<string, SimFleetd>;
  const on = (machine: string): number => names.filter((name) => cluster.machinesOf(name).includes(machine)).length;
  const isUp = (name: string): boolean => cluster.machinesOf(name).some((machine) => cluster.status(machine, name)?.active === 'active');
  const order = async (value: object | null): Promise<void> => {
    const key = keys.rebalance;
    await cluster.store.commit({ guards: [], changes: [value === null ? { kind: 'delete', key } : { kind: 'put', key, value: encodeRecord(value as never) }] }, never);
  };
  const begin = (): Promise<void> => order({ sinceMs: cluster.clock.nowMs(), by: 'ann', fenced: false });

  beforeEach(async () => {
    cluster = await createCluster();
    fleetds = new Map(['aaa', 'bbb'].map((id) => [id, cluster.machine(id).start()]));
    await cluster.until(() => cluster.snapshot().machines.size === 2);
    for (const name of names) await cluster.want(name, 'launched', sleeper);
    await cluster.until(() => names.every(isUp));
    fleetds.set('ccc', cluster.machine('ccc').start());
    await cluster.until(() => cluster.snapshot().machines.size === 3);
  });
  afterEach(() => cluster.close());

  test('moves units there, few at a time, until all have as many, and then the rebalance is over', async () => {
    let most = 0;
    cluster.onChange(() => {
      most = Math.max(most, names.filter((name) => !isUp(name)).length);
    });
    assert.equal(on('ccc'), 0, 'nothing moves by itself');
    await begin();
    await cluster.until(() => cluster.snapshot().rebalance === null);
    assert.deepEqual(['aaa', 'bbb', 'ccc'].map(on), [8, 8, 8]);
    assert.ok(names.every(isUp));
    assert.ok(most >= 1 && most <= limits.drainMovesMax, `${String(most)} units were on their way at once`);
  });

  test('goes on when the leader dies in the middle', async () => {
    await begin();
    await cluster.until(() => on('ccc') > 0);
    fleetds.get(cluster.snapshot().leader?.machine ?? '')?.kill();
    // What stood on the machine that died comes later than the rest.
    await cluster.until(() => cluster.snapshot().rebalance === null && on('ccc') >= 8, 300_000);
  });

  test('stops when a person stops it, and what was moved stays', async () => {
    await begin();
    await cluster.until(() => on('ccc') > 0);
    await order(null);
    await cluster.until(() => names.every(isUp));
    const moved = on('ccc');
    await cluster.clock.advance(60_000);
    assert.equal(on('ccc'), moved);
    assert.ok(moved < 8, `${String(moved)} were moved`);
  });
});
