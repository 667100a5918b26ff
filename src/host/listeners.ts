/**
 * Ports that something on this machine listens on, and those the kernel gives to outgoing connections. Read from the kernel at
 * every call; nothing is remembered.
 * Promises: reading is bounded however many connections there are, because the kernel lists listening sockets first.
 */
import { open, readFile } from 'node:fs/promises';

/** Bytes of one table that are read at most: some 7,000 sockets. */
const tableBytesMax = 1_048_576;
const chunkBytes = 65_536;
/** State of a listening TCP socket, and of a bound UDP socket that is connected to nobody (include/net/tcp_states.h). */
const tcpListen = '0A';
const udpUnconnected = '07';

export interface ListeningPorts {
  /** Ascending. */
  readonly listening: readonly number[];
  /** net.ipv4.ip_local_port_range; null when there is none. */
  readonly ephemeral: { readonly low: number; readonly high: number } | null;
}

/** What listens in this network namespace, whoever it is. A table that cannot be read counts as empty. */
export async function readListeningPorts(): Promise<ListeningPorts> {
  const [tcp, tcp6, udp, udp6] = await Promise.all(['tcp', 'tcp6', 'udp', 'udp6'].map((table) => readTable(`/proc/net/${table}`)));
  const ephemeral = parseLocalPortRange(await readFile('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').catch(() => ''));
  const found = new Set([tcp, tcp6].flatMap((text = '') => portsInState(text, tcpListen)));
  for (const port of [udp, udp6].flatMap((text = '') => portsInState(text, udpUnconnected))) {
    // A UDP socket on such a port is a client that waits for its answer.
    if (ephemeral === null || port < ephemeral.low || port > ephemeral.high) found.add(port);
  }
  return { listening: [...found].sort((left, right) => left - right), ephemeral };
}

/** Local ports of the sockets in a state, of the text of /proc/net/tcp and its like (proc(5)). A torn last line is left out. */
export function portsInState(table: string, state: string): readonly number[] {
  return table.split('\n').slice(1).flatMap((line) => {
    const [, local = '', , found] = line.trim().split(/\s+/);
    const port = Number.parseInt(local.slice(local.lastIndexOf(':') + 1), 16);
    return found === state && port > 0 ? [port] : [];
  });
}

/** Reads "32768\t60999". */
export function parseLocalPortRange(text: string): ListeningPorts['ephemeral'] {
  const [, low, high] = /^(\d+)\s+(\d+)\s*$/.exec(text) ?? [];
  return low === undefined ? null : { low: Number(low), high: Number(high) };
}

/** The beginning of a table, up to the first socket that does not listen or to the limit. */
async function readTable(path: string): Promise<string> {
  const handle = await open(path, 'r').catch(() => null);
  if (handle === null) return '';
  try {
    const isTcp = path.includes('/tcp');
    let text = '';
    const buffer = Buffer.alloc(chunkBytes);
    while (text.length < tableBytesMax) {
      const { bytesRead } = await handle.read(buffer, 0, chunkBytes, null);
      if (bytesRead === 0) break;
      text += buffer.toString('latin1', 0, bytesRead);
      if (isTcp && /^\s*\d+: \S+ \S+ (?!0A)/m.test(text.slice(-2 * chunkBytes))) break;
    }
    return text;
  } catch {
    // The kernel has no such protocol, or the namespace is going away.
    return '';
  } finally {
    await handle.close();
  }
}
