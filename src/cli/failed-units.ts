/** Which units count as failed: what `list-units --failed` lists and `reset-failed` resets. Pure. */
import { whyFailed } from '../core/unit-state.ts';
import type { StatusView, UnitView } from '../protocol/v2.ts';

/** Those that failed or cannot be started where they are, and those that are wanted and that no machine takes, by name. */
export function failedUnits(statuses: readonly StatusView[], units: readonly UnitView[]): readonly StatusView[] {
  const failed = statuses.filter((status) => whyFailed(status) !== null);
  const unplaced = units.filter(({ desired, global, machines }) => desired === 'launched' && !global && machines.length === 0);
  return [...failed, ...unplaced.map(rowOfUnplaced)].sort((left, right) => (left.name < right.name ? -1 : left.name > right.name ? 1 : 0));
}

/** A row as a machine would report it, if there were one. */
function rowOfUnplaced({ name, hash, reset }: UnitView): StatusView {
  return {
    name,
    machine: '',
    address: '',
    hash,
    load: '',
    active: '',
    sub: '',
    sinceMs: 0,
    result: '',
    exitStatus: null,
    succeeded: false,
    restarts: 0,
    restart: -1,
    reset,
    mainPid: 0,
    problem: `it is on no machine: "fleetctl explain ${name}" says why`,
    health: 'none',
    healthWhy: '',
    draining: false,
    portsInDoubt: false,
    ports: {},
  };
}
