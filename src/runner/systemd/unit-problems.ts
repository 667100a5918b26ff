/**
 * Work on many units where one may fail without keeping the others from being done.
 * Promises: a unit that has had a problem is left out of everything after it; only failures that are the unit's own
 * (a refusal by systemd, a file that cannot be written) become problems, all others are thrown.
 */
import type { UnitName } from '../../core/unit-name.ts';
import { FileTrouble } from '../file-trouble.ts';
import { inParallel } from '../in-parallel.ts';
import type { RunnerProblem } from '../runner.ts';
import { BusError } from './bus-connection.ts';

interface Named {
  readonly name: UnitName;
}

export interface UnitProblems {
  add(name: UnitName, why: string): void;
  has(name: UnitName): boolean;
  list(): readonly RunnerProblem[];
  /** The items that have had no problem so far. */
  fine<Item extends Named>(items: readonly Item[]): readonly Item[];
  /** Does `work` for each fine item, some at a time. */
  forEach<Item extends Named>(items: readonly Item[], work: (item: Item) => Promise<void>): Promise<void>;
  /** Does `work` for all fine items without waiting between them: for calls, whose number in flight the connection bounds. */
  forAll<Item extends Named>(items: readonly Item[], work: (item: Item) => Promise<void>): Promise<void>;
  /** Does `work` for all fine items at once; when that is refused, for each by itself, to learn whose fault it is. */
  together<Item extends Named>(items: readonly Item[], work: (items: readonly Item[]) => Promise<void>): Promise<void>;
}

export function createUnitProblems(): UnitProblems {
  const problems = new Map<UnitName, string>();
  const fine = <Item extends Named>(items: readonly Item[]): readonly Item[] => items.filter(({ name }) => !problems.has(name));
  const attempt = async <Item extends Named>(item: Item, work: (item: Item) => Promise<void>): Promise<void> => {
    try {
      await work(item);
    } catch (error) {
      if (!(error instanceof BusError || error instanceof FileTrouble)) throw error;
      problems.set(item.name, oneLine(error.message));
    }
  };
  return {
    fine,
    add: (name, why) => void problems.set(name, why),
    has: (name) => problems.has(name),
    list: () => [...problems].map(([name, why]) => ({ name, why })),
    forEach: async (items, work) => void await inParallel(fine(items), (item) => attempt(item, work)),
    forAll: async (items, work) => void await Promise.all(fine(items).map((item) => attempt(item, work))),
    async together(items, work) {
      const todo = fine(items);
      if (todo.length === 0) return;
      try {
        await work(todo);
      } catch (error) {
        if (!(error instanceof BusError)) throw error;
        for (const item of todo) await attempt(item, (one) => work([one]));
      }
    },
  };
}

function oneLine(text: string): string {
  return text.trim().replace(/\s*\n\s*/g, '; ');
}
