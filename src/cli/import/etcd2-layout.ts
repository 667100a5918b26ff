/**
 * What fleet 1.0 keeps in etcd's API v2, under its key prefix.
 *
 *   job/NAME/object          {"Name":"app.service","UnitHash":[20 bytes]}
 *   job/NAME/target-state    inactive | loaded | launched; absent: inactive
 *   job/NAME/target          id of the machine it is scheduled to
 *   unit/SHA1                {"Raw":"text of the unit file"}
 *   states/NAME/MACHINE      {"loadState":…,"activeState":…,"subState":…,"machineState":{"ID":…},"unitHash":…}
 *   machines/ID/object       {"ID":…,"PublicIP":…,"Metadata":{…},…}, lives as long as the machine
 *   machines/ID/metadata/KEY value set at run time; empty: removed
 *
 * Promises: pure; a value that cannot be understood costs its own unit alone, and is named.
 */
import { desiredStates } from '../../core/unit.ts';
import type { OriginalCluster, OriginalMetadata, OriginalUnit } from './original.ts';

/** A node of etcd's API v2, as far as it is read. */
export interface Etcd2Node {
  readonly key?: string;
  readonly value?: string;
  readonly nodes?: readonly Etcd2Node[];
}

/** The directories that are read; null for one that is not there. */
export interface Etcd2Directories {
  readonly job: Etcd2Node | null;
  readonly unit: Etcd2Node | null;
  readonly states: Etcd2Node | null;
  readonly machines: Etcd2Node | null;
}

/** Reads the layout. */
export function readLayout(directories: Etcd2Directories): OriginalCluster {
  const problems: string[] = [];
  const texts = readTexts(directories.unit, problems);
  const states = readStates(directories.states);
  const units: OriginalUnit[] = [];
  for (const job of childrenOf(directories.job)) {
    const unit = readJob(job, texts);
    if (typeof unit === 'string') problems.push(unit);
    else units.push({ ...unit, active: states.get(unit.name) ?? new Map() });
  }
  return { units, metadata: readMetadata(directories.machines), problems };
}

function childrenOf(node: Etcd2Node | null | undefined): readonly Etcd2Node[] {
  return Array.isArray(node?.nodes) ? node.nodes : [];
}

/** The last part of a key. */
function nameOf({ key = '' }: Etcd2Node): string {
  return key.slice(key.lastIndexOf('/') + 1);
}

function valueIn(node: Etcd2Node, name: string): string {
  return childrenOf(node).find((child) => nameOf(child) === name)?.value ?? '';
}

/** The fields of a JSON value; none when it is no object. */
function fieldsOf(json: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
  } catch {
    return {};
  }
}

function readTexts(directory: Etcd2Node | null, problems: string[]): ReadonlyMap<string, string> {
  const texts = new Map<string, string>();
  for (const node of childrenOf(directory)) {
    const { Raw: raw } = fieldsOf(node.value ?? '');
    if (typeof raw === 'string') texts.set(nameOf(node), raw);
    else problems.push(`the unit file ${nameOf(node)} cannot be read`);
  }
  return texts;
}

/** A job as a unit, or why it is none. */
function readJob(job: Etcd2Node, texts: ReadonlyMap<string, string>): Omit<OriginalUnit, 'active'> | string {
  const name = nameOf(job);
  const { UnitHash: hash } = fieldsOf(valueIn(job, 'object'));
  if (!isHash(hash)) return `${name}: what it consists of cannot be read`;
  const hex = hash.map((byte) => byte.toString(16).padStart(2, '0')).join('');
  const text = texts.get(hex);
  if (text === undefined) return `${name}: its unit file ${hex} is not there`;
  const state = valueIn(job, 'target-state');
  const desired = state === '' ? 'inactive' : desiredStates.find((each) => each === state);
  if (desired === undefined) return `${name}: "${state.slice(0, 40)}" is no state`;
  return { name, text, desired, machine: valueIn(job, 'target') };
}

/** Bytes of a SHA-1. */
const hashBytes = 20;

function isHash(value: unknown): value is readonly number[] {
  const isByte = (each: unknown): boolean => Number.isInteger(each) && Number(each) >= 0 && Number(each) < 256;
  return Array.isArray(value) && value.length === hashBytes && value.every(isByte);
}

function readStates(directory: Etcd2Node | null): ReadonlyMap<string, ReadonlyMap<string, string>> {
  return new Map(
    childrenOf(directory).map((unit) => [
      nameOf(unit),
      new Map(
        childrenOf(unit).flatMap((state) => {
          const { activeState } = fieldsOf(state.value ?? '');
          return typeof activeState === 'string' ? [[nameOf(state), activeState] as const] : [];
        }),
      ),
    ]),
  );
}

function readMetadata(directory: Etcd2Node | null): readonly OriginalMetadata[] {
  return childrenOf(directory).flatMap((machine) =>
    childrenOf(childrenOf(machine).find((child) => nameOf(child) === 'metadata')).map((node) => ({
      machine: nameOf(machine),
      key: nameOf(node),
      value: node.value ?? '',
    })),
  );
}
