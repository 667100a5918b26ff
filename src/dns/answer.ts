/**
 * Answers questions of DNS from the service directory.
 * Promises: pure but for the order of equals, which is drawn anew for each answer so that clients spread; answers for its own domain
 * alone; a name is looked for without regard to case, and answered as it was asked.
 *
 *   NAME.DOMAIN               A, AAAA: machines of the service; SRV: its instances, whatever their port is called
 *   _PORTNAME._tcp.NAME.DOMAIN  SRV: its instances on the port of that name (RFC 2782); _udp is answered the same
 *   MACHINE.machine.DOMAIN    A, AAAA: the machine, which is what SRV records point to
 */
import type { Answer, Question } from 'dns-packet';
import type { ClusterSnapshot } from '../core/cluster.ts';
import type { Instance, Service } from '../core/directory.ts';
import type { Random } from '../lib/random.ts';

/** What is known of the cluster. */
export interface Zone {
  /** Lower case, without a dot at its end. */
  readonly domain: string;
  readonly services: readonly Service[];
  readonly machines: ClusterSnapshot['machines'];
  readonly random: Random;
}

/** RFC 1035 section 4.1.1. */
export const rcodes = { done: 0, formatError: 1, serverFailure: 2, noSuchName: 3, notImplemented: 4, refused: 5 } as const;

export interface Reply {
  readonly rcode: number;
  /** Whether the question was about the own domain. */
  readonly isOurs: boolean;
  readonly answers: readonly Answer[];
  readonly authorities: readonly Answer[];
  readonly additionals: readonly Answer[];
}

/** Seconds an answer may be kept: the directory changes with every release. */
const ttl = 1;
/** Records of one answer; of more instances so many are told, others each time. More would not fit into a message. */
const recordsMax = 250;

export function answerQuestion({ name, type }: Question, zone: Zone): Reply {
  const asked = name.toLowerCase().replace(/\.$/, '');
  if (asked !== zone.domain && !asked.endsWith(`.${zone.domain}`)) return { ...nothing, rcode: rcodes.refused, isOurs: false };
  const records = recordsOf(asked.slice(0, -zone.domain.length).replace(/\.$/, ''), zone);
  const authorities = [authority(zone.domain)];
  if (records === null) return { ...nothing, rcode: rcodes.noSuchName, authorities };
  if (type === 'SOA' && asked === zone.domain) return { ...nothing, answers: authorities };
  const wanted = shuffled(records, zone.random).filter((record) => record.type === type).slice(0, recordsMax);
  if (wanted.length === 0) return { ...nothing, authorities };
  const targets = new Set(wanted.flatMap((record) => (record.type === 'SRV' ? [record.machine] : [])));
  const additionals = [...targets].flatMap((machine) => addressRecords(machine, zone)
    .map((record) => ({ ...record, name: machineName(machine, zone), ttl })));
  return { ...nothing, answers: wanted.map(({ machine: _, ...record }) => ({ ...record, name, ttl }) as Answer), additionals };
}

const nothing: Reply = { rcode: rcodes.done, isOurs: true, answers: [], authorities: [], additionals: [] };

/** A record before it has a name; `machine` is what an SRV record points to. */
type Record =
  | { readonly type: 'A' | 'AAAA'; readonly data: string; readonly machine: string }
  | { readonly type: 'SRV'; readonly data: { priority: number; weight: number; port: number; target: string }; readonly machine: string };

/** All records of a name below the domain; null when there is no such name. */
function recordsOf(label: string, zone: Zone): readonly Record[] | null {
  if (label === '') return [];
  const [, machine] = /^(.+)\.machine$/.exec(label) ?? [];
  if (machine !== undefined) {
    const found = addressRecords(machine, zone);
    return found.length === 0 ? null : found;
  }
  const [, portName, portService] = /^_(.+)\._(?:tcp|udp)\.(.+)$/.exec(label) ?? [];
  const services = zone.services.filter((service) => service.name.toLowerCase() === (portService ?? label)
    && (portName === undefined || service.portName.toLowerCase() === portName));
  if (services.length === 0) return null;
  const instances = services.flatMap((service) => service.instances);
  const pointers = instances.map((instance) => pointer(instance, zone));
  return portName === undefined ? [...addressesOf(instances), ...pointers] : pointers;
}

function pointer({ machine, port }: Instance, zone: Zone): Record {
  return { type: 'SRV', machine, data: { priority: 0, weight: 1, port, target: machineName(machine, zone) } };
}

function machineName(machine: string, { domain }: Zone): string {
  return `${machine.toLowerCase()}.machine.${domain}`;
}

/** Each address once. */
function addressesOf(instances: readonly Instance[]): readonly Record[] {
  const machines = new Map(instances.map(({ address, machine }) => [address, machine]));
  return [...machines].map(([address, machine]) => ({ type: address.includes(':') ? 'AAAA' : 'A', data: address, machine }));
}

function addressRecords(id: string, { machines }: Zone): readonly Extract<Record, { type: 'A' | 'AAAA' }>[] {
  const found = [...machines.values()].find((machine) => machine.id.toLowerCase() === id.toLowerCase());
  if (found === undefined || found.publicIp === '') return [];
  return [{ type: found.publicIp.includes(':') ? 'AAAA' : 'A', data: found.publicIp, machine: id }];
}

/** RFC 2308: what is not there is not there for `minimum` seconds. */
function authority(domain: string): Answer {
  return { type: 'SOA', name: domain, ttl, data: {
    mname: `ns.${domain}`, rname: `hostmaster.${domain}`, serial: 1, refresh: 60, retry: 60, expire: 60, minimum: ttl,
  } };
}

/** The same in another order (Fisher and Yates). */
function shuffled<T>(items: readonly T[], random: Random): readonly T[] {
  const mixed = [...items];
  for (let last = mixed.length - 1; last > 0; last -= 1) {
    const other = Math.floor(random.next() * (last + 1));
    [mixed[last], mixed[other]] = [mixed[other] as T, mixed[last] as T];
  }
  return mixed;
}
