/**
 * The options of [X-Fleet] about a running unit: how its health is checked, how long it drains, which service it is part of.
 * Promises: what is written is checked as far as it can be before there are ports and a machine; a wrong value is a failure
 * that says what would be right.
 */
import { failure, success } from './failure.ts';
import type { Result } from './failure.ts';
import { expandSpecifiers } from './specifiers.ts';
import { timeSpanMicroseconds } from './time-span.ts';
import { isTemplate } from './unit-name.ts';
import type { UnitName } from './unit-name.ts';
import { splitQuoted } from './words.ts';

/**
 * How a unit is asked whether it is well. `${FLEET_PORT_NAME}` and `${FLEET_PORT}` stand in url, address and words as
 * written: they are known on the machine.
 */
export type HealthCheck =
  /** Healthy when GET answers with a status from 200 to 399. */
  | { readonly kind: 'http'; readonly url: string }
  /** Healthy when host:port takes a connection. */
  | { readonly kind: 'tcp'; readonly address: string }
  /** Healthy when the command, run as the unit's own user, ends with exit status 0. */
  | { readonly kind: 'exec'; readonly words: readonly string[] };

/** What a machine knows of a unit's health. `none`: nothing checks it; `starting`: not known yet since it was started. */
export type Health = 'none' | 'starting' | 'healthy' | 'unhealthy';
export const healthWords: readonly Health[] = ['none', 'starting', 'healthy', 'unhealthy'];

const checkCharactersMax = 4_096;
/** What is put for a port while a check is read, to see that it would be right with one. */
const somePort = '8080';

/**
 * Reads `http://…`, `https://…`, `tcp:HOST:PORT` or `exec:COMMAND`. Specifiers are expanded, in a command after it was cut
 * into words; in a template they stay, and what has them is not checked further.
 */
export function readHealthCheck(value: string, unit: UnitName): Result<HealthCheck> {
  if (value.length > checkCharactersMax) return wrong(`longer than ${checkCharactersMax} characters`);
  if (value.startsWith('exec:')) return readCommand(value.slice('exec:'.length), unit);
  const expanded = isTemplate(unit) ? success(value) : expandSpecifiers(value, { name: unit });
  if (!expanded.ok) return expanded;
  const isOpen = isTemplate(unit) && value.includes('%');
  if (/^https?:\/\//.test(expanded.value)) return readUrl(expanded.value, isOpen);
  if (expanded.value.startsWith('tcp:')) return readAddress(expanded.value.slice('tcp:'.length).replace(/^\/\//, ''), isOpen);
  return wrong('write http://HOST:PORT/PATH, https://…, tcp:HOST:PORT or exec:/path/of/command');
}

function readUrl(url: string, isOpen: boolean): Result<HealthCheck> {
  const sample = withPorts(url, () => somePort);
  if (!isOpen && (!URL.canParse(sample) || /\s/.test(url))) return wrong('not an address such as http://127.0.0.1:${FLEET_PORT_HTTP}/health');
  return success({ kind: 'http', url });
}

function readAddress(address: string, isOpen: boolean): Result<HealthCheck> {
  const sample = withPorts(address, () => somePort);
  const [, host = '', port = ''] = /^(\[[0-9a-fA-F:]+\]|[^\s:[\]]+):(\d{1,5})$/.exec(sample) ?? [];
  const isRight = host !== '' && Number(port) > 0 && Number(port) <= 65_535;
  if (!isOpen && !isRight) return wrong('not HOST:PORT, such as tcp:127.0.0.1:${FLEET_PORT}');
  return success({ kind: 'tcp', address });
}

function readCommand(text: string, unit: UnitName): Result<HealthCheck> {
  const cut = splitQuoted(text, 'keep');
  if (!cut.ok) return cut;
  const words: string[] = [];
  for (const word of cut.value) {
    const expanded = isTemplate(unit) ? success(word) : expandSpecifiers(word, { name: unit });
    if (!expanded.ok) return expanded;
    words.push(expanded.value);
  }
  if (words[0]?.startsWith('/') === true) return success({ kind: 'exec', words });
  return wrong('the command begins with its whole path, such as exec:/usr/bin/test -e /run/ready');
}

/** `text` with `${FLEET_PORT…}` replaced by what `portOf` answers for the variable; null leaves it. */
export function withPorts(text: string, portOf: (variable: string) => string | null): string {
  return text.replaceAll(/\$\{(FLEET_PORT(?:_[A-Z0-9_]+)?)\}/g, (whole, variable: string) => portOf(variable) ?? whole);
}

/** Milliseconds from `leastMs` to `mostMs`, written as a time span of systemd.time(7). */
export function readSpanMs(value: string, leastMs: number, mostMs: number): Result<number> {
  const microseconds = timeSpanMicroseconds(value);
  const milliseconds = microseconds === null ? Number.NaN : Math.round(microseconds / 1_000);
  if (milliseconds >= leastMs && milliseconds <= mostMs) return success(milliseconds);
  return wrong(`write a time from ${leastMs / 1_000}s to ${mostMs / 1_000}s, such as 5s or 1min 30s`);
}

/** How many checks in a row have to say the same. */
export function readThreshold(value: string): Result<number> {
  const count = Number(value);
  return /^\d{1,3}$/.test(value) && count >= 1 && count <= 100 ? success(count) : wrong('write a number from 1 to 100');
}

/** The name of a service: it stands in addresses and in DNS. */
export function readServiceName(value: string): Result<string> {
  if (/^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/.test(value) && !value.includes('..')) return success(value);
  return wrong('a service is named with at most 63 letters, digits and "._-", a letter or digit first and last');
}

function wrong(message: string): ReturnType<typeof failure> {
  return failure('UNIT_OPTION_INVALID', message);
}
