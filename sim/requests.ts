/** Everything simulated people ask for, by the name it has in events. To have them ask for more: add a row. */
import { machineRequests } from './requests/machines.ts';
import { releaseRequests } from './requests/releases.ts';
import { unitRequests } from './requests/units.ts';
import type { EventKind } from './world.ts';

export const requests: Readonly<Record<string, EventKind>> = {
  ...unitRequests,
  ...machineRequests,
  ...releaseRequests,
};
