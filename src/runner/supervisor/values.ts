/**
 * Values of [Service] options as systemd reads them: time spans, booleans, signals, sizes, modes, exit statuses.
 * Promises: pure; every reader answers null for what systemd would refuse, so that the caller can say so.
 */
import { constants } from 'node:os';
import { timeSpanMicroseconds } from '../../core/time-span.ts';

/** "No limit" in the keeper's instructions: the largest 64-bit number. */
export const timeInfinity = '18446744073709551615';

/** A time span in microseconds, as text (systemd.time(7)). */
export function readTimeSpan(text: string): string | null {
  const microseconds = timeSpanMicroseconds(text);
  if (microseconds === null) return null;
  return microseconds >= Number.MAX_SAFE_INTEGER ? timeInfinity : String(Math.round(microseconds));
}

/** A time limit where 0 means none, as for TimeoutStartSec= (systemd.service(5)). */
export function readTimeLimit(text: string): string | null {
  const span = readTimeSpan(text);
  return span === '0' ? timeInfinity : span;
}

/** systemd.syntax(7): boolean arguments. */
export function readBoolean(text: string): 'yes' | 'no' | null {
  const lower = text.toLowerCase();
  if (['1', 'yes', 'y', 'true', 't', 'on'].includes(lower)) return 'yes';
  if (['0', 'no', 'n', 'false', 'f', 'off'].includes(lower)) return 'no';
  return null;
}

/** A signal by name, with or without SIG, or by number, as a number. */
export function readSignal(text: string): string | null {
  if (/^\d+$/.test(text)) return Number(text) >= 1 && Number(text) <= lastSignal ? String(Number(text)) : null;
  const name = text.startsWith('SIG') ? text : `SIG${text}`;
  const realTime = /^SIGRTMIN\+(\d+)$/.exec(name)?.[1];
  if (realTime !== undefined) return Number(realTime) <= lastSignal - firstRealTimeSignal ? String(firstRealTimeSignal + Number(realTime)) : null;
  const number = (constants.signals as Readonly<Record<string, number>>)[name];
  return number === undefined ? null : String(number);
}

/** signal(7): Linux has 64 signals; glibc leaves those from 34 on to programs. */
const lastSignal = 64;
const firstRealTimeSignal = 34;

/** Names SuccessExitStatus= takes beside numbers and signals (systemd.exec(5) "PROCESS EXIT CODES"). */
const exitStatusNames: Readonly<Record<string, number>> = {
  SUCCESS: 0, FAILURE: 1, INVALIDARGUMENT: 2, NOTIMPLEMENTED: 3, NOPERMISSION: 4, NOTINSTALLED: 5, NOTCONFIGURED: 6, NOTRUNNING: 7,
  USAGE: 64, DATAERR: 65, NOINPUT: 66, NOUSER: 67, NOHOST: 68, UNAVAILABLE: 69, SOFTWARE: 70, OSERR: 71, OSFILE: 72, CANTCREAT: 73,
  IOERR: 74, TEMPFAIL: 75, PROTOCOL: 76, NOPERM: 77, CONFIG: 78,
};

/** One entry of an exit status list in the keeper's form: "75", or "s15" for a signal. */
export function readExitStatus(text: string): string | null {
  if (/^\d+$/.test(text)) return Number(text) <= 255 ? String(Number(text)) : null;
  const named = exitStatusNames[text];
  if (named !== undefined) return String(named);
  const signal = readSignal(text);
  return signal === null ? null : `s${signal}`;
}

/** File mode bits in octal, as a decimal number. */
export function readMode(text: string): string | null {
  return /^[0-7]{1,5}$/.test(text) ? String(Number.parseInt(text, 8)) : null;
}

/** A whole number between `least` and `most`. */
export function readInteger(text: string, least: number, most: number): string | null {
  if (!/^[+-]?\d{1,15}$/.test(text)) return null;
  const number = Number(text);
  return number >= least && number <= most ? String(number) : null;
}

const sizeFactors: Readonly<Record<string, number>> = { '': 1, B: 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40, P: 2 ** 50 };

function readLimitValue(resource: string, text: string): string | null {
  if (text === 'infinity') return text;
  if (resource === 'CPU' || resource === 'RTTIME') {
    const span = readTimeSpan(resource === 'RTTIME' && /^\d+$/.test(text) ? `${text}us` : text);
    if (span === null) return null;
    return resource === 'CPU' ? String(Math.ceil(Number(span) / 1e6)) : span;
  }
  // setrlimit(2): a nice value n is the limit 20 - n.
  if (resource === 'NICE' && /^[+-]/.test(text)) {
    const nice = readInteger(text, -20, 19);
    return nice === null ? null : String(20 - Number(nice));
  }
  const [, number = '', suffix = ''] = /^(\d{1,15})([BKMGTP]?)$/.exec(text) ?? [];
  const factor = sizeFactors[suffix];
  return number === '' || factor === undefined ? null : String(BigInt(number) * BigInt(factor));
}

/** The soft and hard limit of Limit…=: "SOFT:HARD", or one for both. */
export function readLimit(resource: string, text: string): readonly [string, string] | null {
  const [softText = '', hardText = softText, ...more] = text.split(':');
  const soft = readLimitValue(resource, softText);
  const hard = readLimitValue(resource, hardText);
  return soft === null || hard === null || more.length > 0 ? null : [soft, hard];
}
