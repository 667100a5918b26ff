/** `fleetctl start` of one unit, until the command returns because it is active, beside `systemctl start` of the same unit. */
import { sleeper, timed, tookMs, writeUnit, type BenchCluster } from './cluster.ts';
import { median, ms, ratioRow, type Bench, type Measure, type Row } from './measure.ts';

const targetMs = 100;
const targetRatio = 3;

export const oneUnit: Measure = {
  name: 'one unit', quick: true, limitMs: 180_000,
  async measure(bench: Bench): Promise<readonly Row[]> {
    const cluster = await bench.cluster();
    const rounds = bench.quick ? 10 : 30;
    const alone = await cluster.withoutFleet(() => systemdAlone(cluster, rounds));
    const fleet = await fleetStarts(cluster, rounds);
    const tookMs = median(fleet.start);
    return [
      { what: '`fleetctl start` of one unit, returns when it is active', target: `≤ ${ms(targetMs)}`, figure: ms(tookMs),
        beside: `${Math.min(...fleet.start).toFixed(0)}–${Math.max(...fleet.start).toFixed(0)} ms, ${rounds} rounds`, met: tookMs <= targetMs },
      ratioRow('the same, against `systemctl start`', targetRatio, { tookMs, besideMs: median(alone.start), beside: '`systemctl start`' }),
      { what: 'the same, against file, reload and start', target: '', figure: ms(tookMs), beside: `systemd alone ${ms(median(alone.all))}`, met: null },
      { what: '`fleetctl stop` of one unit', target: '', figure: ms(median(fleet.stop)), beside: `\`systemctl stop\` ${ms(median(alone.stop))}`, met: null },
    ];
  },
};

interface Taken {
  readonly start: number[];
  readonly stop: number[];
}

/** What systemd needs for the unit itself; `all`: with writing the file and the reload. */
async function systemdAlone({ first }: BenchCluster, rounds: number): Promise<Taken & { readonly all: readonly number[] }> {
  const taken = { start: [] as number[], stop: [] as number[], all: [] as number[] };
  for (let round = 0; round < rounds; round += 1) {
    const name = `alone-${round}.service`;
    const wrote = await timed(first, `cat >/run/systemd/system/${name} <<'UNIT'\n${sleeper}UNIT\nsystemctl daemon-reload`);
    const start = tookMs(await timed(first, `systemctl start ${name}`));
    taken.start.push(start);
    taken.all.push(tookMs(wrote) + start);
    taken.stop.push(tookMs(await timed(first, `systemctl stop ${name}`)));
    await first.sh(`rm /run/systemd/system/${name}; systemctl daemon-reload`);
  }
  return taken;
}

async function fleetStarts(cluster: BenchCluster, rounds: number): Promise<Taken> {
  const { first } = cluster;
  const taken = { start: [] as number[], stop: [] as number[] };
  await cluster.empty();
  // The first rounds find cold code and caches, and do not count.
  for (let round = -3; round < rounds; round += 1) {
    const name = `one${round}.service`;
    await writeUnit(first, name);
    const start = tookMs(await timed(first, `fleetctl start ${name}`));
    const stop = tookMs(await timed(first, `fleetctl stop ${name}`));
    if (round >= 0) {
      taken.start.push(start);
      taken.stop.push(stop);
    }
    await first.sh(`fleetctl destroy ${name}`);
  }
  await cluster.empty();
  return taken;
}
