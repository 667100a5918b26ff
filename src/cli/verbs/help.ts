/** `fleetctl help [COMMAND]`. */
import { complain, exitCodes } from '../session.ts';
import type { Session } from '../session.ts';

export async function run(session: Session): Promise<number> {
  const text = session.help(session.words[0]);
  if (!text.ok) {
    complain(session, text.failure.message);
    return exitCodes.usage;
  }
  session.environment.stdout.write(text.value);
  return exitCodes.done;
}
