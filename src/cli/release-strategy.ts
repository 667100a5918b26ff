/**
 * The flags of `fleetctl release` about how it proceeds, as the API wants them.
 * Promises: the same values are understood as in unit files; what is wrong is one line that names the flag.
 */
import { failure, success } from '../core/failure.ts';
import type { Result } from '../core/failure.ts';
import { noReleaseOptions, printBatch, releaseOptionRules } from '../core/release/options.ts';
import type { ReleaseOptions } from '../core/release/options.ts';
import type { StrategyWish } from '../protocol/releases.ts';
import type { Flags } from './arguments.ts';

/** Flags with a value, and the option of [X-Fleet] that each stands for. */
const optionOfFlag: Readonly<Record<string, string>> = {
  batch: 'ReleaseBatch',
  'max-failures': 'ReleaseMaxFailures',
  'min-active': 'ReleaseMinActive',
  'health-timeout': 'ReleaseHealthTimeout',
};

/** What the flags say; what they do not say is left to the unit's file. */
export function readStrategy(flags: Flags): Result<StrategyWish> {
  if (flags.isOn('surge') && flags.isOn('in-place')) {
    return failure('USAGE_INVALID', '--surge and --in-place exclude each other; give one of them');
  }
  let options: ReleaseOptions = noReleaseOptions;
  for (const [flag, option] of Object.entries(optionOfFlag)) {
    const rule = releaseOptionRules[option];
    if (!flags.given(flag) || rule === undefined) continue;
    const read = rule(options, flags.text(flag));
    if (!read.ok) {
      return failure('USAGE_INVALID', `invalid value "${flags.text(flag)}" for flag --${flag}: ${read.failure.message}`);
    }
    options = read.value;
  }
  const { batch, maxFailures, minActiveMs, healthTimeoutMs } = options;
  return success({
    ...(flags.isOn('surge') ? { way: 'surge' as const } : {}),
    ...(flags.isOn('in-place') ? { way: 'in-place' as const } : {}),
    ...(batch === null ? {} : { batch: printBatch(batch) }),
    ...(flags.given('pause') ? { pause: flags.isOn('pause') } : {}),
    ...(maxFailures === null ? {} : { maxFailures }),
    ...(minActiveMs === null ? {} : { minActiveMs }),
    ...(healthTimeoutMs === null ? {} : { healthTimeoutMs }),
    ...(flags.given('no-rollback') ? { rollback: !flags.isOn('no-rollback') } : {}),
  });
}
