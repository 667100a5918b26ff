/**
 * The cluster as API v1 shows it: functions of a snapshot.
 * Promises: the order of fields is fleet 1.0's; empty fields are absent; lists are sorted by name, machines by id.
 */
import type { ClusterSnapshot } from '../../core/cluster.ts';
import { compareText } from '../../core/order.ts';
import type { UnitName } from '../../core/unit-name.ts';
import type { MachineResource, UnitResource, UnitStateResource } from '../../protocol/v1.ts';
import { currentOn, isGlobal, machinesOf, sortedKeys, type Viewed } from '../views.ts';

/** Leaves out what Go's `omitempty` leaves out. */
function filled<T extends object>(fields: T): Partial<T> {
  const isFilled = (value: unknown): boolean =>
    value !== '' &&
    value !== undefined &&
    value !== null &&
    (typeof value !== 'object' || Object.keys(value).length > 0);
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => isFilled(value))) as Partial<T>;
}

/** A page or list under its field, absent when it has nothing. */
export function pageBody(fields: Readonly<Record<string, unknown>>): object {
  return filled(fields);
}

export function machineResources(snapshot: ClusterSnapshot): readonly MachineResource[] {
  return sortedKeys(snapshot.machines).map((id) => {
    const machine = snapshot.machines.get(id);
    const metadata = Object.fromEntries(
      Object.entries(machine?.metadata ?? {}).sort(([left], [right]) => compareText(left, right)),
    );
    return filled({ id, metadata, primaryIP: machine?.publicIp ?? '' });
  });
}

/** A unit; null when there is none of that name. A global unit has neither machine nor current state. */
export function unitResource(viewed: Viewed, name: UnitName): UnitResource | null {
  const { snapshot } = viewed;
  const record = snapshot.units.get(name);
  if (record === undefined) return null;
  const machine = isGlobal(viewed, name) ? undefined : machinesOf(snapshot, name)[0];
  const currentState = isGlobal(viewed, name) ? '' : currentOn(snapshot, name, machine);
  const options = (snapshot.files.get(record.hash)?.file.options ?? []).map((option) =>
    filled({ name: option.name, section: option.section, value: option.value }),
  );
  return filled({
    currentState,
    desiredState: record.desired,
    machineID: machine ?? '',
    name: name as string,
    options,
  });
}

/** What machines report of units, sorted by name and machine. Absent filters take everything. */
export function stateResources(
  snapshot: ClusterSnapshot,
  filter: { readonly machine?: string; readonly name?: string },
): readonly UnitStateResource[] {
  const states: { readonly key: string; readonly state: UnitStateResource }[] = [];
  for (const [machine, statuses] of snapshot.statuses) {
    if (filter.machine !== undefined && filter.machine !== machine) continue;
    for (const [name, { hash, active, load, sub }] of statuses) {
      if (filter.name !== undefined && filter.name !== name) continue;
      const fields = { hash: hash as string, machineID: machine as string, name: name as string };
      states.push({
        key: `${name} ${machine}`,
        state: filled({ ...fields, systemdActiveState: active, systemdLoadState: load, systemdSubState: sub }),
      });
    }
  }
  return states.sort((left, right) => compareText(left.key, right.key)).map(({ state }) => state);
}
