/**
 * Start, stop and destroy of many instances over three machines, beside what systemd alone needs for the same: the same files written,
 * one daemon-reload, one `systemctl start` of a third of the units on each machine, all machines at once.
 */
import { timed, timedOnAll, tookMs, writeUnit, type BenchCluster } from './cluster.ts';
import { median, ms, ratioRow, type Bench, type Measure, type Row } from './measure.ts';

const startRatio = 1.3;
const endRatio = 1.5;

export const manyUnits: Measure = {
  name: 'many units', quick: true, limitMs: 900_000,
  async measure(bench: Bench): Promise<readonly Row[]> {
    const cluster = await bench.cluster();
    const sizes = bench.quick ? [100, 300] : [100, 300, 1_000];
    const rounds = bench.quick ? 1 : 5;
    const alone = await cluster.withoutFleet(() => inRounds({ sizes, rounds, say: bench.say }, (size) => systemdAlone(cluster, size)));
    await cluster.empty();
    await writeUnit(cluster.first, 'many@.service');
    // The first one finds cold code and does not count.
    await fleetRound(cluster, 30);
    const fleet = await inRounds({ sizes, rounds, say: bench.say }, (size) => fleetRound(cluster, size));
    await cluster.empty();
    return sizes.flatMap((size, index) => rowsOf(size, fleet[index] ?? {}, alone[index] ?? {}));
  },
};

type Taken = Readonly<Record<string, number>>;

function rowsOf(size: number, fleet: Taken, alone: Taken): readonly Row[] {
  const { start = NaN, stop = NaN, destroy = NaN, both = NaN } = fleet;
  const { start: aloneStart = NaN, bare = NaN, stop: aloneStop = NaN, both: aloneBoth = NaN } = alone;
  return [
    ratioRow(`start of ${size} instances, command returns 0, all run`, startRatio,
      { tookMs: start, besideMs: aloneStart, beside: `without reload ${ms(bare)}; systemd alone` }),
    ratioRow(`stop of ${size}, command returns`, endRatio, { tookMs: stop, besideMs: aloneStop, beside: 'systemd alone' }),
    ratioRow(`stop and destroy of ${size}, until list-units is empty`, endRatio,
      { tookMs: both, besideMs: aloneBoth, beside: `destroy of running ones ${ms(destroy)}; systemd alone` }),
  ];
}

/** Medians of several rounds for each size. */
async function inRounds(
  { sizes, rounds, say }: { readonly sizes: readonly number[]; readonly rounds: number; readonly say: (text: string) => void },
  round: (size: number) => Promise<Taken>,
): Promise<readonly Taken[]> {
  const results: Taken[] = [];
  for (const size of sizes) {
    const taken: Taken[] = [];
    for (let index = 0; index < rounds; index += 1) taken.push(await round(size));
    const middle = Object.fromEntries(Object.keys(taken[0] ?? {}).map((what) => [what, median(taken.map((one) => one[what] ?? NaN))]));
    say(`  ${size}: ${Object.entries(middle).map(([what, took]) => `${what} ${ms(took)}`).join(', ')}`);
    results.push(middle);
  }
  return results;
}

/** Starts, stops, starts and destroys; checks by systemd on the machines that all run. */
async function fleetRound({ first, machines }: BenchCluster, size: number): Promise<Taken> {
  const names = `'many@{1..${size}}.service'`;
  const took = async (script: string): Promise<number> => tookMs(await timed(first, script));
  const start = await took(`fleetctl start ${names}`);
  const counts = await Promise.all(machines.map((machine) => machine.sh("systemctl list-units --no-legend --state=running 'many@*' | wc -l")));
  const running = counts.reduce((sum, count) => sum + Number(count), 0);
  if (running !== size) throw new Error(`${running} of ${size} run after fleetctl start has returned`);
  const stop = await took(`fleetctl stop ${names}`);
  // With --block-attempts it returns when no machine has a unit any more.
  const emptied = `fleetctl destroy --block-attempts=60 ${names} && test -z "$(fleetctl list-units --no-legend)"`;
  const stopped = await took(emptied);
  await took(`fleetctl start ${names}`);
  return { start, stop, both: stop + stopped, destroy: await took(emptied) };
}

async function systemdAlone({ machines }: BenchCluster, size: number): Promise<Taken> {
  const share = Math.ceil(size / machines.length);
  const ranges = machines.map((_machine, index) => `{${index * share + 1}..${Math.min(size, (index + 1) * share)}}`);
  const names = (index: number): string => `many@${ranges[index] ?? ''}.service`;
  const directory = '/run/systemd/system';
  const write = (index: number): string =>
    `for name in ${names(index)}; do printf '[Service]\\nExecStart=/bin/sleep infinity\\n' >${directory}/$name; done`;
  const start = await timedOnAll(machines, (index) => `${write(index)}; systemctl daemon-reload; systemctl start ${names(index)}`);
  const stop = await timedOnAll(machines, (index) => `systemctl stop ${names(index)}`);
  const removed = await timedOnAll(machines, (index) => `cd ${directory}; rm ${names(index)}; systemctl daemon-reload`);
  // systemd finds new files without a reload, too; with the manual's reload is what people do.
  const bare = await timedOnAll(machines, (index) => `${write(index)}; systemctl start ${names(index)}`);
  await timedOnAll(machines, (index) => `systemctl stop ${names(index)}; cd ${directory}; rm ${names(index)}; systemctl daemon-reload`);
  return { start, bare, stop, both: stop + removed };
}
