/** `fleetctl cordon`. */
import { orderOnly, reasonOf } from '../machine-order.ts';
import type { Session } from '../session.ts';

export function run(session: Session): Promise<number> {
  return orderOnly(session, { action: 'cordon', reason: reasonOf(session) });
}
