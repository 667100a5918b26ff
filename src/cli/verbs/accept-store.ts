/** `fleetctl accept-store`: a person says that the store is right although machines doubt it. */
import { reasonOf } from '../machine-order.ts';
import { complain, exitCodes, print, whoAsks } from '../session.ts';
import type { Session } from '../session.ts';

export async function run(session: Session): Promise<number> {
  const { client, environment, flags, words } = session;
  if (words.length > 0) {
    complain(session, 'accept-store takes no arguments; it is about the store of the whole cluster');
    return exitCodes.usage;
  }
  const by = whoAsks(session);
  const { changed } = await client.acceptStore({ force: flags.isOn('force'), reason: reasonOf(session), by }, environment.interrupted);
  print(session, changed ? 'The store is accepted: machines go on with what it says' : 'No machine doubts the store; nothing has changed');
  return exitCodes.done;
}
