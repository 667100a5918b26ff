/** The end of every list verb: a table or JSON, as the flags say. */
import type { Result } from '../core/failure.ts';
import type { TableOptions } from './columns.ts';
import { complain, exitCodes, printJson } from './session.ts';
import type { Session } from './session.ts';

/** The two forms a list can take. */
export interface Printable {
  readonly json: readonly object[];
  readonly table: (options: TableOptions) => Result<string>;
}

/** Prints a list; a wrong --fields ends with 1, as in fleet 1.0. */
export function printTable(session: Session, list: Printable): number {
  const { flags } = session;
  if (flags.text('output') === 'json') {
    printJson(session, list.json);
    return exitCodes.done;
  }
  const text = list.table({ fields: flags.text('fields'), full: flags.isOn('full'), legend: !flags.isOn('no-legend') });
  if (!text.ok) {
    complain(session, text.failure.message);
    return exitCodes.failed;
  }
  session.environment.stdout.write(text.value);
  return exitCodes.done;
}
