/** What people ask of units, as rows of a table. */
import { decideResetFailed } from '../../src/api/write/decide-reset.ts';
import { decideApply, decideDestroy } from '../../src/api/write/decide.ts';
import type { Destruction, Wishes } from '../../src/api/write/decide.ts';
import type { Decide } from '../../src/api/write/decision.ts';
import type { DesiredState, UnitRecord } from '../../src/core/unit.ts';
import type { UnitName } from '../../src/core/unit-name.ts';
import { keys } from '../../src/store/keys.ts';
import { decodeUnitRecord } from '../../src/store/records.ts';
import { catalogue, crowd, textOf } from '../catalogue.ts';
import type { CatalogueUnit } from '../catalogue.ts';
import type { Claim } from '../witness.ts';
import type { Dice, EventKind, World } from '../world.ts';
import { ask } from './ask.ts';

/** A unit as an answer says that it is. */
type Applied = Pick<UnitRecord, 'desired' | 'generation' | 'restart'> & {
  readonly name: string;
  readonly hash: string;
};

export function claimOfApplied({ name, hash, desired, generation, restart }: Applied): Claim {
  return {
    key: keys.unit(name as UnitName),
    says: `${desired}, generation ${generation}`,
    holds(value): boolean {
      const read = value === null ? null : decodeUnitRecord(value);
      if (read?.ok !== true) return false;
      const record = read.value;
      return (
        record.hash === hash &&
        record.desired === desired &&
        record.generation === generation &&
        record.restart === restart
      );
    },
  };
}

export const claimOfDestroyed = (name: UnitName): Claim => ({
  key: keys.unit(name),
  says: 'destroyed',
  holds: (value) => value === null,
});

const claimOfReset = ({ name, generation, reset }: Pick<UnitRecord, 'generation' | 'reset'> & { readonly name: string }): Claim => ({
  key: keys.unit(name as UnitName),
  says: `reset ${reset}, generation ${generation}`,
  holds(value): boolean {
    const read = value === null ? null : decodeUnitRecord(value);
    return read?.ok === true && read.value.reset === reset && read.value.generation === generation;
  },
});

function apply(world: World, die: number, wishes: Pick<Wishes, 'units' | 'desired' | 'restart'>): string | null {
  const whole: Wishes = { ...wishes, replace: 'unless-higher', lenient: false, by: 'operator' };
  return ask(world, die, {
    decide: (basis) => decideApply(basis, whole),
    claimsOf: (applied) => applied.map(claimOfApplied),
  });
}

function destroy(world: World, die: number, names: readonly UnitName[]): string | null {
  const decide: Decide<Destruction> = (basis) => decideDestroy(basis, names);
  return ask(world, die, { decide, claimsOf: ({ destroyed }) => destroyed.map(claimOfDestroyed) });
}

/** One to three units of the catalogue. */
function someUnits([first, count]: Dice): readonly CatalogueUnit[] {
  const start = Math.floor(first * catalogue.length);
  return [...catalogue, ...catalogue].slice(start, start + 1 + Math.floor(count * 3));
}

const listed = (names: readonly string[]): string =>
  names.length > 4 ? `${names.slice(0, 3).join(', ')} and ${names.length - 3} more` : names.join(', ');

/** Wants a state of units, which are submitted with it; `versions` is among how many texts of them is chosen. */
const want = (weight: number, desired: DesiredState, { restart = false, versions = 1 } = {}): EventKind => ({
  weight,
  begin(world, dice): string | null {
    const version = Math.floor(dice[3] * versions);
    const units = someUnits(dice).map((unit) => ({ name: unit.name, text: textOf(unit, version) }));
    const to = apply(world, dice[2], { units, desired, restart });
    const how = `${restart ? 'restart' : desired}${versions > 1 ? ` with file ${version}` : ''}`;
    return to && `asks ${to} for ${listed(units.map(({ name }) => name))} ${how}`;
  },
});

const resetFailed: EventKind = {
  weight: 1.5,
  begin(world, dice): string | null {
    const names = someUnits(dice).map(({ name }) => name);
    const to = ask(world, dice[2], {
      decide: (basis) => decideResetFailed(basis, { names, by: 'operator' }),
      claimsOf: (units) => units.map(claimOfReset),
    });
    return to && `asks ${to} to forget that ${listed(names)} failed`;
  },
};

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
  begin(world, [, , die]): string | null {
    const units = crowd.map((name) => ({ name, text: crowdText }));
    const to = apply(world, die, { units, desired: 'launched', restart: false });
    return to && `asks ${to} for ${listed(crowd)} launched`;
  },
};

const destroyCrowd: EventKind = {
  weight: 0.2,
  begin(world, [, , die]): string | null {
    const to = destroy(world, die, crowd);
    return to && `asks ${to} to destroy ${listed(crowd)}`;
  },
};

export const unitRequests: Readonly<Record<string, EventKind>> = {
  start: want(10, 'launched'),
  load: want(1, 'loaded'),
  unload: want(2, 'inactive'),
  restartUnit: want(2, 'launched', { restart: true }),
  resetFailed,
  replace: want(3, 'launched', { versions: 4 }),
  destroy: destroySome,
  startCrowd,
  destroyCrowd,
};
