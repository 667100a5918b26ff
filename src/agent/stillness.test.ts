import assert from 'node:assert/strict';
import { test } from 'node:test';
import { notStarted } from '../core/unit.ts';
import type { UnitName } from '../core/unit-name.ts';
import { createManualClock } from '../lib/manual-clock.ts';
import type { Observation } from '../runner/runner.ts';
import { createStillness } from './stillness.ts';

const name = 'app.service' as UnitName;
const seen = (active: string, restart = 0): ReadonlyMap<UnitName, Observation> => new Map([[name, { active, restart } as Observation]]);
const nobody: ReadonlySet<UnitName> = new Set();

test('units are still unless one starts, stops, is told to stop, or has not settled', () => {
  const cases: readonly (readonly [string, ReadonlyMap<UnitName, Observation>, ReadonlySet<UnitName>, boolean])[] = [
    ['running', seen('active'), nobody, true],
    ['failed', seen('failed'), nobody, true],
    ['stopped', seen('inactive', notStarted), nobody, true],
    ['starting', seen('activating'), nobody, false],
    ['stopping', seen('deactivating'), nobody, false],
    ['told to stop', seen('active', notStarted), nobody, false],
    ['running for a moment', seen('active'), new Set([name]), false],
    ['gone, and not settled before', new Map(), new Set([name]), true],
  ];
  for (const [what, observations, early, expected] of cases)
    assert.equal(createStillness(createManualClock()).look(observations, early), expected, what);
});

test('a unit that is long on its way is not waited for, until it begins anew', async () => {
  const clock = createManualClock();
  const stillness = createStillness(clock);
  assert.equal(stillness.look(seen('activating'), nobody), false);
  await clock.advance(1_000);
  assert.equal(stillness.look(seen('activating'), nobody), true);
  assert.equal(stillness.look(seen('active'), nobody), true);
  assert.equal(stillness.look(seen('deactivating'), nobody), false);
});
