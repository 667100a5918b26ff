/**
 * `fleetctl fd-forward`: standard input and output to and from a unix socket; what a tunnel runs on its host.
 * Promises: ends when the socket's side ends; a socket that cannot be reached is one line and exit 1.
 */
import { complain, exitCodes } from '../session.ts';
import type { Session } from '../session.ts';

export async function run(session: Session): Promise<number> {
  const [path, ...others] = session.words;
  if (path === undefined || others.length > 0) {
    complain(session, 'fd-forward takes one argument: the path of a unix socket');
    return exitCodes.usage;
  }
  try {
    await session.environment.forwardToSocket(path, session.environment.interrupted);
    return exitCodes.done;
  } catch (error) {
    session.environment.interrupted.throwIfAborted();
    complain(session, `cannot reach the socket ${path}: ${(error as Error).message}`);
    return exitCodes.failed;
  }
}
