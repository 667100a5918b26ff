/**
 * Time spans as systemd reads them: "5s", "1min 30s", "0.5", "infinity" (systemd.time(7)).
 * Promises: pure; answers null for what systemd would refuse, so that the caller can say so.
 */

/** Units of systemd.time(7) in microseconds. */
const spanUnits: readonly (readonly [pattern: string, microseconds: number])[] = [
  ['seconds|second|sec|s', 1e6], ['minutes|minute|min|m', 60e6], ['months|month|M', 2_629_800e6], ['msec|ms', 1e3],
  ['hours|hour|hr|h', 3_600e6], ['days|day|d', 86_400e6], ['weeks|week|w', 604_800e6], ['years|year|y', 31_557_600e6],
  ['usec|us|µs|μs', 1],
];
const spanUnitOf: ReadonlyMap<string, number> = new Map(
  spanUnits.flatMap(([names, microseconds]) => names.split('|').map((name) => [name, microseconds] as const)));

/** A time span in microseconds, Infinity for "infinity"; a number without unit is seconds. */
export function timeSpanMicroseconds(text: string): number | null {
  if (text.trim() === 'infinity') return Number.POSITIVE_INFINITY;
  const pattern = /\s*(\d+(?:\.\d*)?|\.\d+)\s*([A-Za-z\u00b5\u03bc]*)\s*/y;
  let microseconds = 0;
  let at = 0;
  while (at < text.length) {
    pattern.lastIndex = at;
    const [whole = '', number = '', name = ''] = pattern.exec(text) ?? [];
    const unit = name === '' ? 1e6 : spanUnitOf.get(name);
    if (whole === '' || unit === undefined) return null;
    microseconds += Number(number) * unit;
    at += whole.length;
  }
  return text.trim() === '' || !Number.isFinite(microseconds) ? null : microseconds;
}
