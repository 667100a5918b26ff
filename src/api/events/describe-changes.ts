/**
 * From changes of the store to the events that clients see: a pure function of two snapshots.
 * Promises: costs as much as there are changes; a view that did not change makes no event; what is gone has a null
 * view.
 */
import type { ClusterSnapshot } from '../../core/cluster.ts';
import { servicesOf } from '../../core/directory.ts';
import type { MachineId } from '../../core/machine.ts';
import type { SectionReader } from '../../core/schedule/sections.ts';
import type { Placement } from '../../core/unit.ts';
import { isActive } from '../../core/release/release.ts';
import { templateOf, type UnitName } from '../../core/unit-name.ts';
import type { EventView } from '../../protocol/v2.ts';
import { parseKey } from '../../store/keys.ts';
import type { StoreChange } from '../../store/store.ts';
import { describeRelease } from '../releases/views.ts';
import { describeMachine } from '../machine-views.ts';
import {
  describeAssignment,
  describeStatus,
  describeUnit,
  machinesOfAll,
  type Viewed,
} from '../views.ts';
import { describeNews, presentHistory, type TouchedHistories } from './describe-history.ts';
import { describeServices } from '../service-views.ts';
import type { EventHead } from './filter.ts';
import { describeServiceChanges } from './service-changes.ts';

/** The cluster before and after some changes. */
export interface Difference {
  readonly before: ClusterSnapshot;
  readonly after: ClusterSnapshot;
  readonly sections: SectionReader;
  readonly changes: readonly StoreChange[];
}

/** What changes may have made different. */
interface Touched extends TouchedHistories {
  readonly units: Set<UnitName>;
  readonly assignments: Placement[];
  readonly statuses: Placement[];
  readonly machines: Set<MachineId>;
  readonly releases: Set<UnitName>;
}

/** The events of one batch: units, assignments, statuses, releases, machines, services. */
export function describeChanges({ before, after, sections, changes }: Difference): readonly EventView[] {
  const touched = touchedBy(changes, { before, after });
  const viewedBefore: Viewed = { snapshot: before, sections };
  const viewedAfter: Viewed = { snapshot: after, sections };
  const events: EventView[] = [];
  for (const name of touched.units) {
    const unit = describeUnit(viewedAfter, name);
    if (!isSame(describeUnit(viewedBefore, name), unit)) events.push({ kind: 'unit', name, unit });
  }
  for (const { unit: name, machine } of touched.assignments) {
    events.push({ kind: 'assignment', name, machine, assignment: describeAssignment(after, machine, name) });
  }
  for (const { unit: name, machine } of touched.statuses) {
    events.push({ kind: 'status', name, machine, status: describeStatus(after, machine, name) });
  }
  for (const name of touched.releases) {
    const release = describeRelease(viewedAfter, name);
    if (!isSame(describeRelease(viewedBefore, name), release)) events.push({ kind: 'release', name, release });
  }
  for (const machine of touched.machines) {
    const view = describeMachine(viewedAfter, machine);
    if (!isSame(describeMachine(viewedBefore, machine), view)) events.push({ kind: 'machine', machine, view });
  }
  events.push(...describeNews({ before, after }, touched));
  const placements = [...touched.assignments, ...touched.statuses];
  events.push(...describeServiceChanges(viewedBefore, viewedAfter, { placements, machines: touched.machines }));
  return events;
}

/**
 * A unit's view has its machines and its state in it, a machine's view the number of its units and whether it leads.
 */
function touchedBy(changes: readonly StoreChange[], { before, after }: Pick<Difference, 'before' | 'after'>): Touched {
  const touched: Touched = {
    units: new Set(),
    assignments: [],
    statuses: [],
    machines: new Set(),
    histories: new Set(),
    machineHistories: new Set(),
    releases: new Set(),
  };
  for (const change of changes) {
    const meaning = parseKey(change.kind === 'put' ? change.entry.key : change.key);
    switch (meaning?.kind) {
      case 'unit':
        touched.units.add(meaning.name);
        touchReleaseOf(touched, after, meaning.name);
        break;
      case 'assignment':
        touched.units.add(meaning.name);
        touchReleaseOf(touched, after, meaning.name);
        touched.machines.add(meaning.machine);
        touched.assignments.push({ unit: meaning.name, machine: meaning.machine });
        break;
      case 'status':
        touched.units.add(meaning.name);
        touched.statuses.push({ unit: meaning.name, machine: meaning.machine });
        // How far a drain is depends on what still runs there.
        if ((after.machines.get(meaning.machine)?.drain ?? null) !== null) touched.machines.add(meaning.machine);
        break;
      case 'release':
        touched.releases.add(meaning.name);
        break;
      case 'machine':
      case 'machine-override':
        touched.machines.add(meaning.machine);
        break;
      case 'leader':
        for (const leader of [before.leader, after.leader]) if (leader !== null) touched.machines.add(leader.machine);
        break;
      case 'unit-history':
        touched.histories.add(meaning.name);
        break;
      case 'machine-history':
        touched.machineHistories.add(meaning.machine);
        break;
      case 'roster-entry':
      case 'hold':
      case 'hold-order':
      case 'store-acceptance':
      case 'rebalance':
      case 'restore':
      case 'port-pool':
      case 'port-cursors':
      case 'machine-ports':
      case 'former-ports':
      case 'unit-file': // Comes with the units that use it.
      case 'operation':
      case 'operation-part':
      case 'registration':
      case 'schema':
      case undefined:
        break;
    }
  }
  return touched;
}

/** How far a release is depends on its units; one that has ended is not looked at. */
function touchReleaseOf(touched: Touched, { releases }: ClusterSnapshot, name: UnitName): void {
  for (const candidate of [name, templateOf(name)]) {
    const release = candidate === null ? undefined : releases.get(candidate);
    if (candidate !== null && release !== undefined && isActive(release)) touched.releases.add(candidate);
  }
}

/** Views are plain JSON values made in the same order. */
function isSame(left: object | null, right: object | null): boolean {
  return JSON.stringify(left) === JSON.stringify(right);
}

/** Everything there is that `wants` takes, as events marked `present`. */
export function* describePresent(viewed: Viewed, wants: (head: EventHead) => boolean): Generator<EventView> {
  const { snapshot } = viewed;
  const machinesOfUnit = machinesOfAll(snapshot);
  for (const name of snapshot.units.keys()) {
    if (wants({ kind: 'unit', unit: name })) {
      yield { kind: 'unit', name, unit: describeUnit(viewed, name, machinesOfUnit.get(name) ?? []), present: true };
    }
  }
  for (const [machine, assignments] of snapshot.assignments) {
    for (const name of assignments.keys()) {
      if (wants({ kind: 'assignment', unit: name })) {
        yield {
          kind: 'assignment',
          name,
          machine,
          assignment: describeAssignment(snapshot, machine, name),
          present: true,
        };
      }
    }
  }
  for (const [machine, statuses] of snapshot.statuses) {
    for (const name of statuses.keys()) {
      if (wants({ kind: 'status', unit: name })) {
        yield { kind: 'status', name, machine, status: describeStatus(snapshot, machine, name), present: true };
      }
    }
  }
  yield* presentHistory(snapshot, wants);
  for (const name of snapshot.releases.keys()) {
    if (wants({ kind: 'release', unit: name })) {
      yield { kind: 'release', name, release: describeRelease(viewed, name), present: true };
    }
  }
  for (const machine of snapshot.machines.keys()) {
    if (wants({ kind: 'machine', unit: null })) {
      yield { kind: 'machine', machine, view: describeMachine(viewed, machine), present: true };
    }
  }
  for (const service of describeServices(servicesOf(viewed))) {
    const { name, portName } = service;
    if (wants({ kind: 'service', unit: null, service: name })) {
      yield { kind: 'service', name, portName, service, present: true };
    }
  }
}
