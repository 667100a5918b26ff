/** A machine of the cluster: who it is, what it offers, whether it takes new units. */

declare const machineIdBrand: unique symbol;
/** A machine id: 32 lower-case hexadecimal characters as in machine-id(5), or what the configuration gave. */
export type MachineId = string & { readonly [machineIdBrand]: 'MachineId' };

/** What a machine publishes about itself under its lease (store key `machines/<id>`). */
export interface MachineRecord {
  readonly id: MachineId;
  /** Address people and peers use; empty when none was found. */
  readonly publicIp: string;
  readonly hostname: string;
  /** Metadata of its configuration; a bare word `x` is stored as `{ x: 'x' }` with key and value alike. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly version: string;
  /** Kernel boot id: tells a reboot from a duplicate machine id. */
  readonly bootId: string;
  /** How many units it takes at most, by capacity; null when unlimited. */
  readonly capacity: { readonly cpus: number; readonly memoryBytes: number };
  /** Where its peer port listens and the SHA-256 fingerprint (hex, no colons) of its certificate; null without peer port. */
  readonly peer: { readonly address: string; readonly port: number; readonly fingerprint: string } | null;
  /** Which runner and store it uses, shown by list-machines and explain. */
  readonly runner: 'systemd' | 'supervisor';
  readonly store: 'etcd' | 'embedded';
  readonly startedAtMs: number;
  /** Its agent_ttl: it was heard of for the last time at least so long before its record went; 0 when not known. */
  readonly ttlMs: number;
  /** It leaves on purpose: all its units have stopped, and it starts no more. */
  readonly left: boolean;
}

/** What a machine knows of itself; its presence in the store adds the rest of the record. */
export type MachineFacts = Omit<MachineRecord, 'ttlMs' | 'left'>;

/** What people changed about a machine at run time (store key `machine-overrides/<id>`). */
export interface MachineOverride {
  readonly set: Readonly<Record<string, string>>;
  readonly removed: readonly string[];
}

/** A machine as the scheduler sees it: its record with the overrides applied. */
export interface Machine extends MachineRecord {}

/** Applies run-time overrides: set wins over the machine's own, removed hides. */
export function applyOverride(record: MachineRecord, override: MachineOverride | undefined): Machine {
  if (override === undefined) return record;
  const metadata: Record<string, string> = { ...record.metadata, ...override.set };
  for (const key of override.removed) delete metadata[key];
  return { ...record, metadata };
}

/** The name of a machine in tables: the first eight characters and "...", or all of it. */
export function shortMachineId(id: string): string {
  return id.length > 8 ? `${id.slice(0, 8)}...` : id;
}
