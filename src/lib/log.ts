/**
 * Log lines as data. Promises: functions that return failures stay silent; loops and request handlers log once,
 * where a failure ends, and say what happens next.
 */

/** syslog's words, as journald shows them. */
export type LogLevel = 'error' | 'warning' | 'info' | 'debug';

/** Facts beside the message: unit, machine, revision and the like. */
export type LogFields = Readonly<Record<string, string | number | boolean>>;

export interface Log {
  error(message: string, fields?: LogFields): void;
  warning(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
}

/** A log that calls `write` with each line at or above `level` (as it is then): "LEVEL component: message key=value". */
export function createLog(component: string, level: LogLevel | (() => LogLevel), write: (line: string) => void): Log {
  const order: readonly LogLevel[] = ['error', 'warning', 'info', 'debug'];
  const at = (wanted: LogLevel) => (message: string, fields: LogFields = {}): void => {
    if (order.indexOf(wanted) > order.indexOf(typeof level === 'string' ? level : level())) return;
    const facts = Object.entries(fields).map(([key, value]) => ` ${key}=${String(value)}`).join('');
    write(`${wanted.toUpperCase()} ${component}: ${message}${facts}`);
  };
  return { error: at('error'), warning: at('warning'), info: at('info'), debug: at('debug') };
}
