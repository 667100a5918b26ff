/** What a leader writes down of machines that are gone. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emptySnapshot } from '../core/cluster.ts';
import type { ClusterSnapshot } from '../core/cluster.ts';
import type { Machine, MachineId, RosterEntry } from '../core/machine.ts';
import { createRosterWatch } from '../core/roster.ts';
import { keys } from '../store/keys.ts';
import { decodeRosterEntry } from '../store/records.ts';
import type { Revision } from '../store/store.ts';
import { keepHouse } from './housekeeping.ts';
import { createMassLoss } from './mass-loss.ts';

const [stays, goes] = ['aaa', 'bbb'] as [MachineId, MachineId];
const machine = (id: MachineId, left = false): [MachineId, Machine] => [id, { bootId: '', publicIp: '', hostname: '', left } as Machine];
const entry: RosterEntry = { firstSeenMs: 0, lastSeenMs: 0, bootId: '', publicIp: '', hostname: '', goneSinceMs: null, left: false };
const now = { uptimeMs: 0, nowMs: 5 };
const snapshotOf = (...machines: readonly [MachineId, Machine][]): ClusterSnapshot =>
  ({ ...emptySnapshot, machines: new Map(machines), roster: new Map([[stays, entry], [goes, entry]]) });

for (const [what, said] of [['left', true], ['is lost', false]] as const) {
  test(`a machine whose word and record went before any pass ${what}`, () => {
    const massLoss = createMassLoss({ windowMs: 5_000, holdMs: 0 });
    massLoss.look(snapshotOf(machine(stays), machine(goes, said)), now);
    massLoss.look(snapshotOf(machine(stays)), now);
    const { parts } = keepHouse({ snapshot: snapshotOf(machine(stays)), revisionOf: () => 1 as Revision, massLoss, roster: createRosterWatch(), now, newName: () => '' });
    const [change] = parts.flatMap(({ changes }) => changes).filter(({ key }) => key === keys.rosterEntry(goes));
    assert.equal(change?.kind, 'put');
    const written = decodeRosterEntry(change.value);
    assert.deepEqual(written, { ok: true, value: { ...entry, lastSeenMs: 5, goneSinceMs: 5, left: said } });
  });
}
