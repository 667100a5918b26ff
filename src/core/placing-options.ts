/**
 * What a unit asks of the machine it is placed on beyond rules of yes and no: room, order of preference, and whom it may push out.
 * Promises: an option that is not given changes nothing; what a unit asks for is what it says itself, else what [Service] limits it to.
 */
import { bytesOn, quotaMillis, readCpuMillis, readMemory } from './amounts.ts';
import type { MemoryAmount } from './amounts.ts';
import { failure, success } from './failure.ts';
import type { Result } from './failure.ts';
import { readFlag, readMetadata, readPatterns, whenKnown } from './fleet-option-values.ts';
import type { Read } from './fleet-option-values.ts';
import type { MachineRecord } from './machine.ts';
import type { MetadataRequirement } from './metadata-requirement.ts';
import { joinedValue } from './unit-file.ts';
import type { UnitFile } from './unit-file.ts';
import type { UnitName } from './unit-name.ts';

/** The options of [X-Fleet] about placing. */
export interface PlacingOptions {
  /** null: nothing is said. */
  readonly memory: MemoryAmount | null;
  /** Thousandths of a core; null: nothing is said. */
  readonly cpuMillis: number | null;
  readonly strategy: 'spread' | 'pack' | null;
  /** The key of metadata over whose values instances of one template are spread. */
  readonly spreadBy: string | null;
  /** What the unit counts in the load of its machine. */
  readonly weight: number | null;
  /** Requirements that are good to have. */
  readonly prefer: readonly MetadataRequirement[];
  /** Patterns of units that are better not on the machine. */
  readonly avoid: readonly string[];
  /** Instances of one template that a machine takes. */
  readonly maxPerMachine: number | null;
  readonly priority: number | null;
  /** It may be pushed out by a unit of higher priority. */
  readonly preemptible: boolean;
}

export const noPlacingOptions: PlacingOptions = {
  memory: null, cpuMillis: null, strategy: null, spreadBy: null, weight: null, prefer: [], avoid: [], maxPerMachine: null,
  priority: null, preemptible: false,
};

const weightMax = 1_000;
const maxPerMachineMax = 10_000;
const priorityMax = 1_000;

/** Reads one option on top of those before it. */
export type PlacingOptionRule = (before: PlacingOptions, value: string, unit: UnitName) => Result<PlacingOptions>;

function into<F extends keyof PlacingOptions>(field: F, read: Read<PlacingOptions[F]>): PlacingOptionRule {
  return (before, value, unit) => {
    const after = value === '' ? success(noPlacingOptions[field]) : read(value, before[field], unit);
    return after.ok ? success({ ...before, [field]: after.value }) : after;
  };
}

/** Nothing asked for, whatever [Service] says. */
const isNothing = (value: string): boolean => value === 'infinity' || value === '0';

/** The rows of the table of [X-Fleet] about placing. */
export const placingOptionRules: Readonly<Record<string, PlacingOptionRule>> = {
  Memory: into('memory', whenKnown<MemoryAmount | null>((value) => (isNothing(value) ? success({ bytes: 0 }) : readMemory(value)))),
  CPU: into('cpuMillis', whenKnown<number | null>((value) => (isNothing(value) ? success(0) : readCpuMillis(value)))),
  MaxPerMachine: into('maxPerMachine', whenKnown((value) => readWhole(value, 1, maxPerMachineMax))),
  SpreadBy: into('spreadBy', whenKnown(readKey)),
  Avoid: into('avoid', readPatterns),
  Prefer: into('prefer', readMetadata),
  Strategy: into('strategy', whenKnown(readStrategy)),
  Weight: into('weight', whenKnown((value) => readWhole(value, 0, weightMax))),
  Priority: into('priority', whenKnown((value) => readWhole(value, -priorityMax, priorityMax))),
  Preemptible: into('preemptible', readFlag),
};

function readStrategy(value: string): Result<PlacingOptions['strategy']> {
  return value === 'spread' || value === 'pack' ? success(value) : wrong('write spread or pack');
}

function readKey(value: string): Result<string | null> {
  return /^[A-Za-z0-9_.:/-]+$/.test(value) ? success(value) : wrong('write one key of metadata such as zone');
}

function readWhole(value: string, least: number, most: number): Result<number | null> {
  const number = /^[+-]?\d{1,6}$/.test(value) ? Number(value) : Number.NaN;
  return number >= least && number <= most ? success(number) : wrong(`write a whole number from ${String(least)} to ${String(most)}`);
}

function wrong(message: string): Result<never> {
  return failure('UNIT_OPTION_INVALID', message);
}

/** What [Service] limits a unit to is what it asks for, where it does not say itself. Values systemd would ignore say nothing. */
export function withLimitsOfService(options: PlacingOptions, file: UnitFile): PlacingOptions {
  const memory = options.memory ?? limitOf(file, 'MemoryMax', memoryLimit);
  const cpuMillis = options.cpuMillis ?? limitOf(file, 'CPUQuota', quotaMillis);
  return memory === options.memory && cpuMillis === options.cpuMillis ? options : { ...options, memory, cpuMillis };
}

/** The last assignment counts; an empty one, and "infinity", set no limit. */
function limitOf<T>(file: UnitFile, key: string, read: (value: string) => T | null): T | null {
  const last = file.options.findLast(({ section, name }) => section === 'Service' && name === key);
  return last === undefined ? null : read(joinedValue(last.value));
}

function memoryLimit(value: string): MemoryAmount | null {
  const read = readMemory(value);
  return read.ok ? read.value : null;
}

/** Memory and CPU. */
export interface Room {
  readonly bytes: number;
  readonly cpuMillis: number;
}

/** What a unit with these options takes of a machine. */
export function roomOn({ memory, cpuMillis }: PlacingOptions, { capacity }: Pick<MachineRecord, 'capacity'>): Room {
  return { bytes: memory === null ? 0 : bytesOn(memory, capacity.memoryBytes), cpuMillis: cpuMillis ?? 0 };
}

/** Which options are given, by name: some exclude others. */
export function presentOptions(options: PlacingOptions): Readonly<Record<string, boolean>> {
  return {
    Strategy: options.strategy !== null,
    SpreadBy: options.spreadBy !== null,
    Prefer: options.prefer.length > 0,
    Avoid: options.avoid.length > 0,
    MaxPerMachine: options.maxPerMachine !== null,
    Weight: options.weight !== null,
    Priority: options.priority !== null,
    Preemptible: options.preemptible,
  };
}
