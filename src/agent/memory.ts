/**
 * What an agent remembers on its machine's disk between two runs.
 * Promises: what is missing, damaged or from another version is nothing remembered; a disk that cannot be written to is said
 * once and keeps nobody from working.
 */
import type { Log } from '../lib/log.ts';

/** A few small named texts on disk. `write` replaces a text in one step; both may throw. */
export interface AgentMemory {
  read(name: string): Promise<string | null>;
  write(name: string, text: string): Promise<void>;
}

/** The lease this machine was present under, and the boot it was granted in. */
export interface RememberedLease {
  readonly leaseId: string;
  readonly bootId: string;
}

const leaseName = 'lease.json';

export async function recallLease(memory: AgentMemory, log: Log): Promise<RememberedLease | null> {
  try {
    const text = await memory.read(leaseName);
    return text === null ? null : leaseOf(JSON.parse(text));
  } catch (error) {
    log.warning(`cannot read which lease this machine had, asking for a new one: ${messageOf(error)}`);
    return null;
  }
}

export async function rememberLease(memory: AgentMemory, lease: RememberedLease, log: Log): Promise<void> {
  try {
    await memory.write(leaseName, JSON.stringify(lease));
  } catch (error) {
    log.warning(`cannot remember the lease of this machine; a restart of fleetd will ask for a new one: ${messageOf(error)}`);
  }
}

function leaseOf(value: unknown): RememberedLease | null {
  if (typeof value !== 'object' || value === null) return null;
  const { leaseId, bootId } = value as Readonly<Record<string, unknown>>;
  return typeof leaseId === 'string' && typeof bootId === 'string' ? { leaseId, bootId } : null;
}

/** What an error says, for a line of the log. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
