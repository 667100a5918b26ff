/** Which oneshots are not run again, by what a machine has on its disk. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { notStarted, unchecked, unfenced, withoutPorts } from '../core/unit.ts';
import type { Assignment, FileHash, UnitStatus } from '../core/unit.ts';
import type { UnitName } from '../core/unit-name.ts';
import { createLog } from '../lib/log.ts';
import { createFinished } from './finished.ts';
import type { Finished } from './finished.ts';

const job = 'job.service' as UnitName;
const hash = 'a'.repeat(40) as FileHash;
const assigned: Assignment = {
  hash, desired: 'launched', restart: 0, reset: 0, ...withoutPorts, why: '', assignedAtMs: 5, finished: false, ...unfenced,
};
const done: UnitStatus = {
  load: 'loaded', active: 'inactive', sub: 'dead', hash, sinceMs: 0, result: 'success', exitStatus: 0, succeeded: true,
  restarts: 0, mainPid: 0, restart: 0, reset: 0, problem: '', ...unchecked,
};
const one = <T>(value: T): ReadonlyMap<UnitName, T> => new Map([[job, value]]);

/** A machine whose oneshot has succeeded, after a reboot. */
async function afterReboot(): Promise<Finished> {
  const texts = new Map<string, string>();
  const memory = {
    read: (name: string): Promise<string | null> => Promise.resolve(texts.get(name) ?? null),
    write: (name: string, text: string): Promise<void> => Promise.resolve(void texts.set(name, text)),
  };
  const log = createLog('test', 'error', () => undefined);
  await createFinished(memory, log).settle(one(done), one(assigned));
  const finished = createFinished(memory, log);
  await finished.recall();
  return finished;
}

const wishes: readonly (readonly [what: string, wish: Partial<Assignment>, runs: boolean])[] = [
  ['the same wish does not run again', {}, false],
  ['nor when its ports or its reason have changed since', { why: 'the least loaded machine', portMoves: 1 }, false],
  ['a restart runs', { restart: 1 }, true],
  ['another file runs', { hash: 'b'.repeat(40) as FileHash }, true],
  ['a unit of that name that was created anew while the machine was away runs', { assignedAtMs: 6 }, true],
  ['what the store says has succeeded does not run', { assignedAtMs: 6, finished: true }, false],
];
for (const [what, wish, runs] of wishes) {
  test(`a oneshot that has succeeded, after a reboot: ${what}`, async () => {
    const finished = await afterReboot();
    const wanted = one({ ...assigned, ...wish });
    assert.equal(finished.units(wanted).has(job), !runs);
    const loaded = { ...done, succeeded: false, restart: notStarted, hash: wanted.get(job)?.hash ?? hash };
    assert.equal((await finished.settle(one(loaded), wanted)).get(job)?.succeeded, !runs);
  });
}
