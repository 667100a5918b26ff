/** What this machine is and has: address, capacity, init system. Read from the kernel at every call; nothing is remembered. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { availableParallelism, networkInterfaces, totalmem } from 'node:os';
import { bytesOn, type MemoryAmount } from '../core/amounts.ts';

/**
 * fleet 1.0's rule for an unset public_ip: the first global unicast IPv4 address of the interface of the default route;
 * empty when there is none.
 */
export async function defaultRouteAddress(): Promise<string> {
  const routes = await readFile('/proc/net/route', 'utf8').catch(() => '');
  const interfaceName = defaultRouteInterface(routes);
  if (interfaceName === null) return '';
  const addresses = networkInterfaces()[interfaceName] ?? [];
  const address = addresses.find((one) => one.family === 'IPv4' && !one.internal && !one.address.startsWith('169.254.'));
  return address?.address ?? '';
}

/** The interface of the default route with the smallest metric in the text of /proc/net/route (proc(5)), else null. */
export function defaultRouteInterface(routes: string): string | null {
  const defaults = routes.split('\n').slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter(([, destination, , flags, , , , mask]) =>
      destination === '00000000' && mask === '00000000' && (Number.parseInt(flags ?? '0', 16) & 1) === 1)
    .sort((left, right) => Number(left[6]) - Number(right[6]));
  return defaults[0]?.[0] ?? null;
}

/** What of a machine is not for units. */
export interface Reserve {
  readonly memory: MemoryAmount;
  readonly cpuMillis: number;
}

/** CPUs and memory this machine has for units. Where the reserve takes it all next to nothing is left, because 0 says "not known". */
export function readCapacity({ memory, cpuMillis }: Reserve): { readonly cpus: number; readonly memoryBytes: number } {
  const total = totalmem();
  return {
    cpus: Math.max(1, availableParallelism() * 1_000 - cpuMillis) / 1_000,
    memoryBytes: Math.max(1, total - bytesOn(memory, total)),
  };
}

/** Whether systemd is pid 1 here: sd_booted(3)'s rule. */
export function systemdIsRunning(): boolean {
  return existsSync('/run/systemd/system');
}
