/**
 * How cost grows with units and machines, as the plots of docs/scaling.md.
 *   npm run bench:scaling                 measures and draws (needs root)
 *   npm run bench:scaling -- --up-to N    with at most N machines
 *   npm run bench:scaling -- --only PART  one of reload, placement, controlPlane; the others keep what was measured before
 *   npm run bench:scaling -- --draw       draws what was measured last
 * Figures stand in bench/scaling.json, plots and tables in docs/scaling/. Promises: a size that fails is left out and named; the others stay.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ControlPlaneFigures } from './control-plane.ts';
import { root } from './measure.ts';
import { drawPlot, type Plot, type Point, type Series } from './plot.ts';
import { provenance } from './results.ts';
import type { ReloadFigures } from './systemd-reload.ts';

/** Figures, and when and where they were taken. */
interface Part<T> {
  readonly measured: ReturnType<typeof provenance> | null;
  readonly figures: readonly T[];
}

interface Scaling {
  readonly controlPlane: Part<ControlPlaneFigures>;
  readonly placement: Part<PlacementFigures>;
  readonly reload: Part<ReloadFigures>;
}

const nothing: Scaling = {
  controlPlane: { measured: null, figures: [] }, placement: { measured: null, figures: [] }, reload: { measured: null, figures: [] },
};

const store = join(root, 'bench/scaling.json');
const plots = join(root, 'docs/scaling');
const scriptMsMax = 3_600_000;
/** Machines and units; the processes that hold the simulated agents. */
const controlPlaneSizes = [
  ['10', '200', '1'], ['50', '1000', '1'], ['100', '2000', '1'], ['500', '10000', '2'], ['1000', '20000', '2'], ['10000', '200000', '4'],
];
const placementSizes = [['1000', '10'], ['10000', '100'], ['100000', '1000'], ['1000000', '10000']];

/** The sizes of at most so many machines. */
const upTo = process.argv.includes('--up-to') ? Number(process.argv[process.argv.indexOf('--up-to') + 1]) : Infinity;

/** The part that is measured; all without. */
const only = process.argv.includes('--only') ? process.argv[process.argv.indexOf('--only') + 1] ?? '' : null;

/** What placing from nothing took: CPU, which other work on the machine changes least. */
interface PlacementFigures {
  readonly units: number;
  readonly cpuMs: number;
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
  const [, cpuMs, rss] = /^ {2}from nothing: .*; ([\d.]+) ms of CPU, .*; (\d+) MiB RSS$/m.exec(outputOf('placement.ts', [units, machines])) ?? [];
  if (cpuMs === undefined) process.stdout.write(`FAILED: placement.ts ${units} ${machines} does not print what is looked for\n`);
  return cpuMs === undefined ? [] : [{ units: Number(units), cpuMs: Number(cpuMs), rssMib: Number(rss) }];
}

function measure(before: Scaling): Scaling {
  const part = <N extends keyof Scaling>(name: N, take: () => Scaling[N]['figures']): Scaling[N] =>
    (only === null || only === name ? { measured: provenance(), figures: take() } as Scaling[N] : before[name]);
  return {
    reload: part('reload', () => figuresOf<ReloadFigures>('systemd-reload.ts', [])),
    placement: part('placement', () => placementSizes.filter(([, machines]) => Number(machines) <= upTo).flatMap(placementOf)),
    controlPlane: part('controlPlane', () => controlPlaneSizes.filter(([machines]) => Number(machines) <= upTo)
      .flatMap((size) => figuresOf<ControlPlaneFigures>('control-plane.ts', ['--figures', ...size]))),
  };
}

function series<T>(name: string, figures: readonly T[], at: (each: T) => readonly [x: number, y: number]): Series {
  return { name, points: figures.map(at).map(([x, y]): Point => ({ x, y })) };
}

function plotsOf({ controlPlane: { figures: controlPlane }, placement: { figures: placement }, reload: { figures: reload } }: Scaling) {
  const plots: Readonly<Record<string, Plot>> = {
    'etcd-commits': {
      title: 'Commits until all units run, and until all are destroyed', x: 'units, 20 for each machine', y: 'commits',
      series: [
        series('until all run', controlPlane, ({ units, commits }) => [units, commits]),
        series('until all are destroyed', controlPlane, ({ units, destroyCommits }) => [units, destroyCommits]),
      ],
    },
    'etcd-bytes': {
      title: 'etcd\'s database', x: 'units, 20 for each machine', y: 'bytes',
      series: [series('in use, history included', controlPlane, ({ units, databaseBytesInUse }) => [units, databaseBytesInUse])],
    },
    'etcd-resting': {
      title: 'Requests to etcd at rest', x: 'machines', y: 'requests per second',
      series: [series('requests', controlPlane, ({ machines, restingRequestsPerS }) => [machines, restingRequestsPerS])],
    },
    cpu: {
      title: 'CPU until all units run', x: 'units, 20 for each machine', y: 'seconds',
      series: [
        series('the leader', controlPlane, ({ units, leaderCpuS }) => [units, leaderCpuS]),
        series('etcd', controlPlane, ({ units, etcdCpuS }) => [units, etcdCpuS]),
        series('all agents together', controlPlane, ({ units, agentsCpuS }) => [units, agentsCpuS]),
      ],
    },
    memory: {
      title: 'Resident memory with all units', x: 'units, 20 for each machine', y: 'MiB',
      series: [
        series('the leader', controlPlane, ({ units, leaderMib }) => [units, leaderMib]),
        series('etcd', controlPlane, ({ units, etcdMib }) => [units, etcdMib]),
        series('all agents together', controlPlane, ({ units, machines, agentMib }) => [units, machines * agentMib]),
      ],
    },
    placement: {
      title: 'Placing from nothing', x: 'units, 100 for each machine', y: 'ms of CPU, MiB',
      series: [
        series('CPU, ms', placement, ({ units, cpuMs }) => [units, cpuMs]),
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
  return Object.entries(plots).filter(([, plot]) => plot.series.some(({ points }) => points.length > 0));
}

/** A table with what was measured where. */
function tableOf<T>({ measured, figures }: Part<T>, columns: Readonly<Record<string, (each: T) => string>>): string {
  if (measured === null || figures.length === 0) return 'Not measured yet.\n';
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const names = Object.keys(columns);
  return [
    `${measured.date}, commit ${measured.commit}; ${measured.machine}`, '', line(names), line(names.map(() => '---')),
    ...figures.map((each) => line(Object.values(columns).map((cell) => cell(each)))), '',
  ].join('\n');
}

function tablesOf({ controlPlane, placement, reload }: Scaling): string {
  const whole = (value: number): string => value.toFixed(0);
  return [
    '# Figures of how cost grows', '', 'Written by `npm run bench:scaling`; what they mean is in [scaling.md](../scaling.md).', '',
    '## The control plane: until all units run', '', tableOf(controlPlane, {
      'machines': ({ machines }) => whole(machines), 'units': ({ units }) => whole(units),
      'all reported': ({ reportedS }) => `${whole(reportedS)} s`, 'placements/s': ({ units, runningS }) => whole(units / runningS),
      'commits': ({ commits }) => whole(commits), 'commits/s': ({ commits, reportedS }) => whole(commits / reportedS),
      'commits per unit': ({ commits, units }) => (commits / units).toFixed(2),
      'database per unit': ({ databaseBytesInUse, units }) => `${whole(databaseBytesInUse / units)} bytes`,
    }),
    '## The control plane: what it uses', '', tableOf(controlPlane, {
      'units': ({ units }) => whole(units),
      'CPU of the leader per unit': ({ leaderCpuS, units }) => `${(leaderCpuS / units * 1_000).toFixed(2)} ms`,
      'of etcd': ({ etcdCpuS, units }) => `${(etcdCpuS / units * 1_000).toFixed(2)} ms`,
      'of the agents': ({ agentsCpuS, units }) => `${(agentsCpuS / units * 1_000).toFixed(2)} ms`,
      'memory of the leader': ({ leaderMibBefore, leaderMib }) => `${whole(leaderMibBefore)} → ${whole(leaderMib)} MiB`,
      'memory of etcd': ({ etcdMib }) => `${whole(etcdMib)} MiB`,
      'memory of an agent': ({ agentMibBefore, agentMib }) => `${agentMibBefore.toFixed(2)} → ${agentMib.toFixed(2)} MiB`,
      'requests at rest': ({ restingRequestsPerS }) => `${restingRequestsPerS.toFixed(1)}/s`,
    }),
    '## The control plane: until all units are destroyed', '', tableOf(controlPlane, {
      'units': ({ units }) => whole(units), 'none reported': ({ destroyedS }) => `${whole(destroyedS)} s`,
      'commits per unit': ({ destroyCommits, units }) => (destroyCommits / units).toFixed(2),
      'CPU of the leader per unit': ({ destroyLeaderCpuS, units }) => `${(destroyLeaderCpuS / units * 1_000).toFixed(2)} ms`,
    }),
    '## Placing from nothing', '', tableOf(placement, {
      'units': ({ units }) => whole(units), 'CPU': ({ cpuMs }) => `${whole(cpuMs)} ms`, 'memory': ({ rssMib }) => `${whole(rssMib)} MiB`,
    }),
    '## systemd alone', '', tableOf(reload, {
      'units loaded': ({ units }) => whole(units), 'daemon-reload': ({ reloadMs }) => `${whole(reloadMs)} ms`,
      'memory of process 1': ({ systemdMib }) => `${whole(systemdMib)} MiB`,
    }),
  ].join('\n');
}

const before = existsSync(store) ? JSON.parse(readFileSync(store, 'utf8')) as Scaling : nothing;
if (!process.argv.includes('--draw')) {
  execFileSync(process.execPath, ['tools/build.ts'], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  writeFileSync(store, `${JSON.stringify(measure(before), null, 1)}\n`);
}
if (!existsSync(store)) throw new Error(`nothing was measured yet: node ${process.argv[1] ?? ''}`);
mkdirSync(plots, { recursive: true });
const measured = JSON.parse(readFileSync(store, 'utf8')) as Scaling;
for (const [name, plot] of plotsOf(measured)) writeFileSync(join(plots, `${name}.svg`), drawPlot(plot));
writeFileSync(join(plots, 'figures.md'), tablesOf(measured));
