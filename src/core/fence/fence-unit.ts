/** The unit that stands for a fence: what is bound to it stops with it. Promises: one name for each lostAfterMs. */
import type { UnitName } from '../unit-name.ts';

/** Its name, on machines with systemd the name of a real unit. */
export function fenceUnit(lostAfterMs: number): UnitName {
  return `fleet-fence-${String(lostAfterMs)}.service` as UnitName;
}
