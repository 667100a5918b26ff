/**
 * The DNS servers of a fleetd: dns_listen= and what they answer from.
 * Promises: a wrong or taken address is a failure, and none of the others stays open; the directory is read once for each snapshot.
 */
import type { Config } from '../config.ts';
import { createDirectoryReader } from '../core/directory.ts';
import { failure, success, type Result } from '../core/failure.ts';
import { createSectionReader } from '../core/schedule/sections.ts';
import type { Zone } from '../dns/answer.ts';
import { openDnsServer, type DnsServer } from '../dns/server.ts';
import type { Log } from '../lib/log.ts';
import type { Random } from '../lib/random.ts';
import type { Mirror } from '../store/mirror.ts';
import { parseHostPort } from './host-port.ts';

export interface DnsServers {
  close(): Promise<void>;
}

export async function openDnsServers(
  config: Pick<Config, 'dnsListen' | 'dnsDomain'>,
  { mirror, random, log }: { readonly mirror: Pick<Mirror, 'snapshot'>; readonly random: Random; readonly log: Log },
): Promise<Result<DnsServers>> {
  const directory = createDirectoryReader(createSectionReader());
  const zone = (): Zone | null => {
    const snapshot = mirror.snapshot();
    if (snapshot.revision === 0) return null;
    return { domain: config.dnsDomain, services: directory(snapshot), machines: snapshot.machines, random };
  };
  const servers: DnsServer[] = [];
  const close = async (): Promise<void> => void (await Promise.all(servers.map((server) => server.close())));
  for (const address of config.dnsListen) {
    const opened = await openOne(address, { zone, log });
    if (!opened.ok) {
      await close();
      return opened;
    }
    servers.push(opened.value);
    log.info(`answers DNS for ${config.dnsDomain}. on ${opened.value.address}`);
  }
  return success({ close });
}

async function openOne(address: string, needs: Parameters<typeof openDnsServer>[1]): Promise<Result<DnsServer>> {
  const target = parseHostPort(address);
  if (target === null) return failure('CONFIG_INVALID', `dns_listen=${address} is not of the form host:port`);
  try {
    return success(await openDnsServer(target, needs));
  } catch (error) {
    return failure('CONFIG_INVALID', `dns_listen=${address}: cannot listen: ${(error as Error).message}`);
  }
}
