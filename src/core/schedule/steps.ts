/**
 * Work in steps: a long computation as a generator, so that whoever runs it can do something else in between.
 * Promises: the answer is the same whether it is run at a stretch or in slices; between two steps lies little work.
 */
import { compareText } from '../order.ts';

/** A computation that yields between its steps, and answers at the end. */
export type Steps<T> = Generator<undefined, T>;

/** How many small pieces of work make one step. */
const piecesPerStep = 64;

/** Says after each piece of work whether it ends a step; for loops that do next to nothing in each round. */
export function createPace(): () => boolean {
  let pieces = 0;
  return () => {
    pieces += 1;
    if (pieces < piecesPerStep) return false;
    pieces = 0;
    return true;
  };
}

/** Runs a computation at a stretch. */
export function runSteps<T>(steps: Steps<T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** What is sorted in one step. */
const runLength = 2_048;

/** What is sorted: by its name. */
interface Named {
  readonly name: string;
}

/** Sorts by name, as {@link compareText} does, in place of what could be one long step. */
export function* sortInSteps<T extends Named>(all: readonly T[]): Steps<readonly T[]> {
  let runs: T[][] = [];
  for (let from = 0; from < all.length; from += runLength) {
    runs.push(all.slice(from, from + runLength).sort((left, right) => compareText(left.name, right.name)));
    yield;
  }
  while (runs.length > 1) {
    const merged: T[][] = [];
    for (let at = 0; at < runs.length; at += 2) {
      const [left = [], right] = runs.slice(at, at + 2);
      merged.push(right === undefined ? left : yield* merge(left, right));
    }
    runs = merged;
  }
  return runs[0] ?? [];
}

function* merge<T extends Named>(left: readonly T[], right: readonly T[]): Steps<T[]> {
  const merged: T[] = [];
  let [atLeft, atRight] = [0, 0];
  let [one, other] = [left[0], right[0]];
  while (one !== undefined || other !== undefined) {
    if (one !== undefined && (other === undefined || one.name <= other.name)) {
      merged.push(one);
      one = left[atLeft += 1];
    } else if (other !== undefined) {
      merged.push(other);
      other = right[atRight += 1];
    }
    if (merged.length % runLength === 0) yield;
  }
  return merged;
}
