/**
 * Which machines are waited for: those that are gone and whose units stay assigned to them because of a hold.
 * Promises: pure; a machine that is there, or was forgotten, is not waited for.
 */
import type { ClusterSnapshot } from './cluster.ts';
import type { HoldOrder } from './hold.ts';
import { shortMachineId } from './machine.ts';
import type { MachineId } from './machine.ts';
import { isForgotten } from './roster.ts';

/** The order to hold that is in force; null when there is none. */
export function orderInForce({ holdOrder }: ClusterSnapshot, nowMs: number): HoldOrder | null {
  if (holdOrder?.action !== 'hold') return null;
  return holdOrder.untilMs === null || nowMs < holdOrder.untilMs ? holdOrder : null;
}

/**
 * Machines that are gone and whose units wait for them because of a hold, each with the reason as a sentence. The order of a
 * person holds for every machine, whatever made it go; the engine's own hold for those that it misses.
 */
export function awaitedMachines(snapshot: ClusterSnapshot, nowMs: number): ReadonlyMap<MachineId, string> {
  const awaited = new Map<MachineId, string>();
  for (const id of snapshot.hold?.missing ?? []) awaited.set(id, waitsWhy(id, snapshot.hold?.why ?? ''));
  const order = orderInForce(snapshot, nowMs);
  if (order !== null) for (const id of snapshot.assignments.keys()) awaited.set(id, waitsWhy(id, sayOrder(order)));
  for (const id of awaited.keys()) if (snapshot.machines.has(id) || isForgotten(snapshot, id)) awaited.delete(id);
  return awaited;
}

/** Why the units of a machine that is gone are not placed elsewhere. */
export function waitsWhy(id: MachineId, why: string): string {
  return `its machine ${shortMachineId(id)} is gone, and the cluster waits for it: ${why}`;
}

/** "root ordered a hold until 2026-03-01T12:00:00.000Z: switch is replaced" */
export function sayOrder({ by, untilMs, reason }: HoldOrder): string {
  const until = untilMs === null ? '' : ` until ${new Date(untilMs).toISOString()}`;
  return `${by === '' ? 'somebody' : by} ordered a hold${until}${reason === '' ? '' : `: ${reason}`}`;
}
