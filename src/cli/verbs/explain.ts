/** `fleetctl explain` (and `why`): why a unit is where it is, or nowhere. */
import { machineLabel } from '../columns.ts';
import { readOneUnit } from '../names.ts';
import { complain, exitCodes, print, printJson, refuse } from '../session.ts';
import type { Session } from '../session.ts';
import { formatTable } from '../table.ts';

export async function run(session: Session): Promise<number> {
  const unit = readOneUnit(session.words, 'One unit must be provided');
  if (!unit.ok) return refuse(session, unit.failure);
  const { name } = unit.value;
  const explanation = await session.client.explain(name, session.environment.interrupted);
  if (explanation === null) {
    complain(session, `Unit ${name} does not exist.`);
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
