/**
 * Holds decisions about fenced units back until the unit has surely stopped where it was.
 * Promises: pure; the assignment of a fenced unit is only taken from a machine that has said it released it, or that is lost for long
 * enough; until then the machine is told to stop it, unless the machine is lost and may come back with it.
 */
import type { ClusterSnapshot } from '../cluster.ts';
import type { MachineId } from '../machine.ts';
import type { Decision } from '../schedule/decision.ts';
import type { Assignment } from '../unit.ts';
import type { UnitName } from '../unit-name.ts';
import { goneInMs } from './placement.ts';
import type { AbsenceView } from './placement.ts';

/** Decisions that may be carried out now. */
export interface HeldFenced {
  readonly decisions: readonly Decision[];
  /** Milliseconds until more may be; null when nothing waits for time alone. */
  readonly againInMs: number | null;
}

/** Whether a machine has said that this placement has ended for good. */
export function isReleased(snapshot: ClusterSnapshot, { machine, unit }: { machine: MachineId; unit: UnitName }): boolean {
  const fence = snapshot.assignments.get(machine)?.get(unit)?.fence ?? 0;
  return fence > 0 && snapshot.statuses.get(machine)?.get(unit)?.released === fence;
}

/** Goes through the decisions of a pass. */
export function holdFenced(decisions: readonly Decision[], snapshot: ClusterSnapshot, view: AbsenceView): HeldFenced {
  let againInMs: number | null = null;
  const allowed = decisions.flatMap((decision): readonly Decision[] => {
    const from = machineLeft(decision);
    const assignment = from === null ? undefined : snapshot.assignments.get(from)?.get(decision.unit);
    if (from === null || assignment === undefined || assignment.fence === 0) return [decision];
    if (isReleased(snapshot, { machine: from, unit: decision.unit })) return [decision];
    if (snapshot.machines.has(from)) return leave(decision, from, assignment);
    const waitMs = goneInMs(assignment, from, view);
    if (waitMs === 0) return [decision];
    againInMs = Math.min(againInMs ?? waitMs, waitMs);
    // A unit that is to move may still be found running when its machine returns; one that nobody wants is not to be started there.
    return decision.kind === 'move' ? [] : leave(decision, from, assignment);
  });
  return { decisions: allowed, againInMs };
}

/** The machine a decision takes a unit from; null when it takes it from none. */
function machineLeft(decision: Decision): MachineId | null {
  if (decision.kind === 'move') return decision.from;
  return decision.kind === 'unassign' ? decision.machine : null;
}

function leave({ unit, why }: Decision, machine: MachineId, before: Assignment): readonly Decision[] {
  if (before.leaving) return [];
  const { assignedAtMs: _kept, ...content } = before;
  return [{ kind: 'update', unit, machine, why: `it leaves: ${why}`, content: { ...content, leaving: true }, before, cursors: new Map() }];
}
