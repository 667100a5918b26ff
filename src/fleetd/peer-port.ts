/**
 * The peer port: where other machines of the cluster ask for status and journal.
 * Promises: a wrong or taken address is a failure.
 */
import type { Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { failure, success, type Result } from '../core/failure.ts';
import { parseHostPort } from './host-port.ts';

export interface PeerPort {
  readonly port: number;
  close(): void;
}

/** Listens on `host:port` (port 0: the kernel chooses, empty host: all addresses); null when `address` is empty. */
export async function openPeerPort(server: Server, address: string): Promise<Result<PeerPort | null>> {
  if (address === '') return success(null);
  const target = parseHostPort(address);
  if (target === null) return failure('CONFIG_INVALID', `peer_listen=${address} is not of the form host:port`);
  const { host, port } = target;
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ port, ...(host === '' ? {} : { host }) }, () => {
        server.off('error', reject);
        resolve();
      });
    });
  } catch (error) {
    return failure('CONFIG_INVALID', `peer_listen=${address}: cannot listen: ${(error as Error).message}`);
  }
  return success({
    port: (server.address() as AddressInfo).port,
    close() {
      server.close();
      server.closeAllConnections();
    },
  });
}
