/** `fleetctl list-unit-files`: what was asked of the cluster, and what came of it. */
import type { MachineView, UnitView } from '../../protocol/v2.ts';
import { printColumns, unitFileColumns } from '../columns.ts';
import type { UnitFileRow } from '../columns.ts';
import { printTable } from '../print-table.ts';
import { complain } from '../session.ts';
import type { Session } from '../session.ts';

export async function run(session: Session): Promise<number> {
  const signal = session.environment.interrupted;
  const [{ units, troubles = [] }, { machines }] = await Promise.all([session.client.units(signal), session.client.machines(signal)]);
  if (session.flags.text('fields').split(',').includes('tmachine')) {
    complain(session, 'WARNING: The "tmachine" field is deprecated. Use "target" instead');
  }
  const rows = rowsOf(units, machines);
  const code = printTable(session, { json: units, table: (options) => printColumns(unitFileColumns, rows, options) });
  for (const trouble of troubles) complain(session, `NOTE: ${trouble}`);
  return code;
}

/** A machine that is gone keeps its id and has no address. */
function rowsOf(units: readonly UnitView[], machines: readonly MachineView[]): readonly UnitFileRow[] {
  const addresses = new Map(machines.map((machine) => [machine.id, machine.address]));
  return units.map((unit) => {
    const [id] = unit.machines;
    return { unit, machine: id === undefined ? null : { id, address: addresses.get(id) ?? '' } };
  });
}
