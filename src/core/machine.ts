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
  /** What it has for units, its reserve taken off; 0 when it does not say: then nothing is counted against it. */
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
  /** What keeps it from taking new units, one line: a full disk, a manager that does not answer; empty when nothing does. */
  readonly trouble: string;
  /** The store is not the one this machine knows: it does nothing by what the store says. null when it is. */
  readonly doubt: SpokenDoubt | null;
}

/** A doubt as the machine's record has it, for those who decide and for people. */
export interface SpokenDoubt {
  /** The cluster the machine remembers. */
  readonly cluster: string;
  /** More than any fencing token it has seen. */
  readonly tokenBase: number;
  readonly why: string;
}

/** What a machine knows of itself; its presence in the store adds the rest of the record. */
export type MachineFacts = Omit<MachineRecord, 'ttlMs' | 'left' | 'trouble' | 'doubt'>;

/** What people changed about a machine at run time (store key `machine-overrides/<id>`). */
export interface MachineOverride {
  readonly set: Readonly<Record<string, string>>;
  readonly removed: readonly string[];
  /** null when it takes new units. */
  readonly cordon: Cordon | null;
  /** null when its units may stay. */
  readonly drain: Drain | null;
  /**
   * The moment since when the machine was gone as a person had it forgotten ({@link RosterEntry.goneSinceMs}), null when nobody
   * did. A machine that came back since is gone since another moment, if at all, and is not forgotten.
   */
  readonly forget: number | null;
}

/** What a machine has that nobody changed anything about. */
export const noOverride: MachineOverride = { set: {}, removed: [], cordon: null, drain: null, forget: null };

/** A person wants no new units on a machine. */
export interface Cordon {
  /** For people; may be empty. */
  readonly reason: string;
  /** Who asked. */
  readonly by: string;
  readonly sinceMs: number;
}

/** A person wants the units of a machine elsewhere; it takes no new ones either. */
export interface Drain extends Cordon {
  /** Whether units with OnMachineLost=stop leave, too. */
  readonly fenced: boolean;
  /** Whether global units stop there, too. */
  readonly global: boolean;
}

/** A machine as the scheduler sees it: its record with the overrides applied. */
export interface Machine extends MachineRecord {
  readonly cordon: Cordon | null;
  readonly drain: Drain | null;
}

/** What people call a machine: its host name, or its id when it has told none. */
export function machineName({ id, hostname }: Pick<MachineRecord, 'id' | 'hostname'>): string {
  return hostname === '' ? id : hostname;
}

/** What the cluster remembers of a machine that was ever in it (store key `machine-records/<id>`, written by the engine only). */
export interface RosterEntry {
  readonly firstSeenMs: number;
  /** When it was last seen to come, to change or to go. */
  readonly lastSeenMs: number;
  readonly bootId: string;
  readonly publicIp: string;
  readonly hostname: string;
  /** null while it is there. */
  readonly goneSinceMs: number | null;
  /** Whether it went on purpose. */
  readonly left: boolean;
}

/** Applies run-time overrides: set wins over the machine's own, removed hides. */
export function applyOverride(record: MachineRecord, override: MachineOverride | undefined): Machine {
  if (override === undefined) return { ...record, cordon: null, drain: null };
  const metadata: Record<string, string> = { ...record.metadata, ...override.set };
  for (const key of override.removed) delete metadata[key];
  return { ...record, metadata, cordon: override.cordon, drain: override.drain };
}

/** The name of a machine in tables: the first eight characters and "...", or all of it. */
export function shortMachineId(id: string): string {
  return id.length > 8 ? `${id.slice(0, 8)}...` : id;
}
