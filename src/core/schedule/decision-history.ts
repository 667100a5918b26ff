/**
 * What the decisions of a pass add to the histories of their units.
 * Promises: pure; of each unit one history, whatever number of decisions is about it; the placement that ends is written down when it
 * ends, the one that begins stands in its assignment.
 */
import type { ClusterSnapshot } from '../cluster.ts';
import { addEvent, emptyUnitHistory } from '../history.ts';
import type { HistoryEvent, UnitHistory } from '../history.ts';
import { limits } from '../limits.ts';
import type { MachineId } from '../machine.ts';
import type { Assignment } from '../unit.ts';
import type { UnitName } from '../unit-name.ts';
import type { Decision } from './decision.ts';
import { waitAfterMs, sayWait, unrestAfter } from './waits.ts';

/** The history of every unit that changes with these decisions; null: it is to be forgotten. */
export function historiesAfter(
  snapshot: ClusterSnapshot, decisions: readonly Decision[], nowMs: number,
): ReadonlyMap<UnitName, UnitHistory | null> {
  const histories = new Map<UnitName, UnitHistory | null>();
  let room: number | null = null;
  for (const decision of decisions) {
    const { unit } = decision;
    const before = histories.get(unit) ?? snapshot.unitHistories.get(unit);
    const after = historyAfter(snapshot, { decision, before: before ?? emptyUnitHistory }, nowMs);
    if (after === null) continue;
    if (snapshot.units.has(unit)) {
      histories.set(unit, after);
      continue;
    }
    room ??= limits.goneHistoriesMax - goneUnits(snapshot).length;
    if (!snapshot.unitHistories.has(unit)) room -= 1;
    if (room >= 0) histories.set(unit, { ...after, succeeded: null, unrest: null });
    else if (snapshot.unitHistories.has(unit)) histories.set(unit, null);
  }
  return histories;
}

/** Units with a history that do not exist any more. */
export function goneUnits({ units, unitHistories }: ClusterSnapshot): readonly UnitName[] {
  return [...unitHistories.keys()].filter((name) => !units.has(name));
}

interface Deciding {
  readonly decision: Decision;
  readonly before: UnitHistory;
}

function historyAfter(snapshot: ClusterSnapshot, { decision, before }: Deciding, nowMs: number): UnitHistory | null {
  const { unit, machine, why } = decision;
  const add = (events: readonly HistoryEvent[], what: string): readonly HistoryEvent[] =>
    addEvent(events, { atMs: nowMs, what, machine, why });
  switch (decision.kind) {
    case 'assign':
      return null; // Its reason and time stand in the assignment.
    case 'update':
      // That a oneshot has done its work was noted when it had.
      if (decision.content.finished && !decision.before.finished) return null;
      // What has succeeded before is asked for anew when it comes back after something else.
      return { ...before, events: add(before.events, 'updated'), succeeded: decision.content.finished ? before.succeeded : null };
    case 'unassign':
      return { ...before, events: add(withPlacement(snapshot, unit, { machine, events: before.events }), 'removed') };
    case 'move': {
      const events = add(withPlacement(snapshot, unit, { machine: decision.from, events: before.events }), 'moved');
      if (!decision.unrest) return { ...before, events };
      const unrest = unrestAfter(before.unrest, nowMs);
      if (waitAfterMs(unrest) === 0) return { ...before, events, unrest };
      const waits = { atMs: nowMs, what: 'waits', machine, why: `should it have to move once more: ${sayWait(unrest)}` };
      return { ...before, events: addEvent(events, waits), unrest };
    }
  }
}

interface Ending {
  readonly machine: MachineId;
  readonly events: readonly HistoryEvent[];
}

/** The events with the placement that ends where its time puts it. */
function withPlacement(snapshot: ClusterSnapshot, unit: UnitName, { machine, events }: Ending): readonly HistoryEvent[] {
  const placement = placementBeside(events, machine, snapshot.assignments.get(machine)?.get(unit));
  if (placement === null) return events;
  const later = events.findIndex((event) => event.atMs >= placement.atMs);
  const at = later === -1 ? events.length : later;
  return [...events.slice(0, at), placement, ...events.slice(at)].slice(-limits.historyEventsMax);
}

/** The placement of a unit on a machine that holds now, unless it stands among the events as a move. */
export function placementOf(snapshot: ClusterSnapshot, unit: UnitName, machine: MachineId): HistoryEvent | null {
  return placementBeside(snapshot.unitHistories.get(unit)?.events ?? [], machine, snapshot.assignments.get(machine)?.get(unit));
}

function placementBeside(events: readonly HistoryEvent[], machine: MachineId, placed: Assignment | undefined): HistoryEvent | null {
  if (placed === undefined) return null;
  const { assignedAtMs: atMs, why } = placed;
  const isIt = (event: HistoryEvent): boolean =>
    event.machine === machine && event.atMs === atMs && (event.what === 'placed' || event.what === 'moved');
  return events.some(isIt) ? null : { atMs, what: 'placed', machine, why, count: 1 };
}

/** All that happened to a unit, the placements that hold now among it. */
export function eventsOfUnit(snapshot: ClusterSnapshot, name: UnitName): readonly HistoryEvent[] {
  let { events } = snapshot.unitHistories.get(name) ?? emptyUnitHistory;
  for (const machine of snapshot.assignments.keys()) events = withPlacement(snapshot, name, { machine, events });
  return events;
}
