/**
 * Which units of this machine have done their work for good: oneshots that have run to their end with success.
 * Promises: what has succeeded is on the machine's disk before anybody is told, so that a reboot runs nothing twice, whether the store
 * answers or not; only units assigned here are remembered; a disk that cannot be written to is said once and keeps nobody from working.
 */
import { hasSucceeded } from '../core/schedule/finished.ts';
import { notStarted } from '../core/unit.ts';
import type { Assignment, UnitStatus } from '../core/unit.ts';
import type { UnitName } from '../core/unit-name.ts';
import type { Log } from '../lib/log.ts';
import { messageOf } from './memory.ts';
import type { AgentMemory } from './memory.ts';

const memoryName = 'finished.json';

/** The wish that a unit has fulfilled. A unit that was destroyed and is wanted again is another wish: it was assigned at another time. */
type Fulfilled = Pick<Assignment, 'hash' | 'restart' | 'assignedAtMs'>;

export interface Finished {
  /** Reads what was remembered before this fleetd began; before anything else is asked. */
  recall(): Promise<void>;
  /**
   * Remembers which units have succeeded, forgets those of which something else is asked now, and answers with the statuses in
   * which those that are not started again say that they have succeeded.
   */
  settle(
    statuses: ReadonlyMap<UnitName, UnitStatus>, assignments: ReadonlyMap<UnitName, Assignment>,
  ): Promise<ReadonlyMap<UnitName, UnitStatus>>;
  /** Assigned units that are not to be started, because they have succeeded. */
  units(assignments: ReadonlyMap<UnitName, Assignment>): ReadonlySet<UnitName>;
}

/** While a machine leaves: what has succeeded stays remembered, though nothing is assigned. */
export const unconcerned: Finished = {
  recall: () => Promise.resolve(), settle: (statuses) => Promise.resolve(statuses), units: () => new Set(),
};

export function createFinished(memory: AgentMemory, log: Log): Finished {
  let fulfilled = new Map<UnitName, Fulfilled>();
  let written = '{}';
  let hasComplained = false;
  const remember = async (text: string): Promise<void> => {
    if (text === written) return;
    try {
      await memory.write(memoryName, text);
      written = text;
      hasComplained = false;
    } catch (error) {
      if (!hasComplained) log.warning(`cannot remember which oneshots have succeeded; a reboot may run them again: ${messageOf(error)}`);
      hasComplained = true;
    }
  };
  return {
    async recall(): Promise<void> {
      try {
        const text = await memory.read(memoryName);
        fulfilled = new Map(text === null ? [] : fulfilledOf(JSON.parse(text)));
        written = text ?? written;
      } catch (error) {
        log.warning(`cannot read which oneshots have succeeded here; the store may know: ${messageOf(error)}`);
      }
    },
    async settle(statuses, assignments): Promise<ReadonlyMap<UnitName, UnitStatus>> {
      const marked = new Map(statuses);
      const next = new Map<UnitName, Fulfilled>();
      for (const [name, assignment] of assignments) {
        const { hash, restart, assignedAtMs } = assignment;
        const status = statuses.get(name);
        const isNew = status !== undefined && hasSucceeded(status, assignment);
        if (isNew || isFulfilled(fulfilled.get(name), assignment)) next.set(name, { hash, restart, assignedAtMs });
        if (status !== undefined && (next.has(name) || assignment.finished)) marked.set(name, markedAsDone(status, assignment));
      }
      fulfilled = next;
      await remember(JSON.stringify(Object.fromEntries([...next].sort(([left], [right]) => (left < right ? -1 : 1)))));
      return marked;
    },
    units: (assignments) => new Set([...assignments].flatMap(([name, assignment]) =>
      assignment.desired === 'launched' && (assignment.finished || isFulfilled(fulfilled.get(name), assignment)) ? [name] : [])),
  };
}

/** A unit that was loaded only says what it did before its machine rebooted, or it came here. */
function markedAsDone(status: UnitStatus, { hash, desired, restart }: Assignment): UnitStatus {
  const isIdle = status.load === 'loaded' && status.active === 'inactive' && status.restart === notStarted && status.hash === hash;
  return isIdle && desired === 'launched' ? { ...status, succeeded: true, restart } : status;
}

function isFulfilled(fulfilled: Fulfilled | undefined, { hash, restart, assignedAtMs, desired }: Assignment): boolean {
  return desired === 'launched' && fulfilled?.hash === hash && fulfilled.restart === restart && fulfilled.assignedAtMs === assignedAtMs;
}

function fulfilledOf(value: unknown): readonly [UnitName, Fulfilled][] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value as Readonly<Record<string, Partial<Fulfilled> | null>>).flatMap(([name, entry]): [UnitName, Fulfilled][] => {
    const { hash, restart, assignedAtMs } = entry ?? {};
    const isWhole = typeof hash === 'string' && typeof restart === 'number' && typeof assignedAtMs === 'number';
    return isWhole ? [[name as UnitName, { hash, restart, assignedAtMs }]] : [];
  });
}
