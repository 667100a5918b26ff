/**
 * Which addresses only this machine itself can reach.
 * Promises: an address that cannot be read is not loopback, so that doubt never opens the API to the network.
 */
import { BlockList, isIP } from 'node:net';

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4'); // RFC 1122 section 3.2.1.3
loopback.addAddress('::1', 'ipv6'); // RFC 4291 section 2.5.3

/**
 * Whether only processes of this machine can connect to `address`: an IP address as a listening socket reports it, with
 * or without brackets and zone. IPv4 addresses mapped into IPv6 count as what they are. Names are not resolved: false.
 */
export function isLoopback(address: string): boolean {
  const bare = address.replace(/^\[(.*)\]$/, '$1').replace(/%.*$/, '');
  const family = isIP(bare);
  if (family === 0) return false;
  return loopback.check(bare, family === 4 ? 'ipv4' : 'ipv6');
}
