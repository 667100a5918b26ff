/**
 * `fleetctl ssh`: a shell, or one command, on a machine of the cluster or on the machine of a unit.
 * Promises: the exit code is the one of the remote command; a name that could mean several machines is refused; with
 * --tunnel the connection goes through that host, too.
 */
import { unitNameFromArgument } from '../../core/unit-name.ts';
import { failure, success } from '../../core/failure.ts';
import type { Result } from '../../core/failure.ts';
import type { MachineView } from '../../protocol/v2.ts';
import { SshFailure } from '../../ssh/ssh.ts';
import { sshOptionsOf, tunnelOf } from '../host-address.ts';
import { complain, exitCodes } from '../session.ts';
import type { Session } from '../session.ts';

/** Whom to visit, and what to do there. */
interface Visit {
  readonly machine: MachineView;
  /** Null: a shell. */
  readonly command: string | null;
}

export async function run(session: Session): Promise<number> {
  const { environment, flags } = session;
  const tunnel = tunnelOf(flags);
  if (!tunnel.ok) {
    complain(session, tunnel.failure.message);
    return exitCodes.usage;
  }
  const visit = await findVisit(session);
  if (!visit.ok) {
    complain(session, visit.failure.message);
    return exitCodes.failed;
  }
  const { machine, command } = visit.value;
  const destination = { host: machine.address, port: flags.number('ssh-port'), through: tunnel.value };
  const signal = environment.interrupted;
  try {
    const options = sshOptionsOf(environment, flags, flags.isOn('forward-agent'));
    const connection = await environment.openSsh(destination, options, signal);
    try {
      return await connection.run(command, signal);
    } finally {
      await connection.close();
    }
  } catch (error) {
    if (!(error instanceof SshFailure)) throw error;
    complain(session, `Failed building SSH client: ${error.message}`);
    return exitCodes.failed;
  }
}

async function findVisit(session: Session): Promise<Result<Visit>> {
  const { flags, words } = session;
  const { machine, unit } = { machine: flags.text('machine'), unit: flags.text('unit') };
  if (machine !== '' && unit !== '')
    return failure('USAGE_INVALID', 'Both machine and unit flags provided, please specify only one.');
  const [first, ...rest] = words;
  const isFlagged = machine !== '' || unit !== '';
  if (!isFlagged && first === undefined)
    return failure('USAGE_INVALID', 'Unable to proceed: one machine or unit must be provided');
  const found = isFlagged
    ? await (machine === '' ? machineOfUnit(session, unit) : machineById(session, machine))
    : await machineOrUnit(session, first ?? '');
  if (!found.ok) return found;
  if (found.value.address === '') return failure('MACHINE_UNREACHABLE', 'Could not determine address of machine.');
  const command = (isFlagged ? words : rest).join(' ');
  return success({ machine: found.value, command: command === '' ? null : command });
}

/** fleet 1.0's sentence for what is neither. */
const noMatch = failure('MACHINE_NOT_FOUND', 'Unable to proceed: could not find matching unit or machine');

async function machineOrUnit(session: Session, text: string): Promise<Result<MachineView>> {
  const byId = await machineById(session, text);
  return byId.ok || byId.failure !== noMatch.failure ? byId : machineOfUnit(session, text);
}

async function machineById(session: Session, prefix: string): Promise<Result<MachineView>> {
  const { machines } = await session.client.machines(session.environment.interrupted);
  // list-machines shows "2c7d7478...".
  const id = prefix.replace(/\.\.\.$/, '').toLowerCase();
  const [only, ...others] = id === '' ? [] : machines.filter((machine) => machine.id.startsWith(id));
  if (only === undefined) return noMatch;
  if (others.length === 0) return success(only);
  const ids = [only, ...others].map((machine) => machine.id).join(', ');
  return failure('MACHINE_NOT_FOUND', `Unable to proceed: "${prefix}" can mean the machines ${ids}; write more of it`);
}

async function machineOfUnit(session: Session, text: string): Promise<Result<MachineView>> {
  const name = unitNameFromArgument(text);
  const signal = session.environment.interrupted;
  const unit = name.ok ? await session.client.unit(name.value, signal) : null;
  if (unit === null) return noMatch;
  const { machines } = await session.client.machines(signal);
  const homes = machines.filter((machine) => unit.machines.includes(machine.id));
  const [only, ...others] = homes;
  if (only === undefined) return failure('UNIT_NOT_LOADED', `Unable to proceed: unit ${unit.name} is on no machine`);
  if (others.length === 0) return success(only);
  const ids = homes.map((machine) => machine.id).join(', ');
  const several = `unit ${unit.name} is on several machines, name one of ${ids}`;
  return failure('MACHINE_NOT_FOUND', `Unable to proceed: ${several}`);
}
