import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Result } from '../failure.ts';
import { noReleaseOptions, printBatch, releaseOptionRules, resolveStrategy } from './options.ts';
import type { ReleaseOptions } from './options.ts';
import { defaultStrategy } from './release.ts';

function read(option: string, value: string, before: ReleaseOptions = noReleaseOptions): Result<ReleaseOptions> {
  const rule = releaseOptionRules[option];
  assert.ok(rule, option);
  return rule(before, value);
}

const good: readonly { option: string; value: string; part: Partial<ReleaseOptions> }[] = [
  { option: 'ReleaseStrategy', value: 'surge', part: { way: 'surge' } },
  { option: 'ReleaseStrategy', value: 'in-place', part: { way: 'in-place' } },
  { option: 'ReleaseBatch', value: '3', part: { batch: { amount: 3, percent: false } } },
  { option: 'ReleaseBatch', value: '25%', part: { batch: { amount: 25, percent: true } } },
  { option: 'ReleasePause', value: 'yes', part: { pause: true } },
  { option: 'ReleaseMaxFailures', value: '2', part: { maxFailures: 2 } },
  { option: 'ReleaseMinActive', value: '0', part: { minActiveMs: 0 } },
  { option: 'ReleaseHealthTimeout', value: '1min 30s', part: { healthTimeoutMs: 90_000 } },
  { option: 'ReleaseRollback', value: 'no', part: { rollback: false } },
];
for (const { option, value, part } of good) {
  test(`${option}=${value} is understood, and an empty value forgets it`, () => {
    const after = read(option, value);
    assert.deepEqual(after, { ok: true, value: { ...noReleaseOptions, ...part } });
    assert.deepEqual(after.ok && read(option, '', after.value), { ok: true, value: noReleaseOptions });
  });
}

const bad: readonly { option: string; value: string; why: string }[] = [
  { option: 'ReleaseStrategy', value: 'canary', why: 'write surge or in-place' },
  { option: 'ReleaseBatch', value: '0', why: 'write a number of units such as 2, or a share of them such as 25%' },
  { option: 'ReleaseBatch', value: '101%', why: 'write a number of units such as 2, or a share of them such as 25%' },
  { option: 'ReleaseBatch', value: '-1', why: 'write a number of units such as 2, or a share of them such as 25%' },
  { option: 'ReleasePause', value: 'maybe', why: 'write true or false' },
  { option: 'ReleaseMaxFailures', value: 'all', why: 'write a number of units such as 1' },
  { option: 'ReleaseMinActive', value: 'infinity', why: 'write a time from 0s to 86400s, such as 5s or 1min 30s' },
  { option: 'ReleaseHealthTimeout', value: '0', why: 'write a time from 1s to 86400s, such as 5s or 1min 30s' },
];
for (const { option, value, why } of bad) {
  test(`${option}=${value} is refused: ${why}`, () => {
    assert.deepEqual(read(option, value), { ok: false, failure: { code: 'UNIT_OPTION_INVALID', message: why } });
  });
}

test('what the command says wins over the unit, and the unit over the default, part by part', () => {
  const unit: ReleaseOptions = { ...noReleaseOptions, way: 'in-place', batch: { amount: 50, percent: true }, rollback: false };
  assert.deepEqual(resolveStrategy({ batch: { amount: 2, percent: false } }, unit), {
    ...defaultStrategy, way: 'in-place', batch: { amount: 2, percent: false }, rollback: false,
  });
  assert.deepEqual(resolveStrategy(), defaultStrategy);
});

test('a batch is printed as it is written', () => {
  for (const text of ['1', '32', '25%']) {
    const after = read('ReleaseBatch', text);
    assert.equal(after.ok && after.value.batch !== null && printBatch(after.value.batch), text);
  }
});
