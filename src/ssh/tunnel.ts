/**
 * Sockets here whose connections arrive over there: how fleetctl reaches an API or etcd through a host (--tunnel).
 * Promises: the unix sockets lie in a directory that only this user can enter; a unix socket over there is reached by
 * sshd itself or, where sshd must not, by `fleetctl fd-forward` of that host (fleet 1.0's way); the first connection is
 * opened before anybody uses the socket, so that what is wrong is known in time.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import type { Client, ClientChannel } from 'ssh2';
import { openTcp, sayChannel } from './connect.ts';
import { SshFailure } from './ssh.ts';
import type { SshTarget } from './ssh.ts';

export interface Tunnel {
  socket(target: SshTarget): Promise<string>;
  port(target: SshTarget): Promise<number>;
  close(): Promise<void>;
}

/** `tell` shows a line to the person: what goes wrong later than the opening. */
export function createTunnel(client: Client, tell: (text: string) => void): Tunnel {
  const servers: Server[] = [];
  let directory: string | null = null;

  async function serve(target: SshTarget, listen: (server: Server, ready: () => void) => void): Promise<Server> {
    const open = createOpener(client, target, tell);
    let first: Duplex | null = await open();
    const server = createServer((socket) => {
      const ready = first;
      first = null;
      if (ready !== null) joinStreams(socket, ready);
      else
        open().then(
          (channel) => joinStreams(socket, channel),
          (error: unknown) => {
            tell(`${(error as Error).message}\n`);
            socket.destroy();
          },
        );
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      listen(server, resolve);
    });
    servers.push(server);
    return server;
  }

  return {
    async socket(target) {
      directory ??= await mkdtemp(join(tmpdir(), 'fleetctl-tunnel-'));
      const path = join(directory, `${servers.length}.sock`);
      await serve(target, (server, ready) => server.listen(path, ready));
      return path;
    },
    async port(target) {
      const server = await serve(target, (each, ready) => each.listen(0, '127.0.0.1', ready));
      const address = server.address();
      return typeof address === 'object' && address !== null ? address.port : 0;
    },
    async close() {
      for (const server of servers) server.close();
      if (directory !== null) await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Passes bytes both ways until both have ended. */
function joinStreams(socket: Socket, channel: Duplex): void {
  // Each side hears of the other's trouble by its end.
  socket.on('error', () => channel.destroy());
  channel.on('error', () => socket.destroy());
  socket.on('close', () => channel.end());
  channel.on('close', () => socket.end());
  socket.pipe(channel).pipe(socket);
}

/** Opens one stream to the target at each call. */
function createOpener(client: Client, target: SshTarget, tell: (text: string) => void): () => Promise<Duplex> {
  if (!('socketPath' in target)) return () => openTcp(client, target);
  const { socketPath } = target;
  let byProgram = false;
  return async () => {
    if (!byProgram) {
      const channel = await openSocket(client, socketPath);
      if (channel !== null) return channel;
      byProgram = true;
    }
    return forwardByProgram(client, socketPath, tell);
  };
}

/** A stream to a unix socket over there; null when sshd does not open it, for whatever reason. */
function openSocket(client: Client, path: string): Promise<Duplex | null> {
  return new Promise((resolve) => {
    try {
      client.openssh_forwardOutStreamLocal(path, (error, channel) => resolve(error === undefined ? channel : null));
    } catch {
      resolve(null); // The other side is not OpenSSH.
    }
  });
}

/** A stream through `fleetctl fd-forward`; what that says on its standard error goes to the person. */
function forwardByProgram(client: Client, path: string, tell: (text: string) => void): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    client.exec(`fleetctl fd-forward ${quoted(path)}`, (error: Error | undefined, channel: ClientChannel) => {
      if (error !== undefined) {
        reject(new SshFailure(`the host opens no session: ${sayChannel(error)}`));
        return;
      }
      channel.stderr.setEncoding('utf8').on('data', (text: string) => tell(text));
      resolve(channel);
    });
  });
}

/** One word of a shell. */
function quoted(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
