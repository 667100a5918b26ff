/** Bounded concurrency for work on files. Promises: all items are done, or the first error is thrown after those begun have ended. */

/** Node's pool has four threads; more in flight only keeps them busy between callbacks. */
const IN_FLIGHT_MAX = 16;

/** Calls `work` for each item, some at a time, and answers with the results in the order of the items. */
export async function inParallel<Item, Outcome>(items: readonly Item[], work: (item: Item) => Promise<Outcome>): Promise<Outcome[]> {
  const outcomes = new Array<Outcome>(items.length);
  const failures: unknown[] = [];
  const queue = items.entries();
  const worker = async (): Promise<void> => {
    for (const [index, item] of queue) {
      if (failures.length > 0) return;
      try {
        outcomes[index] = await work(item);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(IN_FLIGHT_MAX, items.length) }, worker));
  if (failures.length > 0) throw failures[0] as Error;
  return outcomes;
}
