/**
 * What people do to a simulated cluster, as a table: add a row and they do it. All of it goes through the API's own
 * decisions and transactions, in the process of some machine's fleetd, which may die over it.
 */
import { patchMachines } from '../src/api/v1/patch-machines.ts';
import type { UnitName } from '../src/core/unit-name.ts';
import type { DesiredState } from '../src/core/unit.ts';
import { decideApply, decideDestroy } from '../src/api/write/decide.ts';
import type { Wishes } from '../src/api/write/decide.ts';
import { transact } from '../src/api/write/transaction.ts';
import { catalogue, crowd, textOf } from './catalogue.ts';
import type { CatalogueUnit } from './catalogue.ts';
import type { Running } from './machine.ts';
import { pick } from './world.ts';
import type { Dice, EventKind, World } from './world.ts';

const never = new AbortController().signal;

/** Sends a request to some machine that runs fleetd; null when none does. */
function toAnyMachine(world: World, die: number, send: (running: Running) => Promise<void>): string | null {
  const answering = world.machines.flatMap((machine) => machine.running() ?? []);
  if (answering.length === 0) return null;
  const running = pick(answering, die);
  // As a request over a socket: a frozen process takes it up when it is thawed, a dead one never.
  const handled = running.process.receive(Promise.resolve()).then(() => send(running));
  handled.catch((error: unknown) => world.failed(running.process, error));
  return running.process.name;
}

/** Asks for something of units, and notes what was answered. */
function apply(world: World, die: number, wishes: Omit<Wishes, 'replace' | 'lenient' | 'by'>): string | null {
  const asked = world.chronicle.revision();
  return toAnyMachine(world, die, async ({ process, fleetd }) => {
    const whole: Wishes = { ...wishes, replace: 'unless-higher', lenient: false, by: 'operator' };
    const outcome = await transact(fleetd.write, (basis) => decideApply(basis, whole), never);
    if (!outcome.ok) return world.tell(`${process.name} refuses: ${outcome.failure.message}`);
    const { revision, answer } = outcome.value;
    world.acknowledged({ process, asked, revision, applied: answer, destroyed: [] });
  });
}

function destroy(world: World, die: number, names: readonly UnitName[]): string | null {
  const asked = world.chronicle.revision();
  return toAnyMachine(world, die, async ({ process, fleetd }) => {
    const outcome = await transact(fleetd.write, (basis) => decideDestroy(basis, names), never);
    if (!outcome.ok) return world.tell(`${process.name} refuses: ${outcome.failure.message}`);
    const { revision, answer } = outcome.value;
    world.acknowledged({ process, asked, revision, applied: [], destroyed: answer.destroyed });
  });
}

/** One to three units of the catalogue. */
function someUnits([first, count]: Dice): readonly CatalogueUnit[] {
  const start = Math.floor(first * catalogue.length);
  return [...catalogue, ...catalogue].slice(start, start + 1 + Math.floor(count * 3));
}

const listed = (names: readonly string[]): string =>
  names.length > 4 ? `${names.slice(0, 3).join(', ')} and ${String(names.length - 3)} more` : names.join(', ');

/** Wants a state of units, which are submitted with it; `version` chooses among their texts. */
const want = (weight: number, desired: DesiredState, { restart = false, versions = 1 } = {}): EventKind => ({
  weight,
  begin(world, dice): string | null {
    const units = someUnits(dice).map((unit) => ({
      name: unit.name,
      text: textOf(unit, Math.floor(dice[3] * versions)),
    }));
    const to = apply(world, dice[2], { units, desired, restart });
    const words = restart ? 'restart' : desired;
    return (
      to &&
      `asks ${to} for ${listed(units.map(({ name }) => name))} ${words}${versions > 1 ? ' with another file' : ''}`
    );
  },
});

const destroySome: EventKind = {
  weight: 3,
  begin(world, dice): string | null {
    const names = someUnits(dice).map(({ name }) => name);
    const to = destroy(world, dice[2], names);
    return to && `asks ${to} to destroy ${listed(names)}`;
  },
};

const crowdText = '[Service]\nExecStart=/bin/sleep infinity\n[X-Fleet]\nConflicts=never-*.service\n';

/** A request that is too large for one commit, and so becomes a stored operation. */
const startCrowd: EventKind = {
  weight: 0.2,
  begin(world, [, , to]): string | null {
    const units = crowd.map((name) => ({ name, text: crowdText }));
    const asked = apply(world, to, { units, desired: 'launched', restart: false });
    return asked && `asks ${asked} for ${listed(crowd)} launched`;
  },
};

const destroyCrowd: EventKind = {
  weight: 0.2,
  begin(world, [, , to]): string | null {
    const asked = destroy(world, to, crowd);
    return asked && `asks ${asked} to destroy ${listed(crowd)}`;
  },
};

const metadata: EventKind = {
  weight: 0.5,
  begin(world, [of, value, to]): string | null {
    const { id } = pick(world.machines, of);
    const change = { machine: id, key: 'role', value: value < 0.3 ? null : value < 0.6 ? 'db' : 'web' };
    const asked = toAnyMachine(world, to, async ({ process, fleetd }) => {
      const refused = await patchMachines(fleetd.write, [change], never);
      if (refused !== null) world.tell(`${process.name} refuses: ${refused.message}`);
    });
    return asked && `asks ${asked} for role=${change.value ?? '(removed)'} of ${id}`;
  },
};

/** Every kind of request by the name it has in events. */
export const requests: Readonly<Record<string, EventKind>> = {
  start: want(9, 'launched'),
  load: want(1, 'loaded'),
  unload: want(2, 'inactive'),
  restartUnit: want(2, 'launched', { restart: true }),
  replace: want(3, 'launched', { versions: 4 }),
  destroy: destroySome,
  startCrowd,
  destroyCrowd,
  metadata,
};
