/**
 * Opens a connection and gives it the shape the rest of fleet knows.
 * Promises: close() ends everything the connection holds: sessions, sockets, the host it goes through.
 */
import type { Clock } from '../lib/clock.ts';
import { connectSsh } from './connect.ts';
import { createHostCheck } from './host-check.ts';
import { runSession } from './session.ts';
import type { OpenSsh } from './ssh.ts';
import { personAt } from './terminal.ts';
import type { Terminal } from './terminal.ts';
import { createTunnel } from './tunnel.ts';

export interface SshNeeds {
  readonly clock: Clock;
  readonly terminal: Terminal;
  /** SSH_AUTH_SOCK; '' when it is not set. */
  readonly agent: string;
}

export function createOpenSsh({ clock, terminal, agent }: SshNeeds): OpenSsh {
  return async (destination, options, signal) => {
    const person = personAt(terminal);
    const needs = { clock, agent, hostCheck: createHostCheck(options.knownHostsFile, person) };
    const { client, close } = await connectSsh(destination, { needs, options }, signal);
    const tunnel = createTunnel(client, person.tell);
    return {
      run: (command, until) => runSession(client, { command, terminal }, until),
      forwardSocket: tunnel.socket,
      forwardPort: tunnel.port,
      async close() {
        await tunnel.close();
        close();
      },
    };
  };
}
