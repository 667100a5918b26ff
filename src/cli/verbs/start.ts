/** `fleetctl start`. */
import { launchUnits } from '../launch.ts';
import type { Session } from '../session.ts';

export function run(session: Session): Promise<number> {
  return launchUnits(session, { verb: 'start', desired: 'launched' });
}
