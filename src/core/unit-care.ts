/**
 * What fleet looks after while a unit runs: its health, how it is stopped, where it listens. It belongs to what runs, not to
 * what is assigned: a unit that is destroyed or gets another file is still drained and checked as it was started.
 */
import { parseStoredFleetSection } from './fleet-section.ts';
import type { FleetSection } from './fleet-section.ts';
import { withPorts } from './health-check.ts';
import type { HealthCheck } from './health-check.ts';
import { portVariables } from './ports.ts';
import { expandSpecifiers } from './specifiers.ts';
import { lastValue } from './unit-file.ts';
import type { UnitFile } from './unit-file.ts';
import type { UnitName } from './unit-name.ts';

type Looked = 'healthCheck' | 'healthIntervalMs' | 'healthTimeoutMs' | 'healthyThreshold' | 'unhealthyThreshold' | 'drainMs';

/** Whom a unit runs as, in the words of systemd.exec(5). */
export interface UnitUser {
  /** User= and Group=; empty when they are not set. */
  readonly user: string;
  readonly group: string;
  /** DynamicUser=: the user has a number only while the unit runs. */
  readonly dynamic: boolean;
}

export interface UnitCare extends Pick<FleetSection, Looked> {
  readonly user: UnitUser;
  /** Ports it was started with, by name. */
  readonly ports: Readonly<Record<string, number>>;
}

/** One question to a unit that runs. */
export interface ProbeRequest {
  /** With the ports put in. */
  readonly check: HealthCheck;
  /** Whom a command is run as. */
  readonly user: UnitUser;
  /** What a command finds in its environment beside a plain PATH. */
  readonly variables: Readonly<Record<string, string>>;
  /** The unit's main process; 0 when it has none. */
  readonly mainPid: number;
}

/** A check made ready to be asked. */
export function probeRequest({ ports, user }: UnitCare, check: HealthCheck, mainPid: number): ProbeRequest {
  const variables = portVariables(ports);
  const put = (text: string): string => withPorts(text, (variable) => variables[variable] ?? null);
  switch (check.kind) {
    case 'http':
      return { check: { kind: 'http', url: put(check.url) }, user, variables, mainPid };
    case 'tcp':
      return { check: { kind: 'tcp', address: put(check.address) }, user, variables, mainPid };
    case 'exec':
      return { check: { kind: 'exec', words: check.words.map(put) }, user, variables, mainPid };
  }
}

const trueWords: ReadonlySet<string> = new Set(['1', 'yes', 'y', 'true', 't', 'on']);

/** Reads what is to be looked after from a unit's file; null when its [X-Fleet] cannot be read. */
export function careOf(name: UnitName, file: UnitFile, ports: UnitCare['ports']): UnitCare | null {
  const section = parseStoredFleetSection(name, file);
  if (!section.ok) return null;
  const { healthCheck, healthIntervalMs, healthTimeoutMs, healthyThreshold, unhealthyThreshold, drainMs } = section.value;
  return {
    healthCheck, healthIntervalMs, healthTimeoutMs, healthyThreshold, unhealthyThreshold, drainMs, ports, user: {
      user: setting(name, file, 'User'), group: setting(name, file, 'Group'),
      dynamic: trueWords.has(setting(name, file, 'DynamicUser').toLowerCase()),
    },
  };
}

/** Whether there is anything to look after. */
export function needsCare({ healthCheck, drainMs, ports }: UnitCare): boolean {
  return healthCheck !== null || drainMs > 0 || Object.keys(ports).length > 0;
}

function setting(name: UnitName, file: UnitFile, key: string): string {
  const value = lastValue(file, 'Service', key) ?? '';
  const expanded = expandSpecifiers(value, { name });
  return expanded.ok ? expanded.value : value;
}
