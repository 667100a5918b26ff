/**
 * From changed placements to events of services.
 * Promises: looks at the units that changed, and at the whole directory only when one of their entries did; a service that lost
 * its last instance has a null view.
 */
import type { ClusterSnapshot } from '../../core/cluster.ts';
import { entriesOf, servicesOf, type Listing } from '../../core/directory.ts';
import type { MachineId } from '../../core/machine.ts';
import type { Placement } from '../../core/unit.ts';
import type { UnitName } from '../../core/unit-name.ts';
import type { EventView, ServiceView } from '../../protocol/v2.ts';
import { describeServices } from '../service-views.ts';

type ServiceEvent = Extract<EventView, { kind: 'service' }>;

/** What may have changed: units on machines, and machines with all they run. */
export interface ChangedPlaces {
  readonly placements: readonly Placement[];
  readonly machines: Iterable<MachineId>;
}

export function describeServiceChanges(before: Listing, after: Listing, changed: ChangedPlaces): readonly ServiceEvent[] {
  const touched = new Map<string, ServiceEvent>();
  for (const { machine, unit } of placesOf(changed, [before.snapshot, after.snapshot])) {
    const [old, now] = [entriesOf(before, machine, unit), entriesOf(after, machine, unit)];
    if (JSON.stringify(old) === JSON.stringify(now)) continue;
    for (const { service: name, portName } of [...old, ...now]) {
      touched.set(JSON.stringify([name, portName]), { kind: 'service', name, portName, service: null });
    }
  }
  if (touched.size === 0) return [];
  const views = new Map(describeServices(servicesOf(after)).map((view): [string, ServiceView] => [JSON.stringify([view.name, view.portName]), view]));
  return [...touched].map(([key, event]) => ({ ...event, service: views.get(key) ?? null }));
}

function placesOf({ placements, machines }: ChangedPlaces, snapshots: readonly ClusterSnapshot[]): readonly Placement[] {
  const places = new Map<string, Placement>(placements.map((place) => [`${place.machine}/${place.unit}`, place]));
  for (const machine of machines) {
    const units: readonly UnitName[] = snapshots.flatMap(({ statuses }) => [...(statuses.get(machine)?.keys() ?? [])]);
    for (const unit of units) places.set(`${machine}/${unit}`, { machine, unit });
  }
  return [...places.values()];
}
