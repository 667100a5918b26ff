/**
 * `fleetctl list-machines`: who is alive, and with --all who is gone.
 * Promises: the plain list is fleet 1.0's; what else there is to know stands on stderr, one line each: a hold, machines that are lost
 * or take no new units, what is wrong with the fleetd that answers, and that the cluster can never have a second machine.
 */
import { ApiError } from '../../client/errors.ts';
import type { AbsentMachineView, HoldView, MachineList } from '../../protocol/machines.ts';
import { allMachineFields, machineColumns, machineLabel, printColumns } from '../columns.ts';
import type { MachineRow } from '../columns.ts';
import { printTable } from '../print-table.ts';
import { complain, exitCodes } from '../session.ts';
import type { Session } from '../session.ts';

export async function run(session: Session): Promise<number> {
  const { flags } = session;
  const list = await readMachines(session);
  if (list === null) return exitCodes.failed;
  const { machines, absent } = list;
  const isAll = flags.isOn('all');
  const rows: readonly MachineRow[] = isAll ? [...machines, ...absent.map(rowOfAbsent)].sort((left, right) => (left.id < right.id ? -1 : 1)) : machines;
  const fields = isAll && !flags.given('fields') ? { fields: allMachineFields } : {};
  const code = printTable(session, {
    json: isAll ? [...machines, ...absent] : machines,
    table: (options) => printColumns(machineColumns, rows, { ...options, ...fields }),
  });
  for (const note of notesOf(list, isAll)) complain(session, `NOTE: ${note}`);
  return code;
}

function rowOfAbsent(machine: AbsentMachineView): MachineRow {
  const gone = `since ${new Date(machine.goneSinceMs).toISOString()}`;
  return {
    ...machine, metadata: {}, version: '', runner: '', store: '', leader: false,
    reason: machine.reason === '' ? gone : `${gone}; ${machine.reason}`,
  };
}

function notesOf({ machines, absent, holds, troubles }: MachineList, isAll: boolean): readonly string[] {
  const notes: string[] = [...troubles, ...holds.map(sayHold)];
  const lost = absent.filter(({ state }) => state === 'lost');
  if (!isAll && lost.length > 0) {
    const [first] = lost;
    const named = first === undefined ? '' : `: ${machineLabel(first)}${lost.length > 1 ? ' and others' : ''}`;
    notes.push(`${countMachines(lost.length)} lost${named}; --all shows since when, "fleetctl forget" forgets those that never come back`);
  }
  const closed = machines.filter(({ state }) => state !== 'up');
  if (!isAll && closed.length > 0) notes.push(`${countMachines(closed.length)} cordoned or drained; --all shows why`);
  if (machines.some((machine) => machine.store === 'embedded')) {
    notes.push('embedded store: no machine outside this fleetd can join; set etcd_servers in fleet.conf for a cluster');
  }
  return notes;
}

function countMachines(count: number): string {
  return count === 1 ? '1 machine is' : `${count} machines are`;
}

function sayHold({ why, untilMs, missing }: HoldView): string {
  const until = untilMs === null ? 'until a person ends it' : `until ${new Date(untilMs).toISOString()} at most`;
  return `hold: ${why}; units of missing machines (${missing.length}) stay assigned to them ${until}; "fleetctl hold --release" ends it`;
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
