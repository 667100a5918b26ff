/**
 * Why units come to machines, or leave them, in one pass.
 * Promises: the last word about a unit and a machine is the one that counts.
 */
import type { MachineId } from '../machine.ts';
import { createSharedMap } from '../shared-map.ts';
import type { Placement } from '../unit.ts';
import type { UnitName } from '../unit-name.ts';

export interface Notes {
  get(at: Placement): string | undefined;
  set(at: Placement, why: string): void;
}

/** Nearly every unit has one note at most. */
interface Note {
  readonly machine: MachineId;
  readonly why: string;
}

export function createNotes(): Notes {
  const notes = createSharedMap<UnitName, Note | Map<MachineId, string>>();
  return {
    get({ unit, machine }) {
      const found = notes.get(unit);
      if (found instanceof Map) return found.get(machine);
      return found?.machine === machine ? found.why : undefined;
    },
    set({ unit, machine }, why) {
      const found = notes.get(unit);
      if (found instanceof Map) found.set(machine, why);
      else if (found === undefined || found.machine === machine) notes.put(unit, { machine, why });
      else notes.put(unit, new Map([[found.machine, found.why], [machine, why]]));
    },
  };
}
