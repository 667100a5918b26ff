/** `fleetctl cat`: the file of a unit. Promises: prints the canonical text unchanged, no newline added. */
import { readUnitArguments } from '../names.ts';
import { complain, exitCodes } from '../session.ts';
import type { Session } from '../session.ts';

export async function run(session: Session): Promise<number> {
  const read = readUnitArguments(session.words);
  if (!read.ok) {
    complain(session, read.failure.message);
    return exitCodes.failed;
  }
  const [unit, ...others] = read.value;
  if (unit?.kind !== 'unit' || others.length > 0) {
    complain(session, 'One unit file must be provided');
    return exitCodes.failed;
  }
  const text = await session.client.unitFile(unit.name, session.environment.interrupted);
  if (text === null) {
    complain(session, `Unit ${unit.name} not found`);
    return exitCodes.failed;
  }
  session.environment.stdout.write(text);
  return exitCodes.done;
}
