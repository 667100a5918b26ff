/**
 * Work in steps: a long computation as a generator, so that whoever runs it can do something else in between.
 * Promises: the answer is the same whether it is run at a stretch or in slices; between two steps lies little work.
 */
import { compareText } from '../order.ts';

/** A computation that yields between its steps, and answers at the end. */
export type Steps<T> = Generator<undefined, T>;

/** Runs a computation at a stretch. */
export function runSteps<T>(steps: Steps<T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** What is sorted in one step. */
const runLength = 2_048;

/** Sorts texts, as {@link compareText} does, in place of what could be one long step. */
export function* sortInSteps<T extends string>(texts: readonly T[]): Steps<readonly T[]> {
  let runs: T[][] = [];
  for (let from = 0; from < texts.length; from += runLength) {
    runs.push(texts.slice(from, from + runLength).sort(compareText));
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

function* merge<T extends string>(left: readonly T[], right: readonly T[]): Steps<T[]> {
  const merged: T[] = [];
  let [atLeft, atRight] = [0, 0];
  while (atLeft < left.length || atRight < right.length) {
    const [one, other] = [left[atLeft], right[atRight]];
    if (one !== undefined && (other === undefined || one <= other)) {
      merged.push(one);
      atLeft += 1;
    } else if (other !== undefined) {
      merged.push(other);
      atRight += 1;
    }
    if (merged.length % runLength === 0) yield;
  }
  return merged;
}
