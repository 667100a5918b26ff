/** `fleetctl explain` (and `why`): why a unit is where it is, or nowhere. */
import { machineLabel } from '../columns.ts';
import { readUnitArguments } from '../names.ts';
import { complain, exitCodes, print, printJson } from '../session.ts';
import type { Session } from '../session.ts';
import { formatTable } from '../table.ts';

export async function run(session: Session): Promise<number> {
  const read = readUnitArguments(session.words);
  if (!read.ok) {
    complain(session, read.failure.message);
    return exitCodes.failed;
  }
  const [unit, ...others] = read.value;
  if (unit?.kind !== 'unit' || others.length > 0) {
    complain(session, 'One unit must be provided');
    return exitCodes.failed;
  }
  const explanation = await session.client.explain(unit.name, session.environment.interrupted);
  if (explanation === null) {
    complain(session, `Unit ${unit.name} does not exist.`);
    return exitCodes.failed;
  }
  if (session.flags.text('output') === 'json') {
    printJson(session, explanation);
    return exitCodes.done;
  }
  print(session, `${explanation.name}: ${explanation.summary}`);
  if (explanation.machines.length > 0) {
    const rows = explanation.machines.map((machine) => [machineLabel(machine), machine.verdict, machine.why]);
    session.environment.stdout.write(`\n${formatTable([['MACHINE', 'VERDICT', 'WHY'], ...rows])}`);
  }
  return exitCodes.done;
}
