import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { emptySnapshot } from './cluster.ts';
import type { ClusterSnapshot } from './cluster.ts';
import type { Machine, MachineId, MachineOverride, RosterEntry } from './machine.ts';
import { createRosterWatch } from './roster.ts';
import { createSharedMap } from './shared-map.ts';

const ids = ['aaa', 'bbb', 'ccc', 'ddd'] as MachineId[];
const id = fc.constantFrom(...ids);
/** What happens between two looks. */
const happening = fc.oneof(
  fc.record({ what: fc.constant('comes'), id, bootId: fc.constantFrom('one', 'two') }),
  fc.record({ what: fc.constant('goes'), id, bootId: fc.constant('') }),
  fc.record({ what: fc.constant('is given a unit'), id, bootId: fc.constant('') }),
  fc.record({ what: fc.constant('has no unit'), id, bootId: fc.constant('') }),
  fc.record({ what: fc.constant('is forgotten'), id, bootId: fc.constant('') }),
  fc.record({ what: fc.constant('is written down'), id, bootId: fc.constant('') }),
);

test('a watch finds what one that looks for the first time finds, whatever has happened in between', () => {
  fc.assert(fc.property(fc.array(happening, { maxLength: 40 }), (happenings) => {
    const machines = createSharedMap<MachineId, Machine>();
    const roster = createSharedMap<MachineId, RosterEntry>();
    const overrides = createSharedMap<MachineId, MachineOverride>();
    const assignments = createSharedMap<MachineId, never>();
    const snapshot = (): ClusterSnapshot =>
      ({ ...emptySnapshot, machines: machines.shared(), roster: roster.shared(), overrides: overrides.shared(), assignments: assignments.shared() });
    const watch = createRosterWatch();
    for (const [nowMs, { what, id: of, bootId }] of happenings.entries()) {
      const found = watch.changes(snapshot(), nowMs, new Set());
      if (what === 'comes') machines.put(of, { bootId, publicIp: '', hostname: '', left: false } as Machine);
      else if (what === 'goes') machines.put(of, null);
      else if (what === 'is given a unit') assignments.put(of, new Map() as never);
      else if (what === 'has no unit') assignments.put(of, null);
      else if (what === 'is forgotten') overrides.put(of, { forget: roster.get(of)?.goneSinceMs ?? null } as MachineOverride);
      else if (found.has(of)) roster.put(of, found.get(of) ?? null);
      assert.deepEqual(
        new Map([...watch.changes(snapshot(), nowMs, new Set())].sort()),
        new Map([...createRosterWatch().changes(snapshot(), nowMs, new Set())].sort()),
      );
    }
  }));
});
