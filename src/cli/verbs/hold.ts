/** `fleetctl hold`: begins a hold by hand, or ends whatever holds. */
import { timeSpanMicroseconds } from '../../core/time-span.ts';
import type { HoldRequest } from '../../protocol/machines.ts';
import { reasonOf } from '../machine-order.ts';
import { complain, exitCodes, print, whoAsks } from '../session.ts';
import type { Session } from '../session.ts';

export async function run(session: Session): Promise<number> {
  const { client, environment, flags, words } = session;
  if (words.length > 0) {
    complain(session, 'hold takes no arguments; "fleetctl drain MACHINE" and "fleetctl cordon MACHINE" are about one machine');
    return exitCodes.usage;
  }
  const forMs = flags.given('for') ? (timeSpanMicroseconds(flags.text('for')) ?? 0) / 1_000 : null;
  if (forMs !== null && (!Number.isFinite(forMs) || forMs < 1)) {
    complain(session, `invalid value "${flags.text('for')}" for --for: write a time such as 30min or 2h`);
    return exitCodes.usage;
  }
  const by = whoAsks(session);
  const isRelease = flags.isOn('release');
  const request: HoldRequest = {
    action: isRelease ? 'release' : 'hold',
    ...(forMs === null || isRelease ? {} : { forMs: Math.round(forMs) }),
    reason: reasonOf(session),
    by,
  };
  await client.hold(request, environment.interrupted);
  const until = forMs === null ? 'until "fleetctl hold --release"' : `for ${flags.text('for')}`;
  print(session, isRelease ? 'Nothing is held any more: units of missing machines move' : `No unit moves because its machine is gone, ${until}`);
  return exitCodes.done;
}
