/**
 * Addresses of the form host:port, as the configuration writes them.
 * Promises: an IPv6 address stands in brackets; a port is at most 65535; an empty host means all addresses.
 */

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** Reads "host:port", "[::1]:port" or ":port"; null when the text is none of them. */
export function parseHostPort(text: string): HostPort | null {
  const parts = /^(?:\[([0-9a-fA-F:]+)\]|([^:]*)):(\d{1,5})$/.exec(text);
  const port = Number(parts?.[3]);
  return parts === null || port > 65_535 ? null : { host: parts[1] ?? parts[2] ?? '', port };
}
