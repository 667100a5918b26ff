/**
 * How long systemd needs at most to stop a unit, and which units it cannot be sure to stop.
 * Promises: pure; the time covers every phase of a stop in systemd 252's service.c in which the unit's own commands or processes may still
 * run; a unit for which there is no such time is refused in words.
 */
import type { Finding } from '../finding.ts';
import { timeSpanMicroseconds } from '../time-span.ts';
import { allValues, lastValue } from '../unit-file.ts';
import type { UnitFile, UnitOption } from '../unit-file.ts';
import { unitNameParts } from '../unit-name.ts';
import type { UnitName } from '../unit-name.ts';

/** systemd's DefaultTimeoutStopSec= as it is built; a fenced unit gets it written down, because machines may have another one. */
const defaultTimeoutMs = 90_000;
/** Longest TimeoutStopSec= of a fenced unit: nobody waits longer for a machine that is gone. */
const timeoutMsMax = 3_600_000;

/** The last assignment of a [Service] key, an empty one included, which means the default. */
function lastOption(file: UnitFile, names: readonly string[]): UnitOption | undefined {
  return file.options.findLast(({ section, name }) => section === 'Service' && names.includes(name));
}

/** TimeoutStopSec= of a unit in milliseconds; NaN when it is none, or no end at all. */
export function timeoutStopMs(file: UnitFile): number {
  const value = lastOption(file, ['TimeoutStopSec', 'TimeoutSec'])?.value.trim() ?? '';
  if (value === '') return defaultTimeoutMs;
  const ms = Math.ceil((timeSpanMicroseconds(value) ?? Number.NaN) / 1_000);
  return ms > 0 && ms <= timeoutMsMax ? ms : Number.NaN;
}

/**
 * The longest time from a stop job until no process is left: each ExecStop= command, then the signal, then, with SIGKILL sent in between,
 * each ExecStopPost= command (fleet's own record of a oneshot is one) and the signal for what these left.
 */
export function stopMs(file: UnitFile): number {
  const after = allValues(file, 'Service', 'ExecStopPost').length + (lastValue(file, 'Service', 'Type') === 'oneshot' ? 1 : 0);
  const phases = allValues(file, 'Service', 'ExecStop').length + 1 + (after === 0 ? 0 : after + 1);
  return timeoutStopMs(file) * phases;
}

/** What keeps systemd from stopping a unit for sure; null when nothing does. `line` is 0 when no line is at fault. */
export function whyNotFenceable(name: UnitName, file: UnitFile): Finding | null {
  const { type } = unitNameParts(name);
  if (type !== 'service') return refusal(undefined, `a ${type} is not; only a service is`);
  const timeout = lastOption(file, ['TimeoutStopSec', 'TimeoutSec']);
  if (Number.isNaN(timeoutStopMs(file))) return refusal(timeout, 'write a time up to 1h, so that the cluster knows how long to wait');
  const mode = lastOption(file, ['KillMode']);
  if (['process', 'none'].includes(mode?.value.trim() ?? '')) return refusal(mode, 'it leaves processes behind; use control-group or mixed');
  const kill = lastOption(file, ['SendSIGKILL']);
  if (['no', '0', 'n', 'false', 'f', 'off'].includes(kill?.value.trim().toLowerCase() ?? '')) return refusal(kill, 'leave it out');
  return null;
}

function refusal(option: UnitOption | undefined, why: string): Finding {
  const start = 'OnMachineLost=stop needs a unit that is surely stopped within a known time';
  const text = option === undefined ? '' : `${option.name}=${option.value}`;
  return {
    code: 'UNIT_OPTIONS_CONFLICT', line: option?.line ?? 0, text: option?.value ?? '',
    message: text === '' ? `${start}: ${why}` : `${start}: ${text}: ${why}`,
  };
}
