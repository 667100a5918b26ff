/** `fleetctl help [COMMAND]`. */
import { programHelp, verbHelp } from '../help.ts';
import { complain, exitCodes } from '../session.ts';
import type { Session } from '../session.ts';
import { findVerb } from '../verbs.ts';

export async function run(session: Session): Promise<number> {
  const [word] = session.words;
  if (word === undefined) {
    session.environment.stdout.write(programHelp(session.environment.version));
    return exitCodes.done;
  }
  const verb = findVerb(word);
  if (!verb.ok) {
    complain(session, verb.failure.message);
    return exitCodes.usage;
  }
  session.environment.stdout.write(verbHelp(verb.value));
  return exitCodes.done;
}
