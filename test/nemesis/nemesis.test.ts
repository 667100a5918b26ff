/** A short run of the nemesis, for every change; docs/reliability.md has a long one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runNemesis } from './run.ts';

test('two minutes of faults of every kind break no promise, while people start, scale, release, drain and destroy', async (context) => {
  const result = await runNemesis({
    seed: 20, minutes: 2, lab: process.env['FLEET_TEST_LAB'] ?? 'nem', log: (line) => context.diagnostic(line),
  });
  assert.deepEqual(result.violations, [], result.summary.join('\n'));
});
