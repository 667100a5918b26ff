/**
 * Whether a unit that a release has changed is well: active with the new content, and healthy where something checks that.
 * Promises: what a machine says about an older content or an older start proves nothing; pure.
 */
import type { ClusterSnapshot } from '../cluster.ts';
import type { MachineId } from '../machine.ts';
import type { UnplacedUnits } from '../schedule/decision.ts';
import type { Assignment, UnitRecord, UnitStatus } from '../unit.ts';
import type { UnitName } from '../unit-name.ts';
import { settled } from '../unit-state.ts';

/** What a release asks about. */
export interface RunQuestion {
  readonly snapshot: ClusterSnapshot;
  readonly unplaced: Pick<UnplacedUnits, 'get'>;
  readonly unit: UnitName;
  /** The machine whose turn it is, of a global unit. */
  readonly machine: MachineId | null;
  readonly generation: number;
}

/**
 * `absent`: it is no longer a unit that is to run with this generation. `unplaced`: it fits on no machine. `healthy` names the run,
 * so that another one is not taken for the same.
 */
export type RunVerdict =
  | { readonly state: 'absent' }
  | { readonly state: 'healthy'; readonly run: string }
  | { readonly state: 'unplaced' | 'waiting' | 'failed'; readonly why: string };

export function judgeRun(question: RunQuestion): RunVerdict {
  const { snapshot, unit, machine, generation } = question;
  const record = snapshot.units.get(unit);
  if (record === undefined || record.desired !== 'launched' || record.release !== generation) return { state: 'absent' };
  const [at, assignment] = machine === null ? findAssignment(snapshot, unit) : [machine, snapshot.assignments.get(machine)?.get(unit)];
  if (at === null || assignment === undefined) {
    if (machine !== null) return { state: 'absent' };
    const unplaced = question.unplaced.get(unit);
    return unplaced === undefined
      ? { state: 'waiting', why: 'it is on no machine yet' }
      : { state: 'unplaced', why: unplaced.why };
  }
  if (assignment.release !== generation || assignment.leaving) {
    return { state: 'waiting', why: 'the engine has not passed on its new generation yet' };
  }
  return judgeStatus(record, assignment, { status: snapshot.statuses.get(at)?.get(unit), hasConflict: hasPortConflict(snapshot, at, unit) });
}

interface Seen {
  readonly status: UnitStatus | undefined;
  /** Something else uses its port: it is given another one. */
  readonly hasConflict: boolean;
}

function judgeStatus(record: UnitRecord, assignment: Assignment, { status, hasConflict }: Seen): RunVerdict {
  if (status !== undefined && status.restart > assignment.restart) return { state: 'waiting', why: 'its machine has not restarted it yet' };
  const { state, why } = settled(record, assignment, status);
  if (state === 'failed') return { state: hasConflict ? 'waiting' : 'failed', why };
  if (state === 'waiting' || status === undefined) return { state: 'waiting', why };
  if (status.draining) return { state: 'waiting', why: 'it drains' };
  switch (status.health) {
    case 'none':
    case 'healthy':
      return { state: 'healthy', run: `${String(status.sinceMs)}/${String(status.restarts)}` };
    case 'starting':
      return { state: 'waiting', why: 'its health check has not said yes yet' };
    case 'unhealthy':
      return { state: 'waiting', why: `it is not healthy: ${status.healthWhy}` };
  }
}

function findAssignment(snapshot: ClusterSnapshot, unit: UnitName): readonly [MachineId | null, Assignment | undefined] {
  for (const [machine, assignments] of snapshot.assignments) {
    const assignment = assignments.get(unit);
    if (assignment !== undefined) return [machine, assignment];
  }
  return [null, undefined];
}

function hasPortConflict(snapshot: ClusterSnapshot, machine: MachineId, unit: UnitName): boolean {
  return snapshot.machinePorts.get(machine)?.conflicts.some((conflict) => conflict.unit === unit) === true;
}
