/**
 * How a release proceeds, as people write it: options of [X-Fleet] and flags of fleetctl, which share these readers.
 * Promises: a wrong value is a failure that says what would be right; what a command says wins over the unit, and the unit over
 * the default.
 */
import { failure, success } from '../failure.ts';
import type { Result } from '../failure.ts';
import { readSpanMs } from '../health-check.ts';
import { defaultStrategy, releaseWays } from './release.ts';
import type { ReleaseBatch, ReleaseStrategy } from './release.ts';

/** What a unit, or a command, says about releases; null where it says nothing. */
export type ReleaseOptions = { readonly [K in keyof ReleaseStrategy]: ReleaseStrategy[K] | null };

export const noReleaseOptions: ReleaseOptions = {
  way: null, batch: null, pause: null, maxFailures: null, minActiveMs: null, healthTimeoutMs: null, rollback: null,
};

const batchAmountMax = 10_000;
const failuresMax = 10_000;
const longestMs = 86_400_000;
const leastTimeoutMs = 1_000;

/** Reads one option on top of those before it; an empty value forgets it. */
export type ReleaseOptionRule = (before: ReleaseOptions, value: string) => Result<ReleaseOptions>;

/** A row of the table: the part of the strategy an option fills, and how its value is read. */
function into<F extends keyof ReleaseStrategy>(field: F, read: (value: string) => Result<ReleaseStrategy[F]>): ReleaseOptionRule {
  return (before, value) => {
    const after = value === '' ? success(null) : read(value);
    return after.ok ? success({ ...before, [field]: after.value }) : after;
  };
}

/** The options of [X-Fleet] about releases. */
export const releaseOptionRules: Readonly<Record<string, ReleaseOptionRule>> = {
  ReleaseStrategy: into('way', readWay),
  ReleaseBatch: into('batch', readBatch),
  ReleasePause: into('pause', readYesNo),
  ReleaseMaxFailures: into('maxFailures', readFailures),
  ReleaseMinActive: into('minActiveMs', (value) => readSpanMs(value, 0, longestMs)),
  ReleaseHealthTimeout: into('healthTimeoutMs', (value) => readSpanMs(value, leastTimeoutMs, longestMs)),
  ReleaseRollback: into('rollback', readYesNo),
};

/** The strategy of a release: the first of the options, in order of their weight, that says something about each part. */
export function resolveStrategy(...options: readonly Partial<ReleaseOptions>[]): ReleaseStrategy {
  return options.reduceRight<ReleaseStrategy>((strategy, weightier) => ({
    way: weightier.way ?? strategy.way,
    batch: weightier.batch ?? strategy.batch,
    pause: weightier.pause ?? strategy.pause,
    maxFailures: weightier.maxFailures ?? strategy.maxFailures,
    minActiveMs: weightier.minActiveMs ?? strategy.minActiveMs,
    healthTimeoutMs: weightier.healthTimeoutMs ?? strategy.healthTimeoutMs,
    rollback: weightier.rollback ?? strategy.rollback,
  }), defaultStrategy);
}

/** Reads `3` or `25%`. */
function readBatch(value: string): Result<ReleaseBatch> {
  const [, digits = '', sign] = /^(\d{1,5})(%)?$/.exec(value) ?? [];
  const amount = Number(digits);
  const percent = sign !== undefined;
  if (amount >= 1 && amount <= (percent ? 100 : batchAmountMax)) return success({ amount, percent });
  return wrong('write a number of units such as 2, or a share of them such as 25%');
}

export function printBatch({ amount, percent }: ReleaseBatch): string {
  return `${String(amount)}${percent ? '%' : ''}`;
}

function readFailures(value: string): Result<number> {
  const count = /^\d{1,5}$/.test(value) ? Number(value) : Number.NaN;
  return count <= failuresMax ? success(count) : wrong('write a number of units such as 1');
}

function readWay(value: string): Result<ReleaseStrategy['way']> {
  const way = releaseWays.find((each) => each === value);
  return way === undefined ? wrong(`write ${releaseWays.join(' or ')}`) : success(way);
}

const truthy: ReadonlySet<string> = new Set(['true', 'yes', '1', 'on']);
const falsy: ReadonlySet<string> = new Set(['false', 'no', '0', 'off']);

function readYesNo(value: string): Result<boolean> {
  const word = value.toLowerCase();
  if (truthy.has(word)) return success(true);
  return falsy.has(word) ? success(false) : wrong('write true or false');
}

function wrong(message: string): Result<never> {
  return failure('UNIT_OPTION_INVALID', message);
}
