/**
 * Releases as API v2 shows them: functions of a snapshot.
 * Promises: plain JSON values; what is counted is what runs, read from the cluster and not from the release.
 */
import type { ClusterSnapshot } from '../../core/cluster.ts';
import { countSlots, membersOf, outdatedSlots } from '../../core/release/members.ts';
import { printBatch } from '../../core/release/options.ts';
import { goalOf, type ReleaseRecord } from '../../core/release/release.ts';
import type { UnitName } from '../../core/unit-name.ts';
import type { ReleaseDetails, ReleaseUnitView, ReleaseView } from '../../protocol/releases.ts';
import { addressOf, machinesOf, sortedKeys, type Viewed } from '../views.ts';

/** A release; null when there was none of that name. */
export function describeRelease(viewed: Viewed, name: UnitName): ReleaseView | null {
  const record = viewed.snapshot.releases.get(name);
  return record === undefined ? null : releaseView(viewed, name, record);
}

export function releaseView({ snapshot, sections }: Viewed, name: UnitName, record: ReleaseRecord): ReleaseView {
  const members = membersOf(snapshot, name, sections);
  const taken = new Set(record.moves.flatMap(({ old, phase, unit }) => (old !== null && phase !== 'leaving' ? [unit] : [])));
  const total = countSlots(snapshot, members) - taken.size;
  const asked = record.state === 'rolled-back' ? 'rolling-back' : record.state;
  const left = outdatedSlots(snapshot, { ...record, state: asked, failures: [] }, members).length;
  const { state, paused, why, inPlaceWhy, target, origin, strategy, generations, moves, failures } = record;
  const { startedAtMs, changedAtMs, by } = record;
  return {
    name,
    state,
    paused,
    why,
    inPlaceWhy,
    target,
    origin,
    goal: goalOf(record),
    total,
    changed: Math.max(0, total - left),
    strategy: { ...strategy, batch: printBatch(strategy.batch) },
    generations,
    moves: moves.map(({ unit, old, machine, phase, generation, healthySinceMs, why: moveWhy }) => ({
      unit,
      old,
      machine,
      phase,
      generation,
      healthySinceMs,
      why: moveWhy,
    })),
    failures,
    startedAtMs,
    changedAtMs,
    by,
  };
}

/** Every release, sorted by name. */
export function describeReleases(viewed: Viewed): readonly ReleaseView[] {
  return sortedKeys(viewed.snapshot.releases).flatMap((name) => describeRelease(viewed, name) ?? []);
}

/** A release with each of its units. */
export function describeReleaseDetails(viewed: Viewed, name: UnitName): ReleaseDetails | null {
  const view = describeRelease(viewed, name);
  if (view === null) return null;
  const members = membersOf(viewed.snapshot, name, viewed.sections);
  return { ...view, units: members.flatMap((member) => unitViews(viewed.snapshot, member.name)) };
}

function unitViews(snapshot: ClusterSnapshot, name: UnitName): readonly ReleaseUnitView[] {
  const machines = machinesOf(snapshot, name);
  const generation = snapshot.units.get(name)?.release ?? 0;
  const nowhere = { name, machine: '', address: '', generation, active: 'inactive', health: 'none', ports: {} };
  if (machines.length === 0) return [nowhere];
  return machines.map((machine) => {
    const assignment = snapshot.assignments.get(machine)?.get(name);
    const status = snapshot.statuses.get(machine)?.get(name);
    return {
      name,
      machine,
      address: addressOf(snapshot, machine),
      generation: assignment?.release ?? generation,
      active: status?.active ?? 'inactive',
      health: status?.draining === true ? 'draining' : (status?.health ?? 'none'),
      ports: assignment?.ports ?? {},
    };
  });
}
