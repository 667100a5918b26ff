/** `fleetctl cat`: the file of a unit. Promises: prints the canonical text unchanged, no newline added. */
import { readOneUnit } from '../names.ts';
import { complain, exitCodes } from '../session.ts';
import type { Session } from '../session.ts';

export async function run(session: Session): Promise<number> {
  const unit = readOneUnit(session.words, 'One unit file must be provided');
  if (!unit.ok) {
    complain(session, unit.failure.message);
    return exitCodes.failed;
  }
  const { name } = unit.value;
  const text = await session.client.unitFile(name, session.environment.interrupted);
  if (text === null) {
    complain(session, `Unit ${name} not found`);
    return exitCodes.failed;
  }
  session.environment.stdout.write(text);
  return exitCodes.done;
}
