/** The fields of a release as they are stored. */
import type { MachineId } from '../core/machine.ts';
import { defaultStrategy, generationOutcomes, releasePhases, releaseStates, releaseWays } from '../core/release/release.ts';
import type {
  Generation, ReleaseBatch, ReleaseFailure, ReleaseMove, ReleaseRecord, ReleaseStrategy,
} from '../core/release/release.ts';
import type { FileHash } from '../core/unit.ts';
import type { UnitName } from '../core/unit-name.ts';
import { choice, flag, listOf, orNull, readRecord, text, whole } from './fields.ts';
import type { Fields, Reader } from './fields.ts';

const batchFields: Fields<ReleaseBatch> = { amount: whole(1), percent: flag(false) };

const strategyFields: Fields<ReleaseStrategy> = {
  way: choice(releaseWays, defaultStrategy.way),
  batch: readRecord(batchFields, defaultStrategy.batch),
  pause: flag(false),
  maxFailures: whole(0),
  minActiveMs: whole(defaultStrategy.minActiveMs),
  healthTimeoutMs: whole(defaultStrategy.healthTimeoutMs),
  rollback: flag(true),
};

const generationFields: Fields<Generation> = {
  number: whole(),
  hash: text<FileHash>(),
  atMs: whole(0),
  by: text(''),
  undoOf: orNull(whole()),
  outcome: choice(generationOutcomes, 'done'),
  why: text(''),
};

const moveFields: Fields<ReleaseMove> = {
  unit: text<UnitName>(),
  old: orNull(text<UnitName>()),
  machine: orNull(text<MachineId>()),
  generation: whole(),
  phase: choice(releasePhases),
  beganAtMs: whole(0),
  healthySinceMs: orNull(whole()),
  run: text(''),
  why: text(''),
};

const failureFields: Fields<ReleaseFailure> = {
  unit: text<UnitName>(),
  machine: orNull(text<MachineId>()),
  generation: whole(),
  why: text(''),
  atMs: whole(0),
};

export const releaseRecordReader: Reader<ReleaseRecord> = readRecord({
  generations: listOf(readRecord(generationFields)),
  target: whole(),
  origin: whole(),
  strategy: readRecord(strategyFields, defaultStrategy),
  state: choice(releaseStates),
  paused: flag(false),
  why: text(''),
  inPlaceWhy: text(''),
  moves: listOf(readRecord(moveFields)),
  failures: listOf(readRecord(failureFields)),
  batches: whole(0),
  startedAtMs: whole(0),
  changedAtMs: whole(0),
  by: text(''),
});
