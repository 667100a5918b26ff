/** `fleetctl unload`. */
import { lowerUnits } from '../lower.ts';
import type { Session } from '../session.ts';

export function run(session: Session): Promise<number> {
  return lowerUnits(session, { verb: 'unload', done: 'unloaded', desired: 'inactive' });
}
