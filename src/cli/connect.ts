/**
 * Chooses whom fleetctl talks to: a fleetd's API, or etcd itself.
 * Promises: a cluster that was named (by endpoint or key prefix) is the one that is asked, or nobody is.
 */
import type { ClientOptions, FleetClient } from '../client/client.ts';
import { parseEndpoint } from '../client/endpoint.ts';
import type { Endpoint } from '../client/endpoint.ts';
import { Unreachable } from '../client/errors.ts';
import { failure, success } from '../core/failure.ts';
import type { Result } from '../core/failure.ts';
import { createLog } from '../lib/log.ts';
import type { Flags } from './arguments.ts';
import type { Environment } from './environment.ts';
import { defaultEndpoint } from './flags.ts';
import { alongWay, leadAll, openWay } from './tunnel.ts';
import type { Way } from './tunnel.ts';

/** Where etcd listens when nothing else is said (fleet 1.0's default of etcd_servers). */
const defaultEtcdEndpoints = 'http://127.0.0.1:2379,http://127.0.0.1:4001';

/** Opens a client as the flags say. Fails when they name no place, or name two that contradict each other. */
export async function openClient(
  environment: Environment,
  flags: Flags,
  signal: AbortSignal,
): Promise<Result<FleetClient>> {
  const tls = await readTls(environment, flags);
  if (!tls.ok) return tls;
  const way = await openWay(environment, flags, signal);
  if (!way.ok) return way;
  const how: How = { flags, tls: tls.value, way: way.value };
  const client = await (flags.text('driver') === 'etcd' ? openEtcd : openApi)(environment, how, signal);
  if (client.ok) return success(alongWay(client.value, way.value));
  await way.value.close();
  return client;
}

/** What was found out before a client is made. */
interface How {
  readonly flags: Flags;
  readonly tls: ClientOptions['tls'];
  readonly way: Way;
}

async function openApi(environment: Environment, how: How, signal: AbortSignal): Promise<Result<FleetClient>> {
  const { flags, tls, way } = how;
  const named = parseEndpoints(way.isTunnel ? flags.text('endpoint') : await endpointText(environment, flags));
  if (!named.ok) return named;
  const endpoints = await leadAll(named.value, way.endpoint);
  if (!endpoints.ok) return endpoints;
  const options = { endpoints: endpoints.value, tls, timeoutMs: flags.number('request-timeout') * 1_000 };
  const log = createLog('fleetctl', flags.isOn('debug') ? 'debug' : 'warning', (line) =>
    environment.stderr.write(`${line}\n`),
  );
  const client = await environment.connect({ ...options, clock: environment.clock, random: environment.random, log });
  if (!flags.given('etcd-key-prefix')) return success(client);

  const answer = await keyPrefixOf(client, signal);
  if (answer !== null && normalisePrefix(answer.keyPrefix) === normalisePrefix(flags.text('etcd-key-prefix')))
    return success(client);
  await client.close();
  if (!flags.given('endpoint')) return openEtcd(environment, how, signal);
  const why = answer === null ? 'does not answer' : `keeps its cluster under "${answer.keyPrefix}"`;
  return failure(
    'ENDPOINT_INVALID',
    `${flags.text('endpoint')} ${why}, so it cannot be asked about "${flags.text('etcd-key-prefix')}"; ` +
      'drop one of the two flags',
  );
}

/** The key prefix a fleetd says it has; null when there is no fleetd. */
async function keyPrefixOf(client: FleetClient, signal: AbortSignal): Promise<{ readonly keyPrefix: string } | null> {
  try {
    return await client.info(signal);
  } catch (error) {
    if (error instanceof Unreachable) return null;
    throw error;
  }
}

/** `fleet`, `/fleet` and `/fleet/` are the same prefix. */
export function normalisePrefix(prefix: string): string {
  return prefix
    .split('/')
    .filter((part) => part !== '')
    .join('/');
}

async function openEtcd(environment: Environment, how: How, signal: AbortSignal): Promise<Result<FleetClient>> {
  const { flags, tls, way } = how;
  const prefix = flags.text('etcd-key-prefix');
  if (environment.openEtcdDriver === undefined) {
    return failure(
      'ENDPOINT_UNREACHABLE',
      `no fleetd with the key prefix "${prefix}" answers, and this fleetctl is built without the etcd driver`,
    );
  }
  const text = flags.given('endpoint') ? flags.text('endpoint') : defaultEtcdEndpoints;
  const named = splitList(text);
  const wrong = way.isTunnel ? named.find((url) => !/^https?:\/\/[^/]/.test(url)) : undefined;
  if (wrong !== undefined)
    return failure('ENDPOINT_INVALID', `"${wrong}" is not an etcd endpoint: write http://host:2379`);
  const endpoints = await leadAll(named, way.etcdUrl);
  if (!endpoints.ok) return endpoints;
  const options = {
    endpoints: endpoints.value,
    keyPrefix: prefix,
    timeoutMs: flags.number('request-timeout') * 1_000,
    tls,
    ...(way.isTunnel ? { serverName: new URL(named[0] ?? '').hostname } : {}),
  };
  try {
    return success(await environment.openEtcdDriver(options, signal));
  } catch (error) {
    signal.throwIfAborted();
    return failure('ENDPOINT_UNREACHABLE', (error as Error).message);
  }
}

function splitList(text: string): readonly string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

function parseEndpoints(text: string): Result<readonly Endpoint[]> {
  const endpoints: Endpoint[] = [];
  for (const part of splitList(text)) {
    const reading = parseEndpoint(part);
    if (!reading.ok) return failure('ENDPOINT_INVALID', reading.why);
    endpoints.push(reading.endpoint);
  }
  return endpoints.length === 0
    ? failure('ENDPOINT_INVALID', '--endpoint names no place; write it as unix:///PATH or http://HOST:PORT')
    : success(endpoints);
}

/** The endpoint of the flags; without one, the socket of this machine's fleetd, or of this user's own. */
async function endpointText(environment: Environment, flags: Flags): Promise<string> {
  if (flags.given('endpoint')) return flags.text('endpoint');
  const sockets = ['/var/run/fleet.sock', '/run/fleet.sock'];
  const runtimeFolder = environment.env['XDG_RUNTIME_DIR'];
  if (!environment.isRoot && runtimeFolder !== undefined && runtimeFolder !== '')
    sockets.push(`${runtimeFolder}/fleet.sock`);
  for (const socket of sockets) {
    if (await environment.fileExists(socket)) return `unix://${socket}`;
  }
  return defaultEndpoint;
}

/** The texts of the PEM files that the flags name. */
export async function readTls(environment: Environment, flags: Flags): Promise<Result<ClientOptions['tls']>> {
  const texts: Record<string, string> = {};
  for (const [name, flag] of [
    ['ca', 'ca-file'],
    ['cert', 'cert-file'],
    ['key', 'key-file'],
  ] as const) {
    const path = flags.text(flag);
    if (path === '') continue;
    try {
      texts[name] = new TextDecoder().decode(await environment.readFile(path));
    } catch (error) {
      return failure('USAGE_INVALID', `cannot read --${flag}=${path}: ${(error as Error).message}`);
    }
  }
  if ((texts['cert'] === undefined) !== (texts['key'] === undefined)) {
    return failure('USAGE_INVALID', '--cert-file and --key-file belong together: give both or none');
  }
  return success(texts);
}
