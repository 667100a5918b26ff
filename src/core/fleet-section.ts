/**
 * The [X-Fleet] section of a unit: where it may run.
 * Promises: every key is one row of {@link keyRules}; a key that has no row, a wrong value and options that exclude
 * each other are failures that name the line and the text, never ignored.
 */
import { whyNotFenceable } from './fence/stop-time.ts';
import { failure, success } from './failure.ts';
import type { Failure, Result } from './failure.ts';
import { printFinding } from './finding.ts';
import type { Finding } from './finding.ts';
import { readFlag, readId, readMetadata, readPatterns, readPeers, readPortScope, readPorts, whenKnown } from './fleet-option-values.ts';
import type { Read } from './fleet-option-values.ts';
import { matchGlob } from './glob.ts';
import { readHealthCheck, readServiceName, readSpanMs, readThreshold } from './health-check.ts';
import type { HealthCheck } from './health-check.ts';
import { limits } from './limits.ts';
import { readLostAfter, readOnMachineLost } from './lost-machine.ts';
import type { OnMachineLost } from './lost-machine.ts';
import type { MetadataRequirement } from './metadata-requirement.ts';
import { noPlacingOptions, placingOptionRules, presentOptions, withLimitsOfService } from './placing-options.ts';
import type { PlacingOptions } from './placing-options.ts';
import type { PortRequest, PortScope } from './ports.ts';
import { noReleaseOptions, releaseOptionRules } from './release/options.ts';
import type { ReleaseOptions } from './release/options.ts';
import { nearest } from './spelling.ts';
import { joinedValue } from './unit-file.ts';
import type { UnitFile, UnitOption } from './unit-file.ts';
import { sectionsOfKey } from './unit-keys.ts';
import type { UnitName } from './unit-name.ts';

export type { MetadataRequirement } from './metadata-requirement.ts';

/**
 * The options of [X-Fleet], legacy names folded in, specifiers of the unit's own name expanded (in templates they
 * stay).
 */
export interface FleetSection {
  readonly machineId: string | null;
  /** Machine by boot id: X-ConditionMachineBootID. */
  readonly machineBootId: string | null;
  readonly machineOf: readonly UnitName[];
  readonly metadata: readonly MetadataRequirement[];
  /** Glob patterns of unit names. */
  readonly conflicts: readonly string[];
  readonly replaces: readonly string[];
  readonly global: boolean;
  /** The name the unit is found under in the service directory; null: the prefix of its name. */
  readonly service: string | null;
  readonly healthCheck: HealthCheck | null;
  /** From the end of one check to the begin of the next. */
  readonly healthIntervalMs: number;
  readonly healthTimeoutMs: number;
  /** Checks in a row that make a unit healthy, or unhealthy. */
  readonly healthyThreshold: number;
  readonly unhealthyThreshold: number;
  /** How long a unit is out of the directory before it is stopped. */
  readonly drainMs: number;
  readonly onMachineLost: OnMachineLost;
  /** How long its machine may be silent before the unit may run elsewhere; null: the machine's agent_ttl. */
  readonly lostAfterMs: number | null;
  /** How releases of the unit proceed. */
  readonly release: ReleaseOptions;
  /** Ports the unit is to be given. */
  readonly ports: readonly PortRequest[];
  readonly portScope: PortScope;
  /** Room, preferences and priority; room that the unit says nothing of is what [Service] limits it to. */
  readonly placing: PlacingOptions;
}

/** The section's name in a unit file. */
export const fleetSectionName = 'X-Fleet';

/** What a unit file without any [X-Fleet] option means: the value an empty assignment resets to. */
export const noOptions: FleetSection = {
  machineId: null, machineBootId: null, machineOf: [], metadata: [], conflicts: [], replaces: [], global: false,
  service: null, healthCheck: null, healthIntervalMs: 5_000, healthTimeoutMs: 2_000, healthyThreshold: 1, unhealthyThreshold: 3, drainMs: 0,
  onMachineLost: 'keep', lostAfterMs: null,
  release: noReleaseOptions,
  ports: [], portScope: 'machine',
  placing: noPlacingOptions,
};

type KeyRule = (section: FleetSection, value: string, unit: UnitName) => Result<FleetSection>;

/**
 * A row of the key table: the field a key fills and how. An empty assignment forgets what stood before
 * (systemd.syntax(7)).
 */
function into<F extends keyof FleetSection>(field: F, read: Read<FleetSection[F]>): KeyRule {
  return (section, value, unit) => {
    const after = value === '' ? success(noOptions[field]) : read(value, section[field], unit);
    return after.ok ? success({ ...section, [field]: after.value }) : after;
  };
}

/** The keys about releases: each fills its part of one field. */
const releaseRules: Readonly<Record<string, KeyRule>> = Object.fromEntries(
  Object.entries(releaseOptionRules).map(([key, rule]): [string, KeyRule] => [key, (section, value) => {
    const release = rule(section.release, value);
    return release.ok ? success({ ...section, release: release.value }) : release;
  }]));

/** The keys about placing: likewise. */
const placingRules: Readonly<Record<string, KeyRule>> = Object.fromEntries(
  Object.entries(placingOptionRules).map(([key, rule]): [string, KeyRule] => [key, (section, value, unit) => {
    const placing = rule(section.placing, value, unit);
    return placing.ok ? success({ ...section, placing: placing.value }) : placing;
  }]));

/** Every key of [X-Fleet]. The names with "X-" are fleet 1.0's legacy ones. */
const keyRules: Readonly<Record<string, KeyRule>> = {
  MachineID: into('machineId', readId),
  MachineOf: into('machineOf', readPeers),
  MachineMetadata: into('metadata', readMetadata),
  Conflicts: into('conflicts', readPatterns),
  Replaces: into('replaces', readPatterns),
  Global: into('global', readFlag),
  Service: into('service', whenKnown<string | null>(readServiceName)),
  HealthCheck: into('healthCheck', (value, _, unit) => readHealthCheck(value, unit)),
  HealthInterval: into('healthIntervalMs', whenKnown((value) => readSpanMs(value, 200, 3_600_000))),
  HealthTimeout: into('healthTimeoutMs', whenKnown((value) => readSpanMs(value, 100, 300_000))),
  HealthyThreshold: into('healthyThreshold', whenKnown(readThreshold)),
  UnhealthyThreshold: into('unhealthyThreshold', whenKnown(readThreshold)),
  DrainTime: into('drainMs', whenKnown((value) => readSpanMs(value, 0, limits.drainMsMax))),
  OnMachineLost: into('onMachineLost', readOnMachineLost),
  LostAfter: into('lostAfterMs', readLostAfter),
  ...releaseRules,
  Port: into('ports', readPorts),
  PortScope: into('portScope', readPortScope),
  ...placingRules,
  'X-ConditionMachineID': into('machineId', readId),
  'X-ConditionMachineBootID': into('machineBootId', readId),
  'X-ConditionMachineOf': into('machineOf', readPeers),
  'X-ConditionMachineMetadata': into('metadata', readMetadata),
  'X-Conflicts': into('conflicts', readPatterns),
};

/** Words people write for a key that no spelling rule would find. */
const otherWords: Readonly<Record<string, string>> = {
  Metadata: 'MachineMetadata', Machine: 'MachineID', Peers: 'MachineOf',
};

/** The names of all keys, legacy ones last. */
export const fleetKeys: readonly string[] = Object.keys(keyRules);

/** Reads the section. Fails with the first thing that is wrong; {@link checkFleetSection} has them all. */
export function parseFleetSection(name: UnitName, file: UnitFile): Result<FleetSection> {
  const read = readSection(name, file);
  return firstOf(inOrder([...read.unknown, ...read.wrong])) ?? success(read.section);
}

/**
 * Reads the section of a unit that was accepted before: as {@link parseFleetSection}, but keys nobody knows are passed
 * over, because API v1 accepts them (fleet 1.0) and a newer fleet that shares the store may have written them.
 */
export function parseStoredFleetSection(name: UnitName, file: UnitFile): Result<FleetSection> {
  const read = readSection(name, file);
  return firstOf(inOrder(read.wrong)) ?? success(read.section);
}

/** Everything that is wrong with the section, up to the limit. */
export function checkFleetSection(name: UnitName, file: UnitFile): readonly Finding[] {
  const read = readSection(name, file);
  return inOrder([...read.unknown, ...read.wrong]).slice(0, limits.findingsMax);
}

function inOrder(findings: readonly Finding[]): readonly Finding[] {
  return findings.toSorted((left, right) => left.line - right.line);
}

function firstOf([first]: readonly Finding[]): Result<never> | null {
  return first === undefined ? null : failure(first.code, printFinding(first));
}

/** The key of [X-Fleet] that a misspelt one probably means; null when none is near. */
export function nearestFleetKey(key: string): string | null {
  const found = nearest(key, [...fleetKeys, ...Object.keys(otherWords)]);
  return found === null ? null : (otherWords[found] ?? found);
}

/** A section and what could not become part of it: keys nobody knows, and known keys with wrong values. */
interface ReadSection {
  readonly section: FleetSection;
  readonly unknown: readonly Finding[];
  readonly wrong: readonly Finding[];
}

function readSection(name: UnitName, file: UnitFile): ReadSection {
  const unknown: Finding[] = [];
  const wrong: Finding[] = [];
  let section = noOptions;
  for (const option of modernFirst(file.options.filter((each) => each.section === fleetSectionName))) {
    const rule = Object.hasOwn(keyRules, option.name) ? keyRules[option.name] : undefined;
    if (rule === undefined) {
      if (unknown.length < limits.findingsMax) unknown.push(unknownKey(option));
      continue;
    }
    const value = joinedValue(option.value);
    const after = rule(section, value, name);
    if (after.ok) section = after.value;
    else if (wrong.length < limits.findingsMax) wrong.push(wrongValue(option, value, after.failure));
  }
  section = { ...section, placing: withLimitsOfService(section.placing, file) };
  const conflict = wrong.length === 0 ? whyConflicting(section) : null;
  if (conflict !== null) wrong.push({ code: 'UNIT_OPTIONS_CONFLICT', line: 0, text: '', message: conflict });
  const unstoppable = section.onMachineLost === 'stop' ? whyNotFenceable(name, file) : null;
  if (unstoppable !== null) wrong.push(unstoppable);
  return { section, unknown, wrong };
}

/** fleet 1.0 looks at legacy names only after the modern ones. */
function modernFirst(options: readonly UnitOption[]): readonly UnitOption[] {
  const isLegacy = (option: UnitOption): boolean => option.name.startsWith('X-');
  return [...options.filter((option) => !isLegacy(option)), ...options.filter(isLegacy)];
}

function wrongValue(option: UnitOption, value: string, { code, message }: Failure): Finding {
  return { code, line: option.line, text: value, message: `${option.name}=${excerpt(value)}: ${message}` };
}

const excerptCharacters = 80;

function excerpt(text: string): string {
  return text.length > excerptCharacters ? `${text.slice(0, excerptCharacters)}...` : text;
}

function unknownKey({ name, line }: UnitOption): Finding {
  return { code: 'UNIT_OPTION_UNKNOWN', line, text: name, message: whyUnknown(name) };
}

function whyUnknown(key: string): string {
  const start = `[${fleetSectionName}] has no option ${JSON.stringify(excerpt(key))}`;
  const homes = sectionsOfKey(key);
  if (homes.length > 0) return `${start}; it belongs in ${homes.map((home) => `[${home}]`).join(' or ')}`;
  const suggestion = nearestFleetKey(key);
  if (suggestion !== null) return `${start}; did you mean "${suggestion}"?`;
  return `${start}; it has ${fleetKeys.filter((known) => !known.startsWith('X-')).join(', ')}`;
}

/** Options that choose among machines: there is nothing to choose for a unit whose machine is given, or that runs on all. */
const choosing = ['Strategy', 'SpreadBy', 'Prefer', 'Avoid'] as const;

/** Options that exclude each other, those of fleet 1.0 first. Whoever replaces others can itself not be pushed out: no two units push in a circle. */
const exclusions: readonly (readonly [option: string, others: readonly string[]])[] = [
  ['MachineID', ['Peers', 'Conflicts', 'Global', 'Replaces']],
  ['Global', ['Peers', 'Replaces']],
  ['Conflicts', ['Replaces']],
  ['MachineID', choosing],
  ['MachineOf', choosing],
  ['Global', [...choosing, 'MaxPerMachine', 'Weight', 'Priority', 'Preemptible']],
  ['Preemptible', ['Replaces', 'OnMachineLost=stop']],
];

/** Options that exclude each other: fleet 1.0's sentences, in its order. "Peers" is its word for MachineOf. */
function whyConflicting(section: FleetSection): string | null {
  for (const peer of section.machineOf) {
    const conflict = section.conflicts.find((pattern) => matchGlob(pattern, peer));
    if (conflict !== undefined) return `unresolvable requirements: peer "${peer}" matches conflict "${conflict}"`;
    const replaced = section.replaces.find((pattern) => matchGlob(pattern, peer));
    if (replaced !== undefined) return `unresolvable requirements: peer "${peer}" matches replace "${replaced}"`;
  }
  const present: Readonly<Record<string, boolean>> = {
    MachineID: section.machineId !== null || section.machineBootId !== null,
    Global: section.global,
    Peers: section.machineOf.length > 0,
    MachineOf: section.machineOf.length > 0,
    Conflicts: section.conflicts.length > 0,
    Replaces: section.replaces.length > 0,
    'OnMachineLost=stop': section.onMachineLost === 'stop',
    ...presentOptions(section.placing),
  };
  for (const [option, others] of exclusions) {
    const other = others.find((each) => present[option] === true && present[each] === true);
    if (other !== undefined) return `${option} cannot be used with ${other}`;
  }
  return null;
}
