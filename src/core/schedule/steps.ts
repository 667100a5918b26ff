/**
 * Work in steps: a long computation as a generator, so that whoever runs it can do something else in between.
 * Promises: the answer is the same whether it is run at a stretch or in slices; between two steps lies little work.
 */
import { compareNames } from '../order.ts';

/** A computation that yields between its steps, and answers at the end. */
export type Steps<T> = Generator<undefined, T>;

/** How many pieces of work make one step, where a piece is next to nothing. */
const piecesPerStep = 64;

/** Says after each piece of work whether it ends a step. */
export function createPace(perStep: number = piecesPerStep): () => boolean {
  let pieces = 0;
  return () => {
    pieces += 1;
    if (pieces < perStep) return false;
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

/** Sorts by name, as {@link compareNames} does, in place of what could be one long step. */
export function* sortInSteps<T extends Named>(all: readonly T[]): Steps<readonly T[]> {
  const runs: T[][] = [];
  for (let from = 0; from < all.length; from += runLength) {
    runs.push(all.slice(from, from + runLength).sort(compareNames));
    yield;
  }
  return yield* mergeRuns(runs);
}

/** What is left of a sorted run. */
interface Run<T> {
  readonly items: readonly T[];
  at: number;
  head: T;
}

/**
 * Merges all runs at once, over a heap of their heads: what is merged in pairs is looked at again and again, and a million names are far
 * more than what a processor keeps at hand.
 */
function* mergeRuns<T extends Named>(runs: readonly (readonly T[])[]): Steps<readonly T[]> {
  const heap = runs.flatMap((items): Run<T>[] => {
    const [head] = items;
    return head === undefined ? [] : [{ items, at: 0, head }];
  });
  for (let at = heap.length >> 1; at >= 0; at -= 1) sink(heap, at);
  const merged: T[] = [];
  for (let first = heap[0]; first !== undefined; first = heap[0]) {
    merged.push(first.head);
    first.at += 1;
    const next = first.items[first.at];
    if (next === undefined) {
      const last = heap.pop();
      if (last !== undefined && last !== first) heap[0] = last;
    } else {
      first.head = next;
    }
    sink(heap, 0);
    if (merged.length % runLength === 0) yield;
  }
  return merged;
}

/** Moves a run down until none below it begins earlier. */
function sink<T extends Named>(heap: Run<T>[], from: number): void {
  const run = heap[from];
  if (run === undefined) return;
  let at = from;
  for (;;) {
    let below = 2 * at + 1;
    let child = heap[below];
    const other = heap[below + 1];
    if (child === undefined) break;
    if (other !== undefined && other.head.name < child.head.name) {
      below += 1;
      child = other;
    }
    if (run.head.name <= child.head.name) break;
    heap[at] = child;
    at = below;
  }
  heap[at] = run;
}
