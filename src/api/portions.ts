/**
 * Long work in portions, between which the event loop turns: leases are renewed, events heard and others answered while a list of 100,000 units
 * is made.
 * Promises: a portion takes milliseconds, however much there is to do.
 */

/** Entries that are looked at or sorted in one portion. */
export const portion = 1_000;

/** Work that pauses with `null` after each portion and ends with what came out. */
export type Portioned<T> = Generator<null, T, void>;

/** Resolves when the event loop has turned. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** Carries work out, a portion in each turn of the event loop. Throws what the work throws. */
export async function inTurns<T>(work: Portioned<T>): Promise<T> {
  let step = work.next();
  while (step.done !== true) {
    await nextTurn();
    step = work.next();
  }
  return step.value;
}

/** Carries work out at once. */
export function atOnce<T>(work: Portioned<T>): T {
  let step = work.next();
  while (step.done !== true) step = work.next();
  return step.value;
}

/** Sorts texts as compareText does: portions by themselves, then merged. */
export function* sortInPortions<T extends string>(texts: readonly T[]): Portioned<readonly T[]> {
  let runs: (readonly T[])[] = [];
  for (let at = 0; at < texts.length; at += portion) {
    // Without a comparison of its own sort() compares UTF-16 units, too, and is faster.
    runs.push(texts.slice(at, at + portion).sort());
    yield null;
  }
  while (runs.length > 1) {
    const merged: (readonly T[])[] = [];
    for (let at = 0; at < runs.length; at += 2) merged.push(yield* merge(runs[at] ?? [], runs[at + 1] ?? []));
    runs = merged;
  }
  return runs[0] ?? [];
}

function* merge<T extends string>(left: readonly T[], right: readonly T[]): Portioned<readonly T[]> {
  if (right.length === 0) return left;
  const merged: T[] = [];
  let [leftAt, rightAt] = [0, 0];
  for (;;) {
    const [first, second] = [left[leftAt], right[rightAt]];
    if (first === undefined || second === undefined) return merged.concat(left.slice(leftAt), right.slice(rightAt));
    if (first <= second) {
      merged.push(first);
      leftAt += 1;
    } else {
      merged.push(second);
      rightAt += 1;
    }
    if (merged.length % portion === 0) yield null;
  }
}
