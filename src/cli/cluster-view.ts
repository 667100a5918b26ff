/**
 * What the event stream has told so far, by unit.
 * Promises: only units of interest are kept; nothing is said about a unit before the present state was told to its end,
 * or while it is told anew after a break, so that "not there" always means not there.
 */
import type { StreamItem } from '../client/events.ts';
import type { AssignmentView, StatusView, UnitView } from '../protocol/v2.ts';

/** One unit as the cluster has it. */
export interface SeenUnit {
  /** Null when it does not exist. */
  readonly unit: UnitView | null;
  /** By machine. */
  readonly assignments: ReadonlyMap<string, AssignmentView>;
  readonly statuses: ReadonlyMap<string, StatusView>;
}

export interface ClusterView {
  take(item: StreamItem): void;
  /** Whether the present state is known. */
  isCurrent(): boolean;
  unit(name: string): SeenUnit;
  /** Names of units something was heard of since the last call; all of them after the present state was told. */
  takeChanged(): ReadonlySet<string>;
}

interface MutableUnit {
  unit: UnitView | null;
  readonly assignments: Map<string, AssignmentView>;
  readonly statuses: Map<string, StatusView>;
}

export function createClusterView(names: Iterable<string>): ClusterView {
  const wanted = new Set(names);
  const units = new Map<string, MutableUnit>();
  let current = false;
  let changed = new Set<string>();

  const clear = (): void => {
    current = false;
    units.clear();
    for (const name of wanted) units.set(name, { unit: null, assignments: new Map(), statuses: new Map() });
  };
  clear();

  return {
    take(item: StreamItem): void {
      if (item.kind === 'restarted') return clear();
      const { event } = item;
      if (event.kind === 'current') {
        current = true;
        changed = new Set(wanted);
        return;
      }
      if (event.kind !== 'unit' && event.kind !== 'assignment' && event.kind !== 'status') return;
      const seen = units.get(event.name);
      if (seen === undefined) return;
      changed.add(event.name);
      if (event.kind === 'unit') seen.unit = event.unit;
      else if (event.kind === 'assignment') putOrDelete(seen.assignments, event.machine, event.assignment);
      else putOrDelete(seen.statuses, event.machine, event.status);
    },
    isCurrent: () => current,
    unit: (name) => units.get(name) ?? { unit: null, assignments: new Map(), statuses: new Map() },
    takeChanged(): ReadonlySet<string> {
      const taken = changed;
      changed = new Set();
      return taken;
    },
  };
}

function putOrDelete<Value>(map: Map<string, Value>, key: string, value: Value | null): void {
  if (value === null) map.delete(key);
  else map.set(key, value);
}
