/**
 * Oneshots that have done their work for good: loaded wherever they are, and not run again until somebody asks.
 * Promises: pure; a wish is told from the next one by file and restart generation; a global unit finishes on each machine by itself.
 */
import type { ClusterSnapshot } from '../cluster.ts';
import type { MachineId } from '../machine.ts';
import type { Assignment, UnitStatus } from '../unit.ts';
import type { UnitName } from '../unit-name.ts';
import { phaseOf } from '../unit-state.ts';

/** What tells one wish to run a unit from the next. */
export type LaunchWish = Pick<Assignment, 'hash' | 'desired' | 'restart'>;

/** Whether a status says that a unit has run to its end with success for this very wish. */
export function hasSucceeded(status: UnitStatus, wish: LaunchWish): boolean {
  return wish.desired === 'launched' && isSameLaunch(wish, status) && phaseOf(status) === 'done';
}

export interface LaunchPlace {
  readonly name: UnitName;
  readonly machine: MachineId;
  readonly isGlobal: boolean;
  /** Its assignment to that machine. */
  readonly held: Assignment | undefined;
}

/** Whether a unit is not to be started on a machine, because it has succeeded already. */
export function isFinished(snapshot: ClusterSnapshot, { name, machine, isGlobal, held }: LaunchPlace, wish: LaunchWish): boolean {
  if (wish.desired !== 'launched') return false;
  if (held?.finished === true && held.desired === 'launched' && isSameLaunch(wish, held)) return true;
  if (isGlobal) {
    const status = snapshot.statuses.get(machine)?.get(name);
    return status !== undefined && hasSucceeded(status, wish);
  }
  const succeeded = snapshot.unitHistories.get(name)?.succeeded ?? null;
  return succeeded !== null && isSameLaunch(wish, succeeded);
}

function isSameLaunch(left: Omit<LaunchWish, 'desired'>, right: Omit<LaunchWish, 'desired'>): boolean {
  return left.hash === right.hash && left.restart === right.restart;
}
