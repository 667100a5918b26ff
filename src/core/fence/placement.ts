/**
 * The fence of a placement: what engine and agent agree on about a unit with OnMachineLost=stop (docs/design/fencing.md).
 * Promises: pure; a token is greater than every one this assignment had; what the engine waits covers what the machine needs, and never
 * gets shorter while a unit stays where it is.
 */
import type { ClusterSnapshot } from '../cluster.ts';
import type { FleetSection } from '../fleet-section.ts';
import type { Machine, MachineId } from '../machine.ts';
import { unfenced } from '../unit.ts';
import type { Assignment } from '../unit.ts';
import type { UnitFile } from '../unit-file.ts';
import { stopMs } from './stop-time.ts';

/** The part of an assignment that fences it. */
export type PlacementFence = Pick<Assignment, keyof typeof unfenced>;

/** What the engine waits beyond the machine's own times: for a busy process 1, and for clocks of different rates. */
const marginMs = 2_000;
const marginPart = 1 / 50;

export interface Placing {
  readonly section: FleetSection;
  readonly file: UnitFile;
  readonly machine: Pick<Machine, 'ttlMs'>;
  /** What tells this decision from all before: {@link tokenAt} of the snapshot it is decided on. */
  readonly token: number;
  /** The fences of all assignments the unit has. */
  readonly fences: readonly number[];
}

/**
 * A number that grows with every change of the store: its revision; and, after a person has said that a store put back, wiped or
 * restored is right, the moment of that on top, because such a store counts its revisions from an earlier one. Revisions grow
 * slower than milliseconds pass, so the number never shrinks.
 */
export function tokenAt({ revision, storeAcceptance }: Pick<ClusterSnapshot, 'revision' | 'storeAcceptance'>): number {
  return revision + (storeAcceptance?.atMs ?? 0);
}

/** The fence of a unit that comes to a machine. */
export function fenceOf({ section, file, machine, token, fences }: Placing): PlacementFence {
  if (section.onMachineLost === 'keep') return unfenced;
  const lostAfterMs = Math.max(section.lostAfterMs ?? 0, machine.ttlMs);
  const neededMs = lostAfterMs + stopMs(file);
  return {
    fence: Math.max(token, ...fences.map((fence) => fence + 1)), lostAfterMs,
    goneAfterMs: Math.ceil(neededMs + marginMs + neededMs * marginPart), leaving: false,
  };
}

/** The fence of a unit that stays on its machine with another file: the same placement, and the longer of both waits. */
export function fenceAfterUpdate(before: Assignment, next: PlacementFence): PlacementFence {
  if (before.fence === 0 || next.fence === 0) return next;
  return { ...next, fence: before.fence, goneAfterMs: Math.max(before.goneAfterMs, next.goneAfterMs), leaving: before.leaving };
}

/** Whether a unit may run on a machine after the machine was lost: it did not say how its lease works. */
export function canFence(machine: Pick<Machine, 'ttlMs'>): boolean {
  return machine.ttlMs > 0;
}

/** What an engine knows of a machine that is not there. */
export interface Absence {
  /** Clock.uptimeMs() of the engine when it saw the record vanish, or first missed it. */
  readonly sinceMs: number;
  /** The lease time of the record that vanished: its last renewal was sent at least so long before; 0 when it is not known. */
  readonly ttlMs: number;
  /** It said that it had stopped everything. */
  readonly left: boolean;
}

export interface AbsenceView {
  readonly absences: ReadonlyMap<MachineId, Absence>;
  /** Since when the engine has followed the store without a gap: what happened before may have been missed. */
  readonly currentSinceMs: number;
  readonly nowMs: number;
}

/** Milliseconds until a fenced unit has surely stopped on a machine that is not there; 0: it has. */
export function goneInMs({ goneAfterMs }: Pick<Assignment, 'goneAfterMs'>, machine: MachineId, view: AbsenceView): number {
  const absence = view.absences.get(machine);
  if (absence === undefined) return goneAfterMs;
  const hasGap = view.currentSinceMs > absence.sinceMs;
  if (absence.left && !hasGap) return 0;
  const countedMs = view.nowMs - (hasGap ? view.currentSinceMs : absence.sinceMs - absence.ttlMs);
  return Math.max(0, goneAfterMs - countedMs);
}
