/** `fleetctl stop`. */
import { lowerUnits } from '../lower.ts';
import type { Session } from '../session.ts';

export function run(session: Session): Promise<number> {
  return lowerUnits(session, { verb: 'stop', done: 'stopped', desired: 'loaded' });
}
