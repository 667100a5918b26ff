/**
 * Where the API listens: sockets systemd passed, addresses of the configuration, or the default unix socket.
 * Promises: the API never listens in clear on an address other than loopback unless api_insecure=true; a unix socket has mode 0660;
 * a socket file that a dead fleetd left is replaced, one that a living fleetd serves is a failure.
 */
import { chmod, stat, unlink } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { connect, type AddressInfo, type ListenOptions } from 'node:net';
import { isLoopback } from '../api/loopback.ts';
import { failure, success, type Result } from '../core/failure.ts';
import type { PassedSocket } from '../host/activation.ts';
import type { Log } from '../lib/log.ts';
import { parseHostPort } from './host-port.ts';

/** What to listen on. */
export interface ListenPlan {
  readonly passed: readonly PassedSocket[];
  /** Paths or host:port. */
  readonly addresses: readonly string[];
  readonly insecure: boolean;
}

export interface Listeners {
  /** Addresses for people: "unix:///run/fleet.sock", "http://127.0.0.1:49153". */
  readonly urls: readonly string[];
  /** Stops listening and ends open connections. */
  close(): Promise<void>;
}

/** Opens all of them. A passed socket that may not be served is closed with a log line; a configured one is a failure. */
export async function openListeners(plan: ListenPlan, attach: (server: Server) => void, log: Log): Promise<Result<Listeners>> {
  const servers: Server[] = [];
  const urls: string[] = [];
  for (const socket of plan.passed) {
    const server = createServer();
    attach(server);
    await listening(server, { fd: socket.descriptor });
    const url = urlOf(server);
    if (!plan.insecure && !servesSafely(server)) {
      await closed(server);
      log.error(`the socket ${url} passed by systemd would serve the API in clear to other machines: refused; `
        + 'add the line api_insecure=true to fleet.conf if that is what you want');
      continue;
    }
    servers.push(server);
    urls.push(url);
  }
  for (const address of plan.addresses) {
    const server = createServer();
    attach(server);
    const opened = await openAddress(server, address, plan.insecure);
    if (!opened.ok) {
      await Promise.all(servers.map(closed));
      return opened;
    }
    servers.push(server);
    urls.push(urlOf(server));
  }
  return success({ urls, close: async () => void (await Promise.all(servers.map(closed))) });
}

async function openAddress(server: Server, address: string, insecure: boolean): Promise<Result<void>> {
  const target = listenTarget(address);
  if (!target.ok) return target;
  if (target.value.path === undefined && !insecure && !isLoopback(target.value.host ?? '')) {
    return failure('CONFIG_INVALID', `listen=${address}: the API would be served in clear to other machines; `
      + 'use 127.0.0.1, a socket path, or add the line api_insecure=true');
  }
  try {
    if (target.value.path !== undefined) await removeDeadSocket(target.value.path);
    await listening(server, target.value);
    if (target.value.path !== undefined) await chmod(target.value.path, 0o660);
    return success(undefined);
  } catch (error) {
    return failure('CONFIG_INVALID', `cannot listen on ${address}: ${(error as Error).message}`);
  }
}

/** "/path", "unix:///path", "host:port", "[::1]:port". */
function listenTarget(address: string): Result<ListenOptions> {
  const path = address.replace(/^unix:\/\//, '');
  if (path.startsWith('/')) return success({ path });
  const target = parseHostPort(address);
  return target === null ? failure('CONFIG_INVALID', `listen=${address} is neither a path nor host:port`) : success({ ...target });
}

function listening(server: Server, options: ListenOptions | { readonly fd: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(options, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** Removes a socket file nobody listens on. Throws when somebody does, and when the file is no socket. */
async function removeDeadSocket(path: string): Promise<void> {
  const found = await stat(path).catch(() => null);
  if (found === null) return;
  if (!found.isSocket()) throw new Error('it is there and no socket; name another path, or remove it');
  const served = await new Promise<boolean>((resolve) => {
    const probe = connect(path, () => { probe.destroy(); resolve(true); });
    probe.once('error', () => resolve(false));
  });
  if (served) throw new Error('another fleetd serves it already');
  await unlink(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
}

function servesSafely(server: Server): boolean {
  const address = server.address();
  return address === null || typeof address === 'string' || isLoopback(address.address);
}

function urlOf(server: Server): string {
  const address: AddressInfo | string | null = server.address();
  if (address === null) return 'unix://(passed socket)';
  if (typeof address === 'string') return `unix://${address}`;
  return `http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`;
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
