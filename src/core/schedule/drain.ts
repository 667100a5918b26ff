/**
 * Draining: the units of a machine move elsewhere, a few at a time.
 * Promises: a unit leaves only when another machine takes it, and with it all units that must share its machine; a unit that fits nowhere
 * else goes on where it is. Never more than limits.drainMovesMax units of drained machines are on their way at once.
 */
import type { ClusterSnapshot } from '../cluster.ts';
import { limits } from '../limits.ts';
import type { Drain, Machine, MachineId } from '../machine.ts';
import { shortMachineId } from '../machine.ts';
import { compareNames, compareText } from '../order.ts';
import type { Assignment, UnitStatus } from '../unit.ts';
import type { UnitName } from '../unit-name.ts';
import { phaseOf } from '../unit-state.ts';
import { takeOff } from './keep.ts';
import { setAside } from './ledger.ts';
import type { Place, PlannedUnit } from './ledger.ts';
import { beginPass } from './pass.ts';
import type { Circumstances, Pass } from './pass.ts';
import { findPlace, groupRefusal, settleOn } from './placing.ts';

/** Moves what may move now off all machines that are drained. Answers whether that pushed other units off their machines. */
export function drainMachines(pass: Pass): boolean {
  const drained = [...pass.ledger.places.values()].filter(({ machine }) => machine.drain !== null);
  if (drained.length === 0) return false;
  const sinceMs = Math.min(...drained.flatMap(({ machine }) => machine.drain?.sinceMs ?? []));
  let room = limits.drainMovesMax - unitsOnTheirWay(pass.snapshot, sinceMs);
  let pushed = false;
  for (const at of drained) {
    for (const name of [...at.units.keys()].sort(compareText)) {
      const unit = at.units.get(name);
      if (unit === undefined || at.machine.drain === null || staysWhy(unit, at.machine.drain) !== null) continue;
      if (unit.section.global) {
        takeOff(pass, { unit, at }, drainedWhy(at.machine));
        continue;
      }
      if (room <= 0) break;
      const group = unitsThatShare(at, unit);
      if (group.some((each) => at.machine.drain !== null && staysWhy(each, at.machine.drain) !== null)) continue;
      const moved = moveGroup(pass, group, at);
      if (moved !== 'stays') room -= group.length;
      pushed ||= moved === 'pushed';
    }
  }
  return pushed;
}

/** Why a unit does not leave a machine that is drained, as a sentence; null when it does as soon as it can. */
function staysWhy({ section, fixed }: PlannedUnit, drain: Drain): string | null {
  if (fixed) return 'something about it cannot be read';
  if (section.global && !drain.global) return 'it is global, and the drain leaves global units alone';
  if (section.onMachineLost === 'stop' && !drain.fenced) return 'it has OnMachineLost=stop, and the drain leaves such units alone';
  return null;
}

/** What a drain means for one unit on a machine that is drained, as a sentence. */
export function drainOutlook(pass: Pass, unit: PlannedUnit, at: Place): string {
  const { drain } = at.machine;
  if (drain === null) return '';
  const stays = staysWhy(unit, drain);
  if (stays !== null) return `its machine is being drained; ${stays}`;
  return unit.section.global || fitsElsewhere(pass, unit, at)
    ? 'its machine is being drained: it leaves in its turn'
    : 'its machine is being drained, and no other machine fits, so it goes on here';
}

function drainedWhy({ id, drain }: Machine): string {
  const reason = drain === null || drain.reason === '' ? '' : ` (${drain.reason})`;
  return `its machine ${shortMachineId(id)} is being drained${reason}`;
}

/** A unit with all units on its machine that it must share the machine with, in either direction of MachineOf. */
export function unitsThatShare(at: Place, unit: PlannedUnit): readonly PlannedUnit[] {
  const group = new Map<UnitName, PlannedUnit>([[unit.name, unit]]);
  const all = [...at.units.values()].sort(compareNames);
  for (const one of group.values()) {
    for (const other of all) {
      const isTied = one.section.machineOf.includes(other.name) || other.section.machineOf.includes(one.name);
      if (isTied) group.set(other.name, other);
    }
  }
  return [...group.values()];
}

/** Moves units that share a machine, all or none. */
function moveGroup(pass: Pass, group: readonly PlannedUnit[], from: Place): 'stays' | 'moved' | 'pushed' {
  const putBack = setAside(pass.ledger, from, group);
  const to = findPlace(pass, group);
  if (to === null) {
    putBack();
    return 'stays';
  }
  for (const unit of group) pass.goes.set({ unit: unit.name, machine: from.machine.id }, drainedWhy(from.machine));
  return settleOn(pass, group, to) ? 'pushed' : 'moved';
}

/** Units that were placed since a moment, that of the first drain that lasts for example, and have not come up yet. */
export function unitsOnTheirWay({ machines, assignments, statuses }: ClusterSnapshot, sinceMs: number): number {
  let count = 0;
  for (const [machine, ofMachine] of assignments) {
    if (!machines.has(machine)) continue;
    for (const [name, assignment] of ofMachine) {
      if (assignment.leaving || (assignment.assignedAtMs >= sinceMs && isComing(assignment, statuses.get(machine)?.get(name)))) count += 1;
    }
  }
  return count;
}

function isComing({ desired }: Assignment, status: UnitStatus | undefined): boolean {
  if (desired === 'loaded') return false;
  if (status === undefined) return true;
  if (status.problem !== '') return false;
  const phase = phaseOf(status);
  return phase === 'starting' || phase === 'stopped' || status.health === 'starting';
}

/** How far the drain of one machine is. */
export interface DrainProgress {
  /** Units that are still to leave, and those that are still to end there. */
  readonly leaving: number;
  /** Units that stay, each with the reason as a sentence. */
  readonly staying: readonly { readonly unit: UnitName; readonly why: string }[];
}

/** Looks how far the drain of a machine is, as things stand. */
export function drainProgress(snapshot: ClusterSnapshot, id: MachineId, circumstances: Circumstances = {}): DrainProgress {
  const pass = beginPass(snapshot, circumstances);
  const at = pass.ledger.places.get(id);
  if (at === undefined || at.machine.drain === null) return { leaving: 0, staying: [] };
  const staying: { unit: UnitName; why: string }[] = [];
  let leaving = 0;
  for (const unit of at.units.values()) {
    const why = staysWhy(unit, at.machine.drain) ?? (unit.section.global || fitsElsewhere(pass, unit, at) ? null : 'no other machine fits');
    if (why === null) leaving += 1;
    else staying.push({ unit: unit.name, why });
  }
  for (const name of snapshot.statuses.get(id)?.keys() ?? []) if (!at.units.has(name)) leaving += 1;
  staying.sort((left, right) => compareText(left.unit, right.unit));
  return { leaving, staying };
}

function fitsElsewhere(pass: Pass, unit: PlannedUnit, at: Place): boolean {
  const group = unitsThatShare(at, unit);
  return [...pass.ledger.places.values()].some((other) => other !== at && groupRefusal(pass, group, other) === null);
}
