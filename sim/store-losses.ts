/**
 * What goes wrong with the store's data themselves, as rows of a table: copies are made of them, and a wrong store stands in their place
 * for a while, empty or an older copy.
 * Promises: a store goes back by more than a machine's disk may lag behind (docs/design/store-trust.md, "Not found"); the right data come
 * back as they were, with everything that was acknowledged.
 */
import { keys } from '../src/store/keys.ts';
import { seconds } from './machine.ts';
import { pick, scaled } from './world.ts';
import type { EventKind, World } from './world.ts';

/** What a wrong store may go on by, and still be behind what every machine remembers: each registers in it, and reports its units. */
const goesOnByMax = 60;

const copyStore: EventKind = {
  weight: 1,
  begin({ server, chronicle, copies }): string | null {
    if (!server.isRight()) return null;
    copies.push(server.data.copy());
    return `a copy of the store is made at revision ${String(chronicle.revision())}`;
  },
};

/**
 * The least that a machine remembers; 0 when one does not know its cluster, or not its newest registration, by which it would know the right
 * store again.
 */
const leastKnown = ({ machines, chronicle }: World): number => Math.min(...machines.map(({ id, known }) => {
  const { cluster = '', registration, revision = 0 } = known() ?? {};
  const newest = chronicle.at(keys.registration(id), chronicle.revision()).revision;
  return cluster === '' || newest === 0 || registration?.revision !== newest ? 0 : revision;
}));

const wipe: EventKind = {
  weight: 1,
  begin(world, [when]): string | null {
    if (!world.server.isRight() || leastKnown(world) === 0) return null;
    return mislead(world, { copy: undefined, forMs: scaled(when, [500, 120_000]) });
  },
};

const putBack: EventKind = {
  weight: 2,
  begin(world, [when, which]): string | null {
    const older = world.copies.filter(({ revision }) => revision + goesOnByMax < leastKnown(world));
    if (!world.server.isRight() || older.length === 0) return null;
    return mislead(world, { copy: pick(older, which), forMs: scaled(when, [500, 120_000]) });
  },
};

interface WrongStore {
  /** Absent for an empty store. */
  readonly copy: World['copies'][number] | undefined;
  readonly forMs: number;
}

function mislead({ server, during }: World, { copy, forMs }: WrongStore): string {
  server.mislead(copy);
  during(forMs, server.setRight);
  const what = copy === undefined ? 'wiped' : `put back from the copy of revision ${String(copy.revision)}`;
  return `the store is ${what}; the right one is back after ${seconds(forMs)}`;
}

/** Every kind by the name it has in events. */
export const storeLosses: Readonly<Record<string, EventKind>> = { copyStore, wipe, putBack };
