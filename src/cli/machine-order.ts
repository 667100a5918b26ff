/**
 * What verbs about machines have in common: which machines are meant, and what is ordered of each.
 * Promises: nothing is ordered before all names are known; a name that could mean several machines is refused.
 */
import { failure, success } from '../core/failure.ts';
import type { Result } from '../core/failure.ts';
import type { MachineAction, MachineList, MachineOrder } from '../protocol/machines.ts';
import { machineLabel } from './columns.ts';
import { exitCodes, print, refuse, whoAsks } from './session.ts';
import type { Session } from './session.ts';

/** A machine as people name it. */
export interface NamedMachine {
  readonly id: string;
  readonly address: string;
  readonly hostname: string;
}

/** What was ordered of which machines. */
export interface Ordered {
  readonly machines: readonly NamedMachine[];
  /** The revision at which the last order is in the store. */
  readonly revision: number;
}

const done: Readonly<Record<MachineAction, string>> = {
  cordon: 'takes no new units',
  uncordon: 'takes new units',
  drain: 'is being drained',
  undrain: 'is not drained any more',
  forget: 'is forgotten',
};

/** Orders the same of all machines the words name, and says so for each; fails when a word names none. */
export async function orderMachines(session: Session, order: MachineOrder): Promise<Result<Ordered>> {
  const { client, environment, words } = session;
  if (words.length === 0) return failure('USAGE_INVALID', 'One machine must be provided');
  const list = await client.machines(environment.interrupted);
  const machines: NamedMachine[] = [];
  for (const word of words) {
    const picked = pickMachine(list, word);
    if (!picked.ok) return picked;
    machines.push(picked.value);
  }
  const by = whoAsks(session);
  let revision = 0;
  for (const machine of machines) {
    const answer = await client.orderMachine(machine.id, { ...order, by }, environment.interrupted);
    revision = answer.revision;
    print(session, `Machine ${machineLabel(machine)} ${done[order.action]}${answer.changed ? '' : ' already'}`);
  }
  return success({ machines, revision });
}

/** A verb that only orders something. */
export async function orderOnly(session: Session, order: MachineOrder): Promise<number> {
  const ordered = await orderMachines(session, order);
  return ordered.ok ? exitCodes.done : refuse(session, ordered.failure);
}

/** The reason that was given; the API refuses one that is too long. */
export function reasonOf({ flags }: Session): string {
  return flags.text('reason');
}

/** The machine a word names: its id, the beginning of one, a hostname or an address. */
function pickMachine({ machines, absent }: MachineList, word: string): Result<NamedMachine> {
  const all: readonly NamedMachine[] = [...machines, ...absent];
  // list-machines shows "2c7d7478...".
  const id = word.replace(/\.\.\.(\/.*)?$/, '').toLowerCase();
  const exact = all.filter((machine) => machine.id === id || machine.hostname === word || machine.address === word);
  const found = exact.length > 0 ? exact : all.filter((machine) => id !== '' && machine.id.startsWith(id));
  const [only, ...others] = found;
  if (only === undefined) {
    return failure('MACHINE_NOT_FOUND', `There is no machine "${word}"; "fleetctl list-machines --all" shows them all`);
  }
  if (others.length === 0) return success(only);
  const ids = found.map((machine) => machine.id).join(', ');
  return failure('MACHINE_NOT_FOUND', `"${word}" can mean the machines ${ids}; name one by its id`);
}
