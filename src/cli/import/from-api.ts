/**
 * Reads a cluster of fleet 1.0 through its API v1.
 * Promises: follows all pages; reads only. The API does not tell which metadata were set at run time, so all of a
 * machine's are taken for that.
 */
import type { Caller } from '../../client/call.ts';
import { Unreachable } from '../../client/errors.ts';
import { desiredStates } from '../../core/unit.ts';
import { printUnitFile, unitFileFromOptions } from '../../core/unit-file.ts';
import type { MachineResource, UnitResource, UnitStateResource } from '../../protocol/v1.ts';
import type { OriginalCluster, OriginalUnit } from './original.ts';

/** Pages of 100 items that are followed: more than any cluster of fleet 1.0 has. */
const pagesMax = 1_000;

/** Throws Unreachable when that is no API of fleet 1.0. */
export async function readFromApi(caller: Caller, signal: AbortSignal): Promise<OriginalCluster> {
  const machines = await readAll<MachineResource>(caller, { resource: 'machines', field: 'machines' }, signal);
  if (machines.length === 0)
    throw new Unreachable('the answer to /fleet/v1/machines names no machine; is that the API of a running cluster?');
  const states = await readAll<UnitStateResource>(caller, { resource: 'state', field: 'states' }, signal);
  const resources = await readAll<UnitResource>(caller, { resource: 'units', field: 'units' }, signal);
  const byName = Map.groupBy(states, ({ name }) => name ?? '');
  const problems: string[] = [];
  const units: OriginalUnit[] = [];
  for (const resource of resources) {
    const unit = readUnit(resource);
    if (typeof unit === 'string') problems.push(unit);
    else units.push({ ...unit, active: activeByMachine(byName.get(unit.name) ?? []) });
  }
  const metadata = machines.flatMap(({ id = '', metadata: pairs = {} }) =>
    Object.entries(pairs).map(([key, value]) => ({ machine: id, key, value })),
  );
  return { units, metadata, problems };
}

/** A collection of the API: its path, and the field of an answer that holds its items. */
interface Collection {
  readonly resource: string;
  readonly field: string;
}

/** All items of a paged collection. */
async function readAll<Item>(
  caller: Caller,
  { resource, field }: Collection,
  signal: AbortSignal,
): Promise<readonly Item[]> {
  const items: Item[] = [];
  let token = '';
  for (let page = 0; page < pagesMax; page += 1) {
    const path = `/fleet/v1/${resource}${token === '' ? '' : `?nextPageToken=${encodeURIComponent(token)}`}`;
    const body = await caller.json<Readonly<Record<string, unknown>>>({ method: 'GET', path, changes: false }, signal);
    const found = body[field] ?? [];
    if (!Array.isArray(found)) throw new Unreachable(`the answer to ${path} is not fleet's; is that its API?`);
    items.push(...(found as readonly Item[]));
    token = typeof body['nextPageToken'] === 'string' ? body['nextPageToken'] : '';
    if (token === '') return items;
  }
  throw new Unreachable(`/fleet/v1/${resource} has more than ${pagesMax} pages`);
}

/** A unit, or why it is none. */
function readUnit({ name = '', desiredState = '', machineID = '', options = [] }: UnitResource): OriginalUnit | string {
  const desired = desiredStates.find((state) => state === (desiredState === '' ? 'inactive' : desiredState));
  if (desired === undefined) return `${name}: "${desiredState.slice(0, 40)}" is no state`;
  const file = unitFileFromOptions(
    options.map((option) => ({ section: option.section ?? '', name: option.name ?? '', value: option.value ?? '' })),
  );
  if (!file.ok) return `${name}: ${file.failure.message}`;
  return { name, text: printUnitFile(file.value), desired, machine: machineID, active: new Map() };
}

function activeByMachine(states: readonly UnitStateResource[]): ReadonlyMap<string, string> {
  return new Map(states.map(({ machineID = '', systemdActiveState = '' }) => [machineID, systemdActiveState]));
}
