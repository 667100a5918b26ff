/** `fleetctl load`. */
import { launchUnits } from '../launch.ts';
import type { Session } from '../session.ts';

export function run(session: Session): Promise<number> {
  return launchUnits(session, { verb: 'load', desired: 'loaded' });
}
