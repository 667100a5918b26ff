/**
 * What a machine reports of its units: what the runner observes, with what fleet itself could not do.
 * Promises: a status says what is, never what was asked for; an assigned unit that nothing can be done for is reported, too.
 */
import { fenceUnit } from '../core/fence/fence-unit.ts';
import { isForeign } from '../core/reconcile/plan-agent.ts';
import type { Assignment, FileHash, UnitStatus } from '../core/unit.ts';
import { notStarted, unchecked } from '../core/unit.ts';
import type { UnitName } from '../core/unit-name.ts';
import type { Observation } from '../runner/runner.ts';
import type { Attendance } from './attendance.ts';
import type { FenceStops } from './fence-stops.ts';
import type { ProblemBook } from './problems.ts';

export interface StatusSources {
  readonly observations: ReadonlyMap<UnitName, Observation>;
  readonly assignments: ReadonlyMap<UnitName, Assignment>;
  readonly problems: ProblemBook;
  readonly attendance: Pick<Attendance, 'statusOf'>;
  readonly fenceStops: Pick<FenceStops, 'atMs'>;
}

const foreignProblem = 'fleet did not start it and leaves it alone: import it, or stop it with systemctl';

/** The status of every unit on the machine, and of assigned units that cannot be brought to it. */
export function statusesOf({ observations, assignments, problems, attendance, fenceStops }: StatusSources): ReadonlyMap<UnitName, UnitStatus> {
  const statuses = new Map<UnitName, UnitStatus>();
  for (const [name, observation] of observations) {
    const assignment = assignments.get(name);
    const problem = assignment === undefined && isForeign(observation) ? foreignProblem : problemOf(problems, name, assignment);
    const fencedAtMs = fenceStops.atMs(name, assignment);
    statuses.set(name, { ...statusOf(observation, problem), ...attendance.statusOf(observation), fencedAtMs });
  }
  for (const [name, assignment] of assignments) {
    const problem = problemOf(problems, name, assignment);
    if (observations.has(name)) continue;
    const released = assignment.leaving ? assignment.fence : 0;
    if (released > 0 || problem !== '') statuses.set(name, { ...statusOfAbsent(assignment, problem), released });
  }
  return statuses;
}

function problemOf(problems: ProblemBook, name: UnitName, assignment: Assignment | undefined): string {
  if (assignment === undefined) return problems.whyOf(name) ?? '';
  const behind = assignment.fence === 0 ? null : problems.whyOf(fenceUnit(assignment.lostAfterMs));
  return problems.whyOf(name) ?? problems.whyOf(assignment.hash) ?? behind ?? '';
}

function statusOf(observation: Observation, problem: string): UnitStatus {
  const { load, active, sub, hash, sinceMs, result, exitStatus, succeeded, restarts, mainPid, restart, reset } = observation;
  return { load, active, sub, hash, sinceMs, result, exitStatus, succeeded, restarts, mainPid, restart, reset, problem, ...unchecked };
}

function statusOfAbsent({ hash, reset }: Assignment, problem: string): UnitStatus {
  return {
    load: 'not-found', active: 'inactive', sub: 'dead', hash, sinceMs: 0, result: 'success', exitStatus: null, succeeded: false,
    restarts: 0, mainPid: 0, restart: notStarted, reset, problem, ...unchecked,
  };
}
