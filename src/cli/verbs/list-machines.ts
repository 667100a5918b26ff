/**
 * `fleetctl list-machines`: who is alive.
 * Promises: says so on stderr when the cluster can never have a second machine.
 */
import { ApiError } from '../../client/errors.ts';
import type { MachineList } from '../../protocol/v2.ts';
import { machineColumns, printColumns } from '../columns.ts';
import { printTable } from '../print-table.ts';
import { complain, exitCodes } from '../session.ts';
import type { Session } from '../session.ts';

export async function run(session: Session): Promise<number> {
  const list = await readMachines(session);
  if (list === null) return exitCodes.failed;
  const { machines } = list;
  const code = printTable(session, {
    json: machines,
    table: (options) => printColumns(machineColumns, machines, options),
  });
  if (machines.some((machine) => machine.store === 'embedded')) {
    complain(
      session,
      'NOTE: embedded store: no machine outside this fleetd can join; set etcd_servers in fleet.conf for a cluster',
    );
  }
  for (const notice of list.notices ?? []) complain(session, `NOTE: ${notice}`);
  return code;
}

/** Fleet 1.0 follows an error of the API with what most often lies behind it. */
async function readMachines(session: Session): Promise<MachineList | null> {
  try {
    return await session.client.machines(session.environment.interrupted);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    complain(session, `Error retrieving list of active machines from fleet API (${error.message})`);
    complain(
      session,
      'Possible issues:\n  etcd is unhealthy and/or lost quorum\n' +
        '  connection cannot be established to any etcd servers',
    );
    return null;
  }
}
