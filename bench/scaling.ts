/**
 * How cost grows with units and machines, as the plots of docs/scaling.md.
 *   npm run bench:scaling                 measures and draws (needs root)
 *   npm run bench:scaling -- --up-to N    with at most N machines
 *   npm run bench:scaling -- --draw       draws what was measured last
 * Figures stand in bench/scaling.json, plots in docs/scaling/. Promises: a size that fails is left out and named; the others stay.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ControlPlaneFigures } from './control-plane.ts';
import { root } from './measure.ts';
import { drawPlot, type Plot, type Point, type Series } from './plot.ts';
import { provenance } from './results.ts';
import type { ReloadFigures } from './systemd-reload.ts';

interface Scaling {
  readonly measured: ReturnType<typeof provenance>;
  readonly controlPlane: readonly ControlPlaneFigures[];
  readonly placement: readonly PlacementFigures[];
  readonly reload: readonly ReloadFigures[];
}

const store = join(root, 'bench/scaling.json');
const plots = join(root, 'docs/scaling');
const scriptMsMax = 3_600_000;
/** Machines and units; the processes that hold the simulated agents. */
const controlPlaneSizes = [['10', '200', '1'], ['100', '2000', '1'], ['1000', '20000', '2'], ['10000', '200000', '4']];
const placementSizes = [['1000', '10'], ['10000', '100'], ['100000', '1000'], ['1000000', '10000']];

/** The sizes of at most so many machines. */
const upTo = process.argv.includes('--up-to') ? Number(process.argv[process.argv.indexOf('--up-to') + 1]) : Infinity;

/** What placing from nothing took. */
interface PlacementFigures {
  readonly units: number;
  readonly fromNothingMs: number;
  readonly rssMib: number;
}

/** What a script of this folder prints; nothing when it fails. */
function outputOf(script: string, args: readonly string[]): string {
  process.stdout.write(`${script} ${args.join(' ')}\n`);
  const words = ['--disable-warning=ExperimentalWarning', '--max-old-space-size=8192', join(root, 'bench', script), ...args];
  const { status, stdout } = spawnSync(process.execPath, words, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'], timeout: scriptMsMax, encoding: 'utf8' });
  if (status !== 0) process.stdout.write(`FAILED: ${script} ${args.join(' ')}\n`);
  return status === 0 ? stdout : '';
}

/** The lines of JSON among what a script prints. */
function figuresOf<T>(script: string, args: readonly string[]): readonly T[] {
  return outputOf(script, args).split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as T);
}

function placementOf([units = '', machines = '']: readonly string[]): readonly PlacementFigures[] {
  const [, fromNothing, rss] = /^ {2}from nothing: .* ms of CPU, ([\d.]+) ms, .*; (\d+) MiB RSS$/m.exec(outputOf('placement.ts', [units, machines])) ?? [];
  return fromNothing === undefined ? [] : [{ units: Number(units), fromNothingMs: Number(fromNothing), rssMib: Number(rss) }];
}

function measure(): Scaling {
  return {
    measured: provenance(),
    reload: figuresOf<ReloadFigures>('systemd-reload.ts', []),
    placement: placementSizes.filter(([, machines]) => Number(machines) <= upTo).flatMap(placementOf),
    controlPlane: controlPlaneSizes.filter(([machines]) => Number(machines) <= upTo)
      .flatMap((size) => figuresOf<ControlPlaneFigures>('control-plane.ts', ['--figures', ...size])),
  };
}

function series<T>(name: string, figures: readonly T[], at: (each: T) => readonly [x: number, y: number]): Series {
  return { name, points: figures.map(at).map(([x, y]): Point => ({ x, y })) };
}

function plotsOf({ controlPlane, placement, reload }: Scaling): Readonly<Record<string, Plot>> {
  return {
    'etcd-commits': {
      title: 'Commits until all units run, 20 units a machine', x: 'units', y: 'commits',
      series: [series('commits', controlPlane, ({ units, commits }) => [units, commits])],
    },
    'etcd-bytes': {
      title: 'etcd\'s database with so many units', x: 'units', y: 'bytes',
      series: [
        series('in use', controlPlane, ({ units, databaseBytesInUse }) => [units, databaseBytesInUse]),
        series('file', controlPlane, ({ units, databaseBytes }) => [units, databaseBytes]),
      ],
    },
    'etcd-resting': {
      title: 'Requests to etcd at rest', x: 'machines', y: 'requests per second',
      series: [series('requests', controlPlane, ({ machines, restingRequestsPerS }) => [machines, restingRequestsPerS])],
    },
    leader: {
      title: 'The fleetd that leads', x: 'units', y: 'MiB, seconds',
      series: [
        series('memory, MiB', controlPlane, ({ units, leaderMib }) => [units, leaderMib]),
        series('CPU until all run, s', controlPlane, ({ units, leaderCpuS }) => [units, leaderCpuS]),
        series('until all are reported, s', controlPlane, ({ units, reportedS }) => [units, reportedS]),
      ],
    },
    placement: {
      title: 'Placing from nothing, 100 units a machine', x: 'units', y: 'ms, MiB',
      series: [
        series('time, ms', placement, ({ units, fromNothingMs }) => [units, fromNothingMs]),
        series('memory, MiB', placement, ({ units, rssMib }) => [units, rssMib]),
      ],
    },
    systemd: {
      title: 'systemd alone', x: 'units loaded', y: 'ms, MiB',
      series: [
        series('daemon-reload, ms', reload, ({ units, reloadMs }) => [units, reloadMs]),
        series('memory of process 1, MiB', reload, ({ units, systemdMib }) => [units, systemdMib]),
      ],
    },
  };
}

if (!process.argv.includes('--draw')) {
  execFileSync(process.execPath, ['tools/build.ts'], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  writeFileSync(store, `${JSON.stringify(measure(), null, 1)}\n`);
}
if (!existsSync(store)) throw new Error(`nothing was measured yet: node ${process.argv[1] ?? ''}`);
mkdirSync(plots, { recursive: true });
for (const [name, plot] of Object.entries(plotsOf(JSON.parse(readFileSync(store, 'utf8')) as Scaling))) {
  writeFileSync(join(plots, `${name}.svg`), drawPlot(plot));
}
