/**
 * The cluster as API v2 shows it: functions of a snapshot.
 * Promises: views hold plain JSON values; lists are sorted by name (statuses by name and machine), and the long ones are made in portions.
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
import { whereaboutsOf } from '../core/whereabouts.ts';
import { atOnce, portion, sortInPortions, type Portioned } from './portions.ts';
import type { AssignmentView, HistoryEventView, StatusView, UnitView } from '../protocol/v2.ts';

/** A snapshot and the reader of [X-Fleet] sections that remembers between snapshots. */
export interface Viewed {
  readonly snapshot: ClusterSnapshot;
  readonly sections: SectionReader;
}

/** Rows of a long list as they are made; null after work that brought none. */
export type Rows<Row> = Generator<Row | null, void, void>;

/** Machines a unit is assigned to, sorted by id. */
export function machinesOf(snapshot: ClusterSnapshot, name: UnitName): readonly MachineId[] {
  return [...whereaboutsOf(snapshot, name)].filter((machine) => snapshot.assignments.get(machine)?.has(name) === true).sort(compareText);
}

/** {@link machinesOf} for all units at once: one look at each assignment. */
export function machinesOfAll(snapshot: ClusterSnapshot): ReadonlyMap<UnitName, readonly MachineId[]> {
  return atOnce(machinesByUnit(snapshot.assignments));
}

/** The machines, sorted by id, that each unit has something on. */
function* machinesByUnit(
  perMachine: ReadonlyMap<MachineId, ReadonlyMap<UnitName, unknown>>,
): Portioned<ReadonlyMap<UnitName, readonly MachineId[]>> {
  const found = new Map<UnitName, MachineId[]>();
  let looked = 0;
  for (const machine of yield* sortInPortions([...perMachine.keys()])) {
    for (const name of perMachine.get(machine)?.keys() ?? []) {
      const machines = found.get(name);
      if (machines === undefined) found.set(name, [machine]);
      else machines.push(machine);
      looked += 1;
      if (looked % portion === 0) yield null;
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

/** Every unit, sorted by name, with pauses. */
export function* describeUnits(viewed: Viewed): Rows<UnitView> {
  const machines = yield* machinesByUnit(viewed.snapshot.assignments);
  for (const name of yield* sortInPortions([...viewed.snapshot.units.keys()])) {
    yield describeUnit(viewed, name, machines.get(name) ?? []);
  }
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

/** What every machine reports of its units, sorted by name, then machine, with pauses. */
export function* describeStatuses(snapshot: ClusterSnapshot): Rows<StatusView> {
  const machines = yield* machinesByUnit(snapshot.statuses);
  for (const name of yield* sortInPortions([...machines.keys()])) {
    for (const machine of machines.get(name) ?? []) yield describeStatus(snapshot, machine, name);
  }
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
