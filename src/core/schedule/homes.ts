/**
 * Where units stand: one machine for nearly all of them, so that a set for each would be most of what is remembered.
 * Promises: enter() and leave() are exact inverses.
 */
import type { MachineId } from '../machine.ts';
import { createSharedMap } from '../shared-map.ts';
import type { UnitName } from '../unit-name.ts';

export interface Homes {
  has(unit: UnitName): boolean;
  /** The machines a unit is on; undefined when it is on none. */
  get(unit: UnitName): ReadonlySet<MachineId> | undefined;
  /** Whether a unit is on this machine and on no other. */
  isJust(unit: UnitName, machine: MachineId): boolean;
  enter(unit: UnitName, machine: MachineId): void;
  leave(unit: UnitName, machine: MachineId): void;
}

export function createHomes(): Homes {
  const homes = createSharedMap<UnitName, MachineId | Set<MachineId>>();
  return {
    has: (unit) => homes.get(unit) !== undefined,
    get(unit) {
      const home = homes.get(unit);
      return typeof home === 'string' ? new Set([home]) : home;
    },
    isJust: (unit, machine) => homes.get(unit) === machine,
    enter(unit, machine) {
      const home = homes.get(unit);
      if (home === undefined) homes.put(unit, machine);
      else if (typeof home === 'string') homes.put(unit, new Set([home, machine]));
      else home.add(machine);
    },
    leave(unit, machine) {
      const home = homes.get(unit);
      if (home === machine) homes.put(unit, null);
      if (typeof home !== 'object' || !home.delete(machine)) return;
      const [only] = home;
      if (home.size < 2) homes.put(unit, only ?? null);
    },
  };
}
