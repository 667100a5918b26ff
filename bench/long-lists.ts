/** `list-units` and `list-unit-files` with many rows. */
import { timed, tookMs, writeUnit, type BenchCluster } from './cluster.ts';
import { median, ms, type Bench, type Measure, type Row } from './measure.ts';

const units = 10_000;
const targetMs = 300;

export const longLists: Measure = {
  name: 'long lists', quick: false, limitMs: 600_000,
  async measure(bench: Bench): Promise<readonly Row[]> {
    const cluster = await bench.cluster();
    await cluster.empty();
    await writeUnit(cluster.first, 'listed@.service');
    await timed(cluster.first, `fleetctl load 'listed@{1..${units}}.service'`);
    // What is left is taken away by the next measure that needs the machines, if there is one.
    return listRows(cluster, { rows: units, targetMs, rounds: 10 });
  },
};

/** How long both lists take in a cluster that has `rows` units on its machines. */
export async function listRows(
  { first }: BenchCluster, { rows, targetMs: limitMs, rounds }: { readonly rows: number; readonly targetMs: number; readonly rounds: number },
): Promise<readonly Row[]> {
  const found: Row[] = [];
  for (const verb of ['list-units', 'list-unit-files']) {
    const taken: number[] = [];
    for (let round = 0; round < rounds; round += 1) taken.push(tookMs(await timed(first, `fleetctl ${verb} --no-legend`)));
    const lines = Number(await first.sh(`fleetctl ${verb} --no-legend | wc -l`));
    if (lines !== rows) throw new Error(`${verb} printed ${lines} lines, not ${rows}`);
    const middle = median(taken);
    found.push({
      what: `\`${verb}\` with ${rows} rows`, target: `≤ ${ms(limitMs)}`, figure: ms(middle),
      beside: `${Math.min(...taken).toFixed(0)}–${Math.max(...taken).toFixed(0)} ms`, met: middle <= limitMs,
    });
  }
  return found;
}
