/**
 * The agent's side of fences: when one may be raised, and how long it stands (docs/design/fencing.md).
 * Promises: a moment is given out only while this machine's record is known to stand under its lease, and counts from *sending* the last
 * confirmed renewal; a fence that has fallen is raised only after the store itself, asked while the machine is registered, has named
 * the same fenced units the plan was made for; one that was not raised in this registration is not extended, unless it stands.
 */
import type { FenceView } from '../core/fence/agent-fences.ts';
import type { MachineId } from '../core/machine.ts';
import type { Assignment } from '../core/unit.ts';
import type { UnitName } from '../core/unit-name.ts';
import type { Clock } from '../lib/clock.ts';
import { withDeadline } from '../lib/deadline.ts';
import type { UnitFence } from '../runner/runner.ts';
import { keys, parseKey } from '../store/keys.ts';
import { isStoreTrouble } from '../store/lease-keeper.ts';
import { decodeAssignment } from '../store/records.ts';
import type { Store } from '../store/store.ts';
import type { Presence } from './presence.ts';

/** How long the store may take to name the assignments. */
const askMsMax = 5_000;

export interface FencesNeeds {
  readonly store: Store;
  readonly clock: Clock;
  readonly machine: MachineId;
  readonly presence: Pick<Presence, 'confirmed'>;
  readonly fence: UnitFence;
}

export interface Fences {
  /** Looks which fences stand; those that do are extended from now on. */
  look(signal: AbortSignal): Promise<FenceView>;
  /** Raises a fence for the assignments a plan was made from; answers with why it could not. */
  raise(lostAfterMs: number, planned: ReadonlyMap<UnitName, Assignment>, signal: AbortSignal): Promise<string | null>;
  /** The lease was confirmed: lets the fences stand longer. Never waits. */
  extend(): void;
}

export function createFences({ store, clock, machine, presence, fence }: FencesNeeds): Fences {
  /** The registration each fence was raised, or found standing, in. */
  const raised = new Map<number, number>();
  const extend = (): void => {
    const confirmed = presence.confirmed();
    if (confirmed === null) return;
    for (const [lostAfterMs, registration] of raised) {
      if (registration === confirmed.registration) fence.extend({ lostAfterMs, untilMs: confirmed.atMs + lostAfterMs });
    }
  };
  return {
    extend,
    async look(signal) {
      const standing = await fence.standing(signal);
      const confirmed = presence.confirmed();
      for (const lostAfterMs of raised.keys()) if (!standing.has(lostAfterMs)) raised.delete(lostAfterMs);
      // A fence that stands shows that nothing behind it was given to others, however this machine came back to the cluster.
      if (confirmed !== null) for (const lostAfterMs of standing) raised.set(lostAfterMs, confirmed.registration);
      extend();
      return { standing, mayRaise: confirmed !== null };
    },
    async raise(lostAfterMs, planned, signal) {
      const before = presence.confirmed();
      if (before === null) return uncertain;
      const stored = await storedFences({ store, clock, machine }, signal);
      if (typeof stored === 'string') return stored;
      if (stored.join('\n') !== fencesOf(planned).join('\n')) return 'its fence waits until the agent has heard of its newest assignments';
      const after = presence.confirmed();
      if (after?.registration !== before.registration) return uncertain;
      const why = await fence.raise({ lostAfterMs, untilMs: after.atMs + lostAfterMs }, signal);
      if (why === null) raised.set(lostAfterMs, after.registration);
      return why;
    },
  };
}

const uncertain = 'its fence is down: it is not certain that this machine belongs to the cluster';

/** What the store says is fenced here, one line each; or why that cannot be known. */
async function storedFences(
  { store, clock, machine }: Pick<FencesNeeds, 'store' | 'clock' | 'machine'>, signal: AbortSignal,
): Promise<readonly string[] | string> {
  try {
    const { entries } = await withDeadline({ clock, limitMs: askMsMax, signal }, (late) => store.list(keys.assignmentsOf(machine), late));
    const assignments = new Map<UnitName, Assignment>();
    for (const { key, value } of entries) {
      const meaning = parseKey(key);
      const decoded = decodeAssignment(value);
      if (meaning?.kind === 'assignment' && decoded.ok) assignments.set(meaning.name, decoded.value);
    }
    return fencesOf(assignments);
  } catch (error) {
    signal.throwIfAborted();
    if (!isStoreTrouble(error)) throw error;
    return `its fence is down, and the store cannot be asked: ${error.message}`;
  }
}

function fencesOf(assignments: ReadonlyMap<UnitName, Assignment>): readonly string[] {
  const fenced = [...assignments].filter(([, { fence }]) => fence > 0);
  return fenced.map(([name, { fence, lostAfterMs, leaving }]) => [name, fence, lostAfterMs, leaving].join(' ')).sort();
}
