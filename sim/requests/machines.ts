/** What people order about machines, as rows of a table. */
import { patchMachines } from '../../src/api/v1/patch-machines.ts';
import { decideRebalance } from '../../src/api/write/rebalance.ts';
import { decideHold, decideMachineOrder } from '../../src/api/write/machine-order.ts';
import type { MachineOverride } from '../../src/core/machine.ts';

import { keys } from '../../src/store/keys.ts';
import { decodeMachineOverride } from '../../src/store/records.ts';
import type { Claim } from '../witness.ts';
import { pick, scaled } from '../world.ts';
import type { EventKind } from '../world.ts';
import { askSmall, never, sendTo } from './ask.ts';

type MachineOrder = Parameters<typeof decideMachineOrder>[2];

/** What each order leaves in a machine's override. */
const leaves: Readonly<Record<MachineOrder['action'], (override: MachineOverride | null) => boolean>> = {
  cordon: (override) => override?.cordon != null,
  uncordon: (override) => override === null || override.cordon === null,
  drain: (override) => override?.drain != null,
  undrain: (override) => override === null || override.drain === null,
  forget: () => true, // The engine takes the order away when it has carried it out.
};

function claimOf(key: string, action: MachineOrder['action']): Claim {
  return {
    key,
    says: action,
    holds(value): boolean {
      const read = value === null ? null : decodeMachineOverride(value);
      return leaves[action](read?.ok === true ? read.value : null);
    },
  };
}

const order = (weight: number, action: MachineOrder['action']): EventKind => ({
  weight,
  begin(world, [which, die, isGlobal]): string | null {
    const { id } = pick(world.machines, which);
    const whole: MachineOrder = { action, reason: 'maintenance', by: 'operator', global: isGlobal < 0.2 };
    const to = askSmall(world, die, {
      decide: (basis) => decideMachineOrder(basis, id, whole),
      claims: [claimOf(keys.machineOverride(id), action)],
    });
    return to && `asks ${to} to ${action} ${id}`;
  },
});

/** Nothing is moved off lost machines for a while, or that ends. */
const hold: EventKind = {
  weight: 0.3,
  begin(world, [which, die, long]): string | null {
    const action = which < 0.6 ? 'hold' : 'release';
    const forMs = scaled(long, [1_000, 60_000]);
    const to = askSmall(world, die, {
      decide: (basis) => decideHold(basis, { action, by: 'operator', ...(action === 'hold' ? { forMs } : {}) }),
      claims: [{ key: keys.holdOrder, says: action, holds: (value) => value !== null }],
    });
    return to && `asks ${to} to ${action}${action === 'hold' ? ` for ${forMs} ms` : ''}`;
  },
};

/** Units move from full machines to empty ones, or that ends. */
const rebalance: EventKind = {
  weight: 0.7,
  begin(world, [which, die, fenced]): string | null {
    const action = which < 0.8 ? 'start' : 'stop';
    const to = askSmall(world, die, {
      decide: (basis) => decideRebalance(basis, { action, fenced: fenced < 0.5, by: 'operator' }),
      // The engine ends it as soon as nothing is left to move.
      claims: [],
    });
    return to && `asks ${to} to ${action} a rebalance`;
  },
};

const metadata: EventKind = {
  weight: 0.5,
  begin(world, [of, value, to]): string | null {
    const { id } = pick(world.machines, of);
    const change = { machine: id, key: 'role', value: value < 0.3 ? null : value < 0.6 ? 'db' : 'web' };
    const asked = sendTo(world, to, async ({ process, fleetd }) => {
      const refused = await patchMachines(fleetd.write, [change], never);
      if (refused !== null) world.tell(`${process.name} refuses: ${refused.message}`);
    });
    return asked && `asks ${asked} for role=${change.value ?? '(removed)'} of ${id}`;
  },
};

export const machineRequests: Readonly<Record<string, EventKind>> = {
  cordon: order(0.5, 'cordon'),
  uncordon: order(0.8, 'uncordon'),
  drain: order(0.7, 'drain'),
  undrain: order(1, 'undrain'),
  forget: order(0.5, 'forget'),
  hold,
  rebalance,
  metadata,
};
