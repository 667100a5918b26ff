/**
 * What the decisions of a pass stand on, while the pass takes its time: whether it is still what the pass has seen.
 * Promises: a decision about what has changed since is not carried out; of decisions that take units from machines none is, once machines
 * have come or gone: that may be the beginning of a mass loss.
 */
import type { Decision } from '../core/schedule/decision.ts';
import { keys, parseKey } from '../store/keys.ts';
import type { KeyMeaning } from '../store/keys.ts';
import type { Mirror } from '../store/mirror.ts';
import { tellsOfMachines } from './wakes.ts';

/** What guards of commits are about. */
const guarded: ReadonlySet<KeyMeaning['kind'] | undefined> = new Set(['unit', 'machine', 'machine-override', 'registration', 'unit-history']);

export interface Basis {
  /** Whether a decision may still be carried out. */
  holds(decision: Decision): boolean;
  /** Stops watching. */
  end(): void;
}

/** Watches what changes from now on: the snapshot that is decided on is the mirror's newest. */
export function watchBasis(mirror: Mirror): Basis {
  const changed = new Set<string>();
  let isShaken = false;
  const end = mirror.subscribe(({ changes }) => {
    for (const change of changes) {
      const key = change.kind === 'put' ? change.entry.key : change.key;
      const kind = parseKey(key)?.kind;
      if (guarded.has(kind)) changed.add(key);
      isShaken ||= tellsOfMachines(change) || kind === 'hold-order';
    }
  });
  return {
    holds(decision) {
      const { unit, machine } = decision;
      if (isShaken && takesAway(decision)) return false;
      if (changed.size === 0) return true;
      const about = [keys.unit(unit), keys.unitHistory(unit), keys.machine(machine), keys.machineOverride(machine), keys.registration(machine)];
      return !about.some((key) => changed.has(key));
    },
    end,
  };
}

/** Whether a unit is taken from a machine: others may be decided to come because it goes. */
export function takesAway({ kind }: Decision): boolean {
  return kind === 'move' || kind === 'unassign';
}
