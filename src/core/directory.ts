/**
 * The service directory: who listens where, now.
 * Promises: a pure function of a snapshot; lists a unit only while its machine says that it is active, well (or not checked) and
 * not draining, and while it is wanted there; the ports are those it was started with, never those it is yet to get.
 */
import type { ClusterSnapshot } from './cluster.ts';
import type { FleetSection } from './fleet-section.ts';
import type { Health } from './health-check.ts';
import type { MachineId } from './machine.ts';
import { compareText } from './order.ts';
import { isServing } from './reconcile/drain.ts';
import type { SectionReader } from './schedule/sections.ts';
import type { FileHash, UnitStatus } from './unit.ts';
import type { UnitName } from './unit-name.ts';
import { unitNameParts } from './unit-name.ts';

/** One unit that answers for a service. */
export interface Instance {
  readonly unit: UnitName;
  readonly machine: MachineId;
  /** Of its machine: IPv4 or IPv6, never empty. */
  readonly address: string;
  readonly port: number;
  readonly health: Extract<Health, 'none' | 'healthy'>;
  /** Since when the unit is active, ms since the epoch. */
  readonly sinceMs: number;
}

/** All units that answer under one name, on the port they call by one name. */
export interface Service {
  readonly name: string;
  readonly portName: string;
  /** By unit, then machine; never empty. */
  readonly instances: readonly Instance[];
}

/** What the directory is made from. */
export interface Listing {
  readonly snapshot: ClusterSnapshot;
  readonly sections: SectionReader;
}

/** An instance with the service it belongs to. */
export interface Entry extends Instance {
  readonly service: string;
  readonly portName: string;
}

/** The name a unit is found under: `Service=`, or the prefix of its name. */
function serviceNameOf(name: UnitName, section: Pick<FleetSection, 'service'> | null): string {
  return section?.service ?? unitNameParts(name).prefix;
}

/** What the directory says about one unit on one machine: an entry for each of its ports, none while it is not listed. */
export function entriesOf({ snapshot, sections }: Listing, machine: MachineId, unit: UnitName): readonly Entry[] {
  const status = snapshot.statuses.get(machine)?.get(unit);
  const address = snapshot.machines.get(machine)?.publicIp ?? '';
  if (status === undefined || address === '' || !isListed(status)) return [];
  const ports = Object.entries(status.ports);
  if (ports.length === 0) return [];
  const assignment = snapshot.assignments.get(machine)?.get(unit);
  if (assignment?.desired !== 'launched' || assignment.leaving) return [];
  const service = serviceNameOf(unit, sectionOf({ snapshot, sections }, unit, status.hash));
  const health = status.health === 'healthy' ? 'healthy' : 'none';
  return ports.map(([portName, port]) => (
    { service, portName, unit, machine, address, port, health, sinceMs: status.sinceMs }));
}

function isListed({ active, draining, health }: UnitStatus): boolean {
  return isServing(active) && !draining && (health === 'none' || health === 'healthy');
}

/** The section of the file that runs; of the one that is wanted when the store has the other no more. */
function sectionOf({ snapshot: { files, units }, sections }: Listing, unit: UnitName, hash: FileHash): FleetSection | null {
  const running = sections(files, unit, hash);
  if (running.ok) return running.value;
  const wanted = units.get(unit)?.hash;
  const section = wanted === undefined ? running : sections(files, unit, wanted);
  return section.ok ? section.value : null;
}

/** Every service that has an instance now, by name, then name of the port. */
export function servicesOf(listing: Listing): readonly Service[] {
  const { assignments } = listing.snapshot;
  return group([...assignments].flatMap(([machine, units]) => [...units.keys()].flatMap((unit) => entriesOf(listing, machine, unit))));
}

/** Entries as services, in the directory's order. */
export function group(entries: readonly Entry[]): readonly Service[] {
  const services = new Map<string, { readonly name: string; readonly portName: string; readonly instances: Instance[] }>();
  for (const { service: name, portName, ...instance } of entries) {
    const key = JSON.stringify([name, portName]);
    const service = services.get(key) ?? { name, portName, instances: [] };
    services.set(key, service);
    service.instances.push(instance);
  }
  for (const { instances } of services.values()) {
    instances.sort((left, right) => compareText(left.unit, right.unit) || compareText(left.machine, right.machine));
  }
  return [...services.values()].sort((left, right) => compareText(left.name, right.name) || compareText(left.portName, right.portName));
}

/** Whether any unit of the cluster belongs to a service, listed or not. */
export function isKnownService({ snapshot, sections }: Listing, name: string): boolean {
  for (const [unit, { hash }] of snapshot.units) {
    const section = sections(snapshot.files, unit, hash);
    if (serviceNameOf(unit, section.ok ? section.value : null) === name) return true;
  }
  return false;
}

/** Reads the directory of a snapshot, once for each snapshot that lives. */
export type DirectoryReader = (snapshot: ClusterSnapshot) => readonly Service[];

export function createDirectoryReader(sections: SectionReader): DirectoryReader {
  const read = new WeakMap<ClusterSnapshot, readonly Service[]>();
  return (snapshot) => {
    const known = read.get(snapshot) ?? servicesOf({ snapshot, sections });
    read.set(snapshot, known);
    return known;
  };
}
