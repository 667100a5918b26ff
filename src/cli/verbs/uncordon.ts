/** `fleetctl uncordon`. */
import { orderOnly } from '../machine-order.ts';
import type { Session } from '../session.ts';

export function run(session: Session): Promise<number> {
  return orderOnly(session, { action: 'uncordon' });
}
