/**
 * The cluster as API v2 shows it: functions of a snapshot.
 * Promises: views hold plain JSON values; lists are sorted by name (statuses by name and machine).
 */
import type { ClusterSnapshot } from '../core/cluster.ts';
import type { MachineId } from '../core/machine.ts';
import { compareText } from '../core/order.ts';
import type { SectionReader } from '../core/schedule/sections.ts';
import { lastValue } from '../core/unit-file.ts';
import type { Assignment, UnitStatus } from '../core/unit.ts';
import { isTemplate, type UnitName } from '../core/unit-name.ts';
import { currentState } from '../core/unit-state.ts';
import type { ToldEvent } from '../core/read-history.ts';
import type { AssignmentView, HistoryEventView, StatusView, UnitView } from '../protocol/v2.ts';

/** A snapshot and the reader of [X-Fleet] sections that remembers between snapshots. */
export interface Viewed {
  readonly snapshot: ClusterSnapshot;
  readonly sections: SectionReader;
}

/** Machines a unit is assigned to, sorted by id. */
export function machinesOf(snapshot: ClusterSnapshot, name: UnitName): readonly MachineId[] {
  const found: MachineId[] = [];
  for (const [machine, assigned] of snapshot.assignments) if (assigned.has(name)) found.push(machine);
  return found.sort(compareText);
}

/** {@link machinesOf} for all units at once: one look at each assignment. */
export function machinesOfAll(snapshot: ClusterSnapshot): ReadonlyMap<UnitName, readonly MachineId[]> {
  const found = new Map<UnitName, MachineId[]>();
  for (const machine of [...snapshot.assignments.keys()].sort(compareText)) {
    for (const name of snapshot.assignments.get(machine)?.keys() ?? []) {
      const machines = found.get(name);
      if (machines === undefined) found.set(name, [machine]);
      else machines.push(machine);
    }
  }
  return found;
}

/** Whether a unit runs on every machine that fits. A unit whose file is missing or wrong counts as not global. */
export function isGlobal({ snapshot, sections }: Viewed, name: UnitName): boolean {
  const record = snapshot.units.get(name);
  if (record === undefined) return false;
  const section = sections(snapshot.files, name, record.hash);
  return section.ok && section.value.global;
}

/** A unit, or null when the cluster has none of that name. `machines` saves looking for them when they are known. */
export function describeUnit(
  viewed: Viewed,
  name: UnitName,
  machines: readonly MachineId[] = machinesOf(viewed.snapshot, name),
): UnitView | null {
  const { snapshot } = viewed;
  const record = snapshot.units.get(name);
  if (record === undefined) return null;
  const global = isGlobal(viewed, name);
  const file = snapshot.files.get(record.hash)?.file;
  const [machine] = machines;
  return {
    name,
    hash: record.hash,
    desired: record.desired,
    current: global ? null : currentOn(snapshot, name, machine),
    global,
    template: isTemplate(name),
    description: file === undefined ? '' : (lastValue(file, 'Unit', 'Description') ?? ''),
    generation: record.generation,
    restart: record.restart,
    reset: record.reset,
    machines,
    ...(record.adoptOn === null ? {} : { adoptOn: record.adoptOn }),
    changedAtMs: record.changedAtMs,
  };
}

/** fleet 1.0's currentState of a unit that is not global. */
export function currentOn(
  snapshot: ClusterSnapshot,
  name: UnitName,
  machine: MachineId | undefined,
): UnitView['desired'] {
  if (machine === undefined) return 'inactive';
  return currentState(snapshot.assignments.get(machine)?.get(name), snapshot.statuses.get(machine)?.get(name));
}

/** Every unit, sorted by name. */
export function describeUnits(viewed: Viewed): readonly UnitView[] {
  const machines = machinesOfAll(viewed.snapshot);
  return sortedKeys(viewed.snapshot.units)
    .map((name) => describeUnit(viewed, name, machines.get(name) ?? []))
    .filter((view) => view !== null);
}

export function describeStatus(snapshot: ClusterSnapshot, machine: MachineId, name: UnitName): StatusView | null {
  const status = snapshot.statuses.get(machine)?.get(name);
  return status === undefined ? null : statusView({ name, machine, address: addressOf(snapshot, machine) }, status);
}

function statusView(place: Pick<StatusView, 'name' | 'machine' | 'address'>, status: UnitStatus): StatusView {
  const { hash, load, active, sub, sinceMs, result, exitStatus, succeeded, restarts, restart, reset, mainPid, problem } =
    status;
  const { health, healthWhy, draining, portsInDoubt, ports } = status;
  return {
    ...place,
    hash,
    load,
    active,
    sub,
    sinceMs,
    result,
    exitStatus,
    succeeded,
    restarts,
    restart,
    reset,
    mainPid,
    problem,
    health,
    healthWhy,
    draining,
    portsInDoubt,
    ports,
  };
}

/** What every machine reports of its units, sorted by name, then machine. */
export function describeStatuses(snapshot: ClusterSnapshot): readonly StatusView[] {
  const views: StatusView[] = [];
  for (const [machine, statuses] of snapshot.statuses) {
    const address = addressOf(snapshot, machine);
    for (const [name, status] of statuses) views.push(statusView({ name, machine, address }, status));
  }
  return views.sort((left, right) => compareText(left.name, right.name) || compareText(left.machine, right.machine));
}

export function describeAssignment(
  snapshot: ClusterSnapshot,
  machine: MachineId,
  name: UnitName,
): AssignmentView | null {
  const assignment: Assignment | undefined = snapshot.assignments.get(machine)?.get(name);
  if (assignment === undefined) return null;
  const { desired, hash, restart, reset, why } = assignment;
  return { desired, hash, restart, reset, address: addressOf(snapshot, machine), why };
}

/** An event of a history. */
export function historyView({ atMs, unit, machine, what, why, count }: ToldEvent): HistoryEventView {
  return { atMs, unit, machine, what, why, count };
}

/** A machine's address for people; empty when it has none or is gone. */
export function addressOf(snapshot: ClusterSnapshot, id: MachineId): string {
  return snapshot.machines.get(id)?.publicIp ?? '';
}

export function sortedKeys<K extends string>(map: ReadonlyMap<K, unknown>): readonly K[] {
  return [...map.keys()].sort(compareText);
}
