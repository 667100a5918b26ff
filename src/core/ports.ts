/**
 * Ports as fleet speaks of them: what a unit asks for, what the cluster has ranges for, what was given out.
 * Promises: every text a person writes about ports is read here, and refused in one line that names it; two ports of one unit
 * never share a name or a variable.
 */
import { failure, success } from './failure.ts';
import type { Result } from './failure.ts';
import type { MachineId } from './machine.ts';
import type { UnitName } from './unit-name.ts';

/** Ports from `low` to `high`, both included. */
export interface PortRange {
  readonly low: number;
  readonly high: number;
}

/** Where a port may not be given out twice: on one machine, or in the whole cluster. */
export type PortScope = 'machine' | 'cluster';
export const portScopes: readonly PortScope[] = ['machine', 'cluster'];

/** One `Port=` of a unit: a port of a range of its own, or of a pool of the cluster. */
export interface PortRequest {
  readonly name: string;
  readonly from: PortRange | { readonly pool: string };
}

/** A range with a name that units of the cluster draw from (store key `port-pools/<name>`, written by the API only). */
export interface PortPool extends PortRange {
  readonly changedAtMs: number;
  readonly changedBy: string;
}

/** Where a port that was given out came from. */
export interface PortOrigin extends PortRange {
  /** The pool it was drawn from; null for a range of the unit's own. The range is that of the moment it was given out. */
  readonly pool: string | null;
  readonly scope: PortScope;
  /** When it was given out, ms since the epoch. */
  readonly sinceMs: number;
  /** Why this port and not the one before, as a sentence; empty for one that was simply the next. */
  readonly why: string;
}

/** The port given out last of each range or pool: the next one is looked for above it. By {@link sourceKey}. */
export interface PortCursors {
  readonly last: Readonly<Record<string, number>>;
}

/** The ports that a unit had on the machine it ran on last, so that it finds them again there. */
export interface FormerPorts {
  readonly machine: MachineId;
  readonly release: number;
  readonly ports: Readonly<Record<string, number>>;
}

/** A unit that could not start because something else uses a port it was given. */
export interface PortConflict {
  readonly unit: UnitName;
  readonly port: number;
  /** What was seen: who listens, or the line of the log. */
  readonly why: string;
}

/** What a machine says about its ports (store key `machine-ports/<id>`, under its lease). */
export interface MachinePorts {
  /** Ports the kernel gives to outgoing connections (ip_local_port_range); null when the machine has none. */
  readonly ephemeral: PortRange | null;
  /** Ports that something listens on and that fleet gave to no unit of the machine, ascending. */
  readonly listening: readonly number[];
  readonly conflicts: readonly PortConflict[];
}

const portMax = 65_535;
const nameCharactersMax = 64;
const namePattern = /^[A-Za-z][A-Za-z0-9._-]*$/;

/** "20001-20010", or "8080" for one port. */
export function printRange({ low, high }: PortRange): string {
  return `${String(low)}-${String(high)}`;
}

/** Names what a request draws from: the pool, or the range. The key of its cursor. */
export function sourceKey(from: PortRequest['from']): string {
  return 'pool' in from ? from.pool : printRange(from);
}

/** Ports in a range. */
export function rangeSize({ low, high }: PortRange): number {
  return high - low + 1;
}

/** Whether two ranges share a port. */
export function rangesOverlap(one: PortRange, other: PortRange): boolean {
  return one.low <= other.high && other.low <= one.high;
}

export function inRange({ low, high }: PortRange, port: number): boolean {
  return low <= port && port <= high;
}

/** Linux's own ip_local_port_range, for whom no machine has said what its is. */
export const defaultEphemeral: PortRange = { low: 32_768, high: 60_999 };
const privilegedBelow = 1_024;

/** What may go wrong with a range, one line each; `ephemeral` are the ranges of outgoing connections. */
export function rangeWarnings(range: PortRange, ephemeral: readonly PortRange[]): readonly string[] {
  const low = range.low < privilegedBelow
    ? [`${printRange(range)} has ports below ${String(privilegedBelow)}, which only privileged processes may listen on`]
    : [];
  const hit = ephemeral.filter((other) => rangesOverlap(other, range)).map((other) =>
    `${printRange(range)} lies in ip_local_port_range ${printRange(other)}: the kernel may give its ports to outgoing connections`);
  return [...low, ...hit];
}

/** Reads `20001-20010`, or `8080` for a range of one port. */
export function parsePortRange(text: string): Result<PortRange> {
  const [, first = '', last] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? [];
  if (first === '') return failure('PORTS_INVALID', `"${text}" is not a port range; write LOW-HIGH, as in 20001-20010`);
  const range = { low: Number(first), high: Number(last ?? first) };
  const outside = [range.low, range.high].find((port) => port < 1 || port > portMax);
  if (outside !== undefined) {
    return failure('PORTS_INVALID', `"${text}" is not a port range; ${String(outside)} is not between 1 and ${String(portMax)}`);
  }
  if (range.low > range.high) {
    return failure('PORTS_INVALID', `"${text}" is not a port range; write the lower port first, as in ${printRange({ low: range.high, high: range.low })}`);
  }
  return success(range);
}

/** Reads the name of a port or a pool: a letter, then letters, digits, ".", "-" and "_". */
export function parsePortName(text: string): Result<string> {
  if (namePattern.test(text) && text.length <= nameCharactersMax) return success(text);
  const rule = `a letter, then letters, digits, ".", "-" or "_", at most ${String(nameCharactersMax)}`;
  return failure('PORTS_INVALID', `"${text}" is not a name of ports; write ${rule}`);
}

/** Reads one `Port=`: `NAME:LOW-HIGH`, `POOL`, or `NAME:POOL`. */
export function parsePortRequest(text: string): Result<PortRequest> {
  const [, bracketRange, bracketName] = /^\[(.*)\]=(.*)$/.exec(text) ?? [];
  if (bracketRange !== undefined && bracketName !== undefined) {
    return failure('PORTS_INVALID', `"${text}" is for fleetctl ports set; in a unit write Port=${bracketName}:${bracketRange}`);
  }
  if (/^[\d-]+$/.test(text)) return failure('PORTS_INVALID', `"${text}" has no name; write NAME:LOW-HIGH, as in http:${text}`);
  const colon = text.indexOf(':');
  const name = parsePortName(colon === -1 ? text : text.slice(0, colon));
  if (!name.ok) return name;
  const source = colon === -1 ? text : text.slice(colon + 1);
  if (/^[A-Za-z]/.test(source)) {
    const pool = parsePortName(source);
    return pool.ok ? success({ name: name.value, from: { pool: pool.value } }) : pool;
  }
  const range = parsePortRange(source);
  return range.ok ? success({ name: name.value, from: range.value }) : range;
}

/** The variable that tells a unit its port: FLEET_PORT_ and the name in upper case, other characters than letters and digits as "_". */
export function portVariable(name: string): string {
  return `FLEET_PORT_${name.toUpperCase().replace(/[^A-Z0-9]/g, '_')}`;
}

/** The variables of a unit's ports: {@link portVariable} for each, and FLEET_PORT when there is only one. */
export function portVariables(ports: Readonly<Record<string, number>>): Readonly<Record<string, string>> {
  const named = Object.entries(ports).map(([name, port]): [string, string] => [portVariable(name), String(port)]);
  const [only, ...more] = named;
  return Object.fromEntries(only !== undefined && more.length === 0 ? [...named, ['FLEET_PORT', only[1]]] : named);
}

/** Adds a request to those before it; refuses one whose name or variable is taken. */
export function addPortRequest(before: readonly PortRequest[], request: PortRequest): Result<readonly PortRequest[]> {
  const same = before.find(({ name }) => portVariable(name) === portVariable(request.name));
  if (same === undefined) return success([...before, request]);
  const why = same.name === request.name
    ? 'is the name of two ports; give each its own'
    : `and "${same.name}" would both be ${portVariable(same.name)}; rename one`;
  return failure('PORTS_INVALID', `"${request.name}" ${why}`);
}
