/** What people ask about releases and numbers of instances, as rows of a table. */
import { decideOrder } from '../../src/api/releases/decide-order.ts';
import { decideRelease } from '../../src/api/releases/decide-release.ts';
import { decideScale } from '../../src/api/releases/decide-scale.ts';
import { createSectionReader } from '../../src/core/schedule/sections.ts';
import type { UnitName } from '../../src/core/unit-name.ts';
import { keys } from '../../src/store/keys.ts';
import { released, textOf } from '../catalogue.ts';
import type { Claim } from '../witness.ts';
import { pick } from '../world.ts';
import type { EventKind } from '../world.ts';
import { ask } from './ask.ts';
import { claimOfApplied, claimOfDestroyed } from './units.ts';

/** What a section says depends on the files alone, so one reader serves all requests of all runs. */
const sections = createSectionReader();
const instancesMax = 4;

const isRecorded = (name: UnitName, says: string): Claim => ({
  key: keys.release(name),
  says,
  holds: (value) => value !== null,
});

const release: EventKind = {
  weight: 1,
  begin(world, [which, version, die, surge]): string | null {
    const unit = pick(released, which);
    const { name } = unit;
    const text = textOf(unit, Math.floor(version * 4));
    const strategy = { way: surge < 0.5 ? 'surge' : 'in-place', minActiveMs: 2_000, healthTimeoutMs: 60_000 } as const;
    const to = ask(world, die, {
      decide: (basis) => decideRelease(basis, { name, text, strategy, by: 'operator' }, sections),
      claimsOf: () => [isRecorded(name, 'released')],
    });
    return to && `asks ${to} for a release of ${name}, ${strategy.way}`;
  },
};

const orderRelease: EventKind = {
  weight: 0.7,
  begin(world, [which, what, die]): string | null {
    const { name } = pick(released, which);
    const action = what < 0.2 ? 'pause' : what < 0.6 ? 'resume' : 'undo';
    const to = ask(world, die, {
      decide: (basis) => decideOrder(basis, { name, action, by: 'operator' }, sections),
      claimsOf: () => [isRecorded(name, action)],
    });
    return to && `asks ${to} to ${action} the release of ${name}`;
  },
};

const scale: EventKind = {
  weight: 1.5,
  begin(world, [which, many, die]): string | null {
    const templates = released.filter(({ name }) => name.includes('@.'));
    const unit = pick(templates, which);
    const { name } = unit;
    const wish = { name, count: Math.floor(many * (instancesMax + 1)), templateText: textOf(unit, 0), by: 'operator' };
    const to = ask(world, die, {
      decide: (basis) => decideScale(basis, wish, sections),
      claimsOf: ({ started, destroyed }) => [...started.map(claimOfApplied), ...destroyed.map(claimOfDestroyed)],
    });
    return to && `asks ${to} for ${wish.count} instances of ${name}`;
  },
};

export const releaseRequests: Readonly<Record<string, EventKind>> = { release, orderRelease, scale };
