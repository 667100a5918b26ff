/**
 * `fleetctl list-units`: what machines report of their units; with --failed those that failed or cannot run.
 * Promises: one request, two with --failed; why it may not be the whole truth stands on stderr; the exit code says nothing about units, as with
 * `systemctl --failed`.
 */
import { failedUnitFields, printColumns, unitColumns } from '../columns.ts';
import { failedUnits } from '../failed-units.ts';
import { printTable } from '../print-table.ts';
import { complain } from '../session.ts';
import type { Session } from '../session.ts';

export async function run(session: Session): Promise<number> {
  const { client, environment, flags } = session;
  const isFailed = flags.isOn('failed');
  const { statuses, troubles = [] } = await client.statuses(environment.interrupted);
  const rows = isFailed ? failedUnits(statuses, (await client.units(environment.interrupted)).units) : statuses;
  const fields = isFailed && !flags.given('fields') ? { fields: failedUnitFields } : {};
  const code = printTable(session, { json: rows, table: (options) => printColumns(unitColumns, rows, { ...options, ...fields }) });
  for (const trouble of troubles) complain(session, `NOTE: ${trouble}`);
  return code;
}
