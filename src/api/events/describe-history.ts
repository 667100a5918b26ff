/**
 * What happened to units and machines, as events of the stream.
 * Promises: each is told once, a placement when it begins; costs as much as there are changes.
 */
import type { ClusterSnapshot } from '../../core/cluster.ts';
import { whereaboutsOf } from '../../core/whereabouts.ts';
import type { HistoryEvent } from '../../core/history.ts';
import type { MachineId } from '../../core/machine.ts';
import { readHistory, type ToldEvent } from '../../core/read-history.ts';
import { eventsOfUnit, placementOf } from '../../core/schedule/decision-history.ts';
import type { Placement } from '../../core/unit.ts';
import type { UnitName } from '../../core/unit-name.ts';
import type { EventView } from '../../protocol/v2.ts';
import { historyView } from '../views.ts';
import type { EventHead } from './filter.ts';

/** What changes may have made histories different. */
export interface TouchedHistories {
  readonly assignments: Placement[];
  readonly histories: Set<UnitName>;
  readonly machineHistories: Set<MachineId>;
}

/** What histories tell now that they did not tell before, and placements, which stand in no history yet. */
export function* describeNews(
  { before, after }: { readonly before: ClusterSnapshot; readonly after: ClusterSnapshot },
  { histories, machineHistories, assignments }: TouchedHistories,
): Generator<EventView> {
  const fresh = (now: readonly HistoryEvent[], then: readonly HistoryEvent[]): readonly HistoryEvent[] => {
    const known = new Set(then.map((event) => JSON.stringify(event)));
    return now.filter((event) => !known.has(JSON.stringify(event)));
  };
  for (const { unit, machine } of assignments) {
    const placement = placementOf(after, unit, machine);
    if (placement !== null && placement.atMs !== before.assignments.get(machine)?.get(unit)?.assignedAtMs) {
      yield historyEvent({ ...placement, unit });
    }
  }
  for (const unit of histories) {
    const then = [...(before.unitHistories.get(unit)?.events ?? [])];
    // A placement that ended was told when it began.
    then.push(...[...whereaboutsOf(before, unit)].flatMap((machine) => placementOf(before, unit, machine) ?? []));
    for (const event of fresh(after.unitHistories.get(unit)?.events ?? [], then)) yield historyEvent({ ...event, unit });
  }
  for (const machine of machineHistories) {
    const [now, then] = [after, before].map(({ machineHistories: all }) => all.get(machine)?.events ?? []);
    for (const event of fresh(now ?? [], then ?? [])) yield historyEvent({ ...event, machine, unit: null });
  }
}

function historyEvent(event: ToldEvent): EventView {
  return { kind: 'history', name: event.unit, event: historyView(event) };
}

/** All that is remembered and `wants` takes, as events marked `present`. */
export function* presentHistory(
  snapshot: ClusterSnapshot,
  wants: (head: EventHead) => boolean,
): Generator<EventView> {
  if (!wants({ kind: 'history', unit: null })) {
    for (const unit of new Set([...snapshot.units.keys(), ...snapshot.unitHistories.keys()])) {
      if (!wants({ kind: 'history', unit })) continue;
      for (const event of eventsOfUnit(snapshot, unit)) {
        yield { kind: 'history', name: unit, event: historyView({ ...event, unit }), present: true };
      }
    }
    return;
  }
  for (const event of readHistory(snapshot, null)) {
    if (wants({ kind: 'history', unit: event.unit })) yield { kind: 'history', name: event.unit, event: historyView(event), present: true };
  }
}
