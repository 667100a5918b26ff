/** `fleetctl version`. Promises: one line, fleet 1.0's words. */
import { exitCodes, print } from '../session.ts';
import type { Session } from '../session.ts';

export async function run(session: Session): Promise<number> {
  print(session, `fleetctl version ${session.environment.version}`);
  return exitCodes.done;
}
