/**
 * What it takes to reach an etcd cluster, checked before anything is opened.
 * Promises: what passes checkEtcdOptions can be given to openEtcdStore; every spelling of a key prefix means one
 * prefix.
 */
import { createSecureContext } from 'node:tls';
import { failure, success } from '../../core/failure.ts';
import type { Result } from '../../core/failure.ts';

/** etcd's registered client port, used when an endpoint names none. */
const defaultPort = '2379';

/** PEM texts, not file names. A certificate without its key, or the other way round, is refused. */
export interface EtcdTls {
  /** Certificates of the authorities that may sign etcd's certificate; without it those that Node trusts. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

export interface EtcdOptions {
  /** URLs of members: `http://host:port` or `https://host:port`. One is used at a time. */
  readonly endpoints: readonly string[];
  /** `fleet`, `/fleet` and `/fleet/` mean the same keys. */
  readonly prefix: string;
  readonly tls?: EtcdTls;
  /** The name in the members' certificates when their addresses say something else: behind a tunnel. */
  readonly serverName?: string;
  /** Both or neither; the password travels in clear to an `http://` endpoint. */
  readonly username?: string;
  readonly password?: string;
  /** Longest that one request may take. */
  readonly requestTimeoutMs: number;
}

/** How long a member may leave a client without an answer before the client gives the connection up, and how often it asks. */
export interface Patience {
  /** Connecting, TLS and the first answers; etcd spends up to 100 ms on checking a password. */
  readonly connectMs: number;
  /** etcd refuses more than one ping every 5 s (--grpc-keepalive-min-time), and counts jitter against us. */
  readonly pingEveryMs: number;
  readonly pingAnswerMs: number;
  /** A watch that heard nothing for so long asks whether anybody is there. */
  readonly silentMs: number;
  /** etcd holds its answer to that back while the watch still catches up. */
  readonly progressAnswerMs: number;
}

/**
 * All of it grows with the request timeout (`etcd_request_timeout`): an etcd with ten thousand clients is slow to answer each of them, and clients
 * that take that for the end of their connection and open another make it slower.
 */
export function patienceOf({ requestTimeoutMs }: Pick<EtcdOptions, 'requestTimeoutMs'>): Patience {
  const atLeast = (leastMs: number): number => Math.max(leastMs, requestTimeoutMs);
  return {
    connectMs: atLeast(2_000), pingEveryMs: atLeast(6_000), pingAnswerMs: atLeast(4_000), silentMs: atLeast(20_000), progressAnswerMs: atLeast(10_000),
  };
}

/** One member's address: as people write it, and as gRPC wants it. */
export interface Endpoint {
  readonly url: string;
  readonly target: string;
  readonly secure: boolean;
}

/** The key prefix as it stands in etcd: one slash in front, one at the end. */
export function normalisePrefix(prefix: string): string {
  const inner = prefix.replace(/^\/+|\/+$/g, '');
  return inner === '' ? '/' : `/${inner}/`;
}

/** Reads `http://host[:port]` or `https://host[:port]`. */
export function parseEndpoint(text: string): Result<Endpoint> {
  const url = URL.parse(text);
  const known = url?.protocol === 'http:' || url?.protocol === 'https:';
  if (url === null || !known || url.hostname === '') {
    const advice = 'write http://host:2379 or https://host:2379';
    return failure('ENDPOINT_INVALID', `"${text}" is not an etcd endpoint: ${advice}`);
  }
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '' || url.username !== '' || url.password !== '') {
    return failure('ENDPOINT_INVALID', `etcd endpoint "${text}" has more than a host and a port: remove the rest`);
  }
  // URL drops the port 80 of http: and 443 of https:, which somebody may have written on purpose.
  const port = url.port !== '' ? url.port : /:(\d+)\/?$/.exec(text)?.[1] ?? defaultPort;
  const address = `${url.hostname}:${port}`;
  return success({ url: `${url.protocol}//${address}`, target: `dns:${address}`, secure: url.protocol === 'https:' });
}

/** The options themselves, or the first thing that is wrong with them: ENDPOINT_INVALID or CONFIG_INVALID. */
export function checkEtcdOptions(options: EtcdOptions): Result<EtcdOptions> {
  if (options.endpoints.length === 0) return failure('ENDPOINT_INVALID', 'no etcd endpoint is given');
  for (const text of options.endpoints) {
    const endpoint = parseEndpoint(text);
    if (!endpoint.ok) return endpoint;
  }
  if ((options.username === undefined) !== (options.password === undefined)) {
    return failure('CONFIG_INVALID', 'etcd user name and password belong together: one of them is missing');
  }
  const { ca, cert, key } = options.tls ?? {};
  if ((cert === undefined) !== (key === undefined)) {
    return failure('CONFIG_INVALID', 'etcd client certificate and key belong together: one of them is missing');
  }
  try {
    createSecureContext({ ca, cert, key });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return failure('CONFIG_INVALID', `etcd certificates or key cannot be read: ${reason}`);
  }
  return success(options);
}
