/** `fleetctl submit`: units into the cluster, nowhere started. */
import { complain, exitCodes } from '../session.ts';
import type { Session } from '../session.ts';
import { submitUnits } from '../submission.ts';

export async function run(session: Session): Promise<number> {
  if (session.words.length === 0) {
    complain(session, 'No units given');
    return exitCodes.done;
  }
  const submitted = await submitUnits(session, { replace: session.flags.isOn('replace') });
  if (submitted.ok) return exitCodes.done;
  complain(session, submitted.failure.message);
  return exitCodes.failed;
}
