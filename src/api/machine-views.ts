/**
 * Machines as API v2 shows them: those that are here, those that are gone, and what holds; functions of a snapshot.
 * Promises: lists are sorted by id; every line for people is one line.
 */
import { awaitedMachines, orderInForce, sayOrder } from '../core/awaited.ts';
import type { ClusterSnapshot } from '../core/cluster.ts';
import type { Cordon, Machine, MachineId } from '../core/machine.ts';
import { drainProgress, type DrainProgress } from '../core/schedule/drain.ts';
import type { AbsentMachineView, HoldView, MachineView } from '../protocol/machines.ts';
import { oneLine } from './json.ts';
import { sortedKeys, type Viewed } from './views.ts';

/** Units that a reason names at most. */
const namesMax = 3;

/** A machine that is here; null when it is not. */
export function describeMachine(viewed: Viewed, id: MachineId): MachineView | null {
  const { snapshot, sections } = viewed;
  const machine = snapshot.machines.get(id);
  if (machine === undefined) return null;
  const { publicIp, hostname, metadata, version, runner, store, startedAtMs } = machine;
  const progress = machine.drain === null ? nothing : drainProgress(snapshot, id, { sections });
  return {
    id,
    address: publicIp,
    hostname,
    metadata,
    version,
    runner,
    store,
    units: snapshot.assignments.get(id)?.size ?? 0,
    leader: snapshot.leader?.machine === id,
    startedAtMs,
    state: stateOf(machine, progress),
    reason: reasonOf(machine, progress),
    leaving: progress.leaving,
    staying: progress.staying.length,
  };
}

const nothing: DrainProgress = { leaving: 0, staying: [] };

function stateOf({ cordon, drain }: Machine, { leaving }: DrainProgress): MachineView['state'] {
  if (drain !== null) return leaving > 0 ? 'draining' : 'drained';
  return cordon === null ? 'up' : 'cordoned';
}

function reasonOf({ cordon, drain, trouble }: Machine, { leaving, staying }: DrainProgress): string {
  const closed = drain ?? cordon;
  const named = staying.slice(0, namesMax).map(({ unit, why }) => `${unit} (${why})`);
  const more = staying.length > namesMax ? [`${String(staying.length - namesMax)} more`] : [];
  const parts = [
    ...(trouble === '' ? [] : [`can take no new units: ${trouble}`]),
    ...(closed === null ? [] : [sayCordon(closed)]),
    ...(leaving > 0 ? [`${String(leaving)} to go`] : []),
    ...(staying.length > 0 ? [`stays: ${[...named, ...more].join(', ')}`] : []),
  ];
  return oneLine(parts.join('; '));
}

function sayCordon({ by, reason }: Cordon): string {
  return `${reason === '' ? 'no reason given' : reason}${by === '' ? '' : ` (${by})`}`;
}

/** Every machine whose presence stands in the store. */
export function describeMachines(viewed: Viewed): readonly MachineView[] {
  return sortedKeys(viewed.snapshot.machines)
    .map((id) => describeMachine(viewed, id))
    .filter((view) => view !== null);
}

/** Every machine that is gone and not forgotten. */
export function describeAbsent(snapshot: ClusterSnapshot, nowMs: number): readonly AbsentMachineView[] {
  const awaited = awaitedMachines(snapshot, nowMs);
  const views: AbsentMachineView[] = [];
  for (const id of sortedKeys(snapshot.roster)) {
    const entry = snapshot.roster.get(id);
    if (entry === undefined || entry.goneSinceMs === null || snapshot.machines.has(id)) continue;
    const { publicIp, hostname, firstSeenMs, goneSinceMs, left } = entry;
    const override = snapshot.overrides.get(id);
    const closed = override?.drain ?? override?.cordon ?? null;
    const reasons = [awaited.has(id) ? 'its units wait for it' : '', closed === null ? '' : sayCordon(closed)];
    views.push({
      id,
      address: publicIp,
      hostname,
      state: left ? 'left' : 'lost',
      reason: oneLine(reasons.filter((reason) => reason !== '').join('; ')),
      units: snapshot.assignments.get(id)?.size ?? 0,
      firstSeenMs,
      goneSinceMs,
    });
  }
  return views;
}

/** What holds now: most machines vanished, or a person said so. */
export function describeHolds(snapshot: ClusterSnapshot, nowMs: number): readonly HoldView[] {
  const views: HoldView[] = [];
  const { hold } = snapshot;
  if (hold !== null) {
    const { sinceMs, holdMs, missing, why } = hold;
    views.push({ byHand: false, why, sinceMs, untilMs: holdMs === null ? null : sinceMs + holdMs, missing });
  }
  const order = orderInForce(snapshot, nowMs);
  if (order !== null) {
    const missing = [...snapshot.assignments.keys()].filter((id) => !snapshot.machines.has(id)).sort();
    views.push({ byHand: true, why: oneLine(sayOrder(order)), sinceMs: order.atMs, untilMs: order.untilMs, missing });
  }
  return views;
}

/** A hold as one line, for those who look at /healthz. */
export function sayHold({ why, untilMs, missing }: HoldView): string {
  const until = untilMs === null ? 'until a person ends it' : `until ${new Date(untilMs).toISOString()} at most`;
  return `hold: ${why}; the units of ${String(missing.length)} missing machines stay assigned to them ${until}`;
}
