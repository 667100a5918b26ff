/**
 * The mass loss guard: most machines vanishing at once is far likelier trouble of the store or the network than of the machines.
 * Promises: after more than half of at least three machines have vanished within one lease time, nothing is decided until all of them
 * are back or the hold is over; then those still missing count as lost.
 */
import type { ClusterSnapshot } from '../core/cluster.ts';
import type { MachineId } from '../core/machine.ts';

/** Fewer machines than this have no majority that could vanish and leave a cluster. */
const machinesMin = 3;

/** Remembers which machines were there, whether this engine leads or not. */
export interface MassLoss {
  /** Looks at a snapshot; `uptimeMs` is now. */
  look(snapshot: ClusterSnapshot, uptimeMs: number): void;
  /** Milliseconds until the hold ends by itself; 0 when decisions may be made. */
  holdMs(uptimeMs: number): number;
  /** Machines that have vanished and are not given up yet. */
  missing(): readonly MachineId[];
}

export interface MassLossTimes {
  /** The lease time: trouble of the store makes machines vanish within it. */
  readonly windowMs: number;
  /** How long decisions wait for vanished machines; 0: not at all. */
  readonly holdMs: number;
}

export function createMassLoss({ windowMs, holdMs }: MassLossTimes): MassLoss {
  let present: ReadonlySet<MachineId> = new Set();
  const vanishedAtMs = new Map<MachineId, number>();
  let holdUntilMs: number | null = null;
  return {
    look(snapshot, uptimeMs) {
      for (const id of present) if (!snapshot.machines.has(id)) vanishedAtMs.set(id, uptimeMs);
      present = new Set(snapshot.machines.keys());
      for (const [id, sinceMs] of vanishedAtMs) {
        const isGivenUp = holdUntilMs === null ? uptimeMs - sinceMs > windowMs : uptimeMs >= holdUntilMs;
        if (isGivenUp || present.has(id)) vanishedAtMs.delete(id);
      }
      const machines = present.size + vanishedAtMs.size;
      if (vanishedAtMs.size === 0) holdUntilMs = null;
      else if (machines >= machinesMin && vanishedAtMs.size * 2 > machines) holdUntilMs ??= uptimeMs + holdMs;
    },
    holdMs: (uptimeMs) => (holdUntilMs === null ? 0 : Math.max(0, holdUntilMs - uptimeMs)),
    missing: () => [...vanishedAtMs.keys()],
  };
}
