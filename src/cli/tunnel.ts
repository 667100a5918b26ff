/**
 * `--tunnel`: every verb asks its cluster through SSH.
 * Promises: addresses mean what they mean on the host at the end of the tunnel; the tunnel ends with the client.
 */
import type { FleetClient } from '../client/client.ts';
import type { Endpoint } from '../client/endpoint.ts';
import { failure, success } from '../core/failure.ts';
import type { Result } from '../core/failure.ts';
import type { SshConnection, SshTarget } from '../ssh/ssh.ts';
import { SshFailure } from '../ssh/ssh.ts';
import type { Flags } from './arguments.ts';
import type { Environment } from './environment.ts';
import { sshOptionsOf, tunnelOf } from './host-address.ts';

/** A way to a cluster: leads addresses elsewhere, or nowhere else. */
export interface Way {
  /** Whether a tunnel is part of it. */
  readonly isTunnel: boolean;
  /** The endpoint to dial instead of one of the API. */
  endpoint(endpoint: Endpoint): Promise<Endpoint>;
  /** The URL to dial instead of one of etcd. */
  etcdUrl(url: string): Promise<string>;
  close(): Promise<void>;
}

const direct: Way = {
  isTunnel: false,
  endpoint: async (endpoint) => endpoint,
  etcdUrl: async (url) => url,
  close: async () => undefined,
};

/** Opens the tunnel the flags ask for; without one, a way that changes nothing. */
export async function openWay(environment: Environment, flags: Flags, signal: AbortSignal): Promise<Result<Way>> {
  const host = tunnelOf(flags);
  if (!host.ok) return host;
  if (host.value === null) return success(direct);
  const options = sshOptionsOf(environment, flags, false);
  try {
    const connection = await environment.openSsh({ ...host.value, through: null }, options, signal);
    return success(wayThrough(connection));
  } catch (error) {
    if (!(error instanceof SshFailure)) throw error;
    return failure('ENDPOINT_UNREACHABLE', `failed initializing SSH client: ${error.message}`);
  }
}

function wayThrough(connection: SshConnection): Way {
  return {
    isTunnel: true,
    async endpoint(endpoint) {
      const target: SshTarget = endpoint.socketPath === null ? endpoint : { socketPath: endpoint.socketPath };
      return { ...endpoint, socketPath: await connection.forwardSocket(target) };
    },
    async etcdUrl(url) {
      const { protocol, hostname, port } = new URL(url);
      const host = hostname.replace(/^\[(.*)\]$/, '$1');
      const local = await connection.forwardPort({ host, port: Number(port === '' ? 2379 : port) });
      return `${protocol}//127.0.0.1:${local}`;
    },
    close: () => connection.close(),
  };
}

/** The client, whose close() also ends the way. */
export function alongWay(client: FleetClient, way: Way): FleetClient {
  if (!way.isTunnel) return client;
  return {
    ...client,
    async close() {
      await client.close();
      await way.close();
    },
  };
}

/** All of `items` that the way leads to; fails with the last reason when it leads to none. */
export async function leadAll<Item>(
  items: readonly Item[],
  lead: (item: Item) => Promise<Item>,
): Promise<Result<readonly Item[]>> {
  const led: Item[] = [];
  let why = '';
  for (const item of items) {
    try {
      led.push(await lead(item));
    } catch (error) {
      if (!(error instanceof SshFailure)) throw error;
      why = error.message;
    }
  }
  return led.length > 0 ? success(led) : failure('ENDPOINT_UNREACHABLE', why);
}
