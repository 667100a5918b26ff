/**
 * What may matter to the scheduler between two snapshots.
 * Promises: pure; costs what differs, when the snapshots share what does not (shared-map.ts); what cannot change a decision is left out.
 */
import type { ClusterSnapshot } from '../cluster.ts';
import type { MachineId } from '../machine.ts';
import { changedKeys } from '../shared-map.ts';
import type { UnitStatus } from '../unit.ts';
import type { UnitName } from '../unit-name.ts';
import { phaseOf } from '../unit-state.ts';
import type { Steps } from './steps.ts';

export interface Changes {
  /** Units whose records differ. */
  readonly records: ReadonlySet<UnitName>;
  /** Units with other assignments, and on which machines. */
  readonly moved: ReadonlyMap<UnitName, ReadonlySet<MachineId>>;
  /** Units that are to be decided about anew for other reasons: what their machines, or their histories, say. */
  readonly told: ReadonlySet<UnitName>;
  readonly histories: ReadonlySet<UnitName>;
  readonly releases: ReadonlySet<UnitName>;
  /** Machines that came, went or differ. */
  readonly machines: ReadonlySet<MachineId>;
  /** Machines of which something about ports, or about their being forgotten, differs. */
  readonly aboutMachines: ReadonlySet<MachineId>;
}

/** Compares two snapshots, machine by machine: each may have other assignments and statuses. */
export function* changesBetween(before: ClusterSnapshot, after: ClusterSnapshot): Steps<Changes> {
  const told = new Set<UnitName>(changedKeys(before.formerPorts, after.formerPorts));
  const aboutMachines = new Set<MachineId>();
  for (const map of ['machinePorts', 'roster', 'overrides'] as const) {
    for (const id of changedKeys<MachineId, unknown>(before[map], after[map])) aboutMachines.add(id);
  }
  for (const scope of changedKeys(before.portCursors, after.portCursors)) aboutMachines.add(scope as MachineId);
  const histories = changedKeys(before.unitHistories, after.unitHistories);
  for (const name of histories) {
    const [left, right] = [before, after].map(({ unitHistories }) => unitHistories.get(name)?.succeeded ?? null);
    if (left?.hash !== right?.hash || left?.restart !== right?.restart) told.add(name);
  }
  yield* addStatuses(before, after, { told, aboutMachines });
  const moved = yield* movedUnits(before, after);
  return {
    records: changedKeys(before.units, after.units), moved, told, histories,
    releases: changedKeys(before.releases, after.releases), machines: changedKeys(before.machines, after.machines), aboutMachines,
  };
}

function* movedUnits({ assignments: before }: ClusterSnapshot, { assignments: after }: ClusterSnapshot): Steps<Map<UnitName, Set<MachineId>>> {
  const moved = new Map<UnitName, Set<MachineId>>();
  for (const machine of changedKeys(before, after)) {
    for (const name of changedKeys(before.get(machine) ?? nothing, after.get(machine) ?? nothing)) {
      const machines = moved.get(name);
      if (machines === undefined) moved.set(name, new Set([machine]));
      else machines.add(machine);
    }
    yield;
  }
  return moved;
}

const nothing: ReadonlyMap<UnitName, never> = new Map<UnitName, never>();

/** A status matters when it frees or takes ports, says that a fenced unit has stopped, or that a oneshot has done its work. */
function* addStatuses(
  { statuses: before }: ClusterSnapshot, { statuses: after }: ClusterSnapshot,
  { told, aboutMachines }: { readonly told: Set<UnitName>; readonly aboutMachines: Set<MachineId> },
): Steps<void> {
  for (const machine of changedKeys(before, after)) {
    const [left, right] = [before.get(machine), after.get(machine)];
    for (const name of changedKeys(left ?? nothing, right ?? nothing)) {
      const [was, is] = [left?.get(name), right?.get(name)];
      if (saysOfPorts(was) !== saysOfPorts(is)) aboutMachines.add(machine);
      if (saysOfWork(was) !== saysOfWork(is)) told.add(name);
    }
    yield;
  }
}

function saysOfPorts(status: UnitStatus | undefined): string {
  return status === undefined ? '{}' : JSON.stringify(status.ports);
}

function saysOfWork(status: UnitStatus | undefined): string {
  if (status === undefined) return '0';
  return phaseOf(status) === 'done' ? `${String(status.released)} ${status.hash} ${String(status.restart)}` : String(status.released);
}
