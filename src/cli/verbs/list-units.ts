/** `fleetctl list-units`: what machines report of their units. Promises: one request. */
import { printColumns, unitColumns } from '../columns.ts';
import { printTable } from '../print-table.ts';
import type { Session } from '../session.ts';

export async function run(session: Session): Promise<number> {
  const { statuses } = await session.client.statuses(session.environment.interrupted);
  return printTable(session, { json: statuses, table: (options) => printColumns(unitColumns, statuses, options) });
}
