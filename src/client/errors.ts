/**
 * What can go wrong between a client and a fleetd.
 * Promises: every message is one line for people that names the endpoint or repeats the API's own words, and says what
 * to do where that is known.
 */

/**
 * The API answered with an error. The message is the API's own; `reason` is a code of core/failure.ts, '' from other
 * servers.
 */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;
  readonly reason: string;

  constructor(answer: { readonly status: number; readonly reason: string; readonly message: string }) {
    super(answer.message);
    this.status = answer.status;
    this.reason = answer.reason;
  }
}

/** No endpoint gave an answer that can be used. */
export class Unreachable extends Error {
  override readonly name = 'Unreachable';
}

/**
 * Texts for the errors of node:net, node:dns and node:http that people meet; each ends the sentence "cannot reach
 * ENDPOINT: ".
 */
const hints: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such socket; start fleetd on this machine, or name another one with --endpoint',
  ECONNREFUSED: 'connection refused; start fleetd there, or name another endpoint with --endpoint',
  EACCES: 'permission denied; run fleetctl as root or join the group that owns the socket',
  ENOTFOUND: 'the host name is not known; check --endpoint',
  EAI_AGAIN: 'the name server does not answer; check --endpoint',
  EHOSTUNREACH: 'no route to the host; check --endpoint',
  ENETUNREACH: 'the network is unreachable; check --endpoint',
  ENOTSOCK: 'that file is no socket; check --endpoint',
  ECONNRESET: 'the connection was closed before an answer came',
  EPIPE: 'the connection was closed before an answer came',
  HPE_INVALID_CONSTANT: 'what listens there does not speak HTTP; check --endpoint',
};

/** OpenSSL and Node name certificate problems with codes of these forms. */
const certificateCode = /CERT|SIGNATURE|SELF_SIGNED|ISSUER|ERR_TLS|ERR_SSL|EPROTO/;

/** One line for an error of Node's network modules. */
export function explainNetworkError(endpoint: string, error: unknown): string {
  const { code = '', message } = error as { readonly code?: string; readonly message: string };
  if (hints[code] !== undefined) return `cannot reach ${endpoint}: ${hints[code]}`;
  if (certificateCode.test(code))
    return `cannot reach ${endpoint}: ${message}; check --ca-file, --cert-file and --key-file`;
  return `cannot reach ${endpoint}: ${message}`;
}
