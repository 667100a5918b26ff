/**
 * Where the time of fleetd goes: profiles of all fleetd of the cluster, over a start of many units, over rest, and over their stop.
 *   npm run bench:profile [NAME [UNITS]]     writes bench/profiles/NAME.md
 * Promises: the same executables and machines as the measures have; only their time between the moments named counts.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Machine } from '../test/functional/lab/machine.ts';
import { bootCluster, timed, writeUnit, type BenchCluster } from './cluster.ts';
import { root } from './measure.ts';
import { provenance } from './results.ts';

/** A profile as V8 writes it. Times are microseconds of the clock that never jumps, which machines share with the host. */
interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  readonly startTime: number;
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  readonly children?: readonly number[];
}

interface Phase {
  readonly name: string;
  readonly beganUs: number;
  readonly endedUs: number;
}

const rowsMax = 25;
const restMs = 30_000;
const nowUs = (): number => Number(process.hrtime.bigint() / 1_000n);

async function phases({ first }: BenchCluster, units: number): Promise<readonly Phase[]> {
  await writeUnit(first, 'hot@.service');
  const found: Phase[] = [];
  const during = async (name: string, work: () => Promise<unknown>): Promise<void> => {
    const beganUs = nowUs();
    await work();
    found.push({ name, beganUs, endedUs: nowUs() });
  };
  // What runs the first time is compiled first; it does not count.
  await timed(first, "fleetctl start 'hot@{1..30}.service'; fleetctl destroy --block-attempts=30 'hot@{1..30}.service'");
  await during(`start of ${units}`, () => timed(first, `fleetctl start 'hot@{1..${units}}.service'`));
  await sleep(5_000);
  await during(`rest with ${units}`, () => sleep(restMs));
  await during(`stop and destroy of ${units}`, () => timed(first, `fleetctl destroy --block-attempts=60 'hot@{1..${units}}.service'`));
  return found;
}

/** Self time and time with all that was called, in milliseconds, by function. */
function timesIn(profiles: readonly CpuProfile[], { beganUs, endedUs }: Phase): ReadonlyMap<string, { self: number; all: number }> {
  const times = new Map<string, { self: number; all: number }>();
  for (const profile of profiles) {
    const names = new Map(profile.nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]));
    const parents = new Map(profile.nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)));
    let atUs = profile.startTime;
    for (const [index, sample] of profile.samples.entries()) {
      const deltaUs = profile.timeDeltas[index] ?? 0;
      atUs += deltaUs;
      if (atUs < beganUs || atUs > endedUs) continue;
      const seen = new Set<string>();
      for (let node: number | undefined = sample; node !== undefined; node = parents.get(node)) seen.add(names.get(node) ?? '');
      const own = names.get(sample) ?? '';
      for (const name of seen) {
        const time = times.get(name) ?? { self: 0, all: 0 };
        times.set(name, { self: time.self + (name === own ? deltaUs / 1_000 : 0), all: time.all + deltaUs / 1_000 });
      }
    }
  }
  return times;
}

function nameOf({ functionName, url, lineNumber }: ProfileNode['callFrame']): string {
  const file = url.replace(/^.*\//, '');
  return `${functionName === '' ? `(anonymous, line ${lineNumber + 1})` : functionName}${file === '' ? '' : ` — ${file}`}`;
}

function phaseText(phase: Phase, profiles: readonly CpuProfile[]): string {
  const times = [...timesIn(profiles, phase)].filter(([name]) => !/^\((idle|root)\)/.test(name));
  const busyMs = times.reduce((sum, [name, { self }]) => sum + (name.startsWith('(program)') ? 0 : self), 0);
  const table = (by: 'self' | 'all', rows: typeof times): string => [
    `| ms ${by === 'self' ? 'in itself' : 'with what it calls'} | function |`, '|---|---|',
    ...rows.sort(([, one], [, other]) => other[by] - one[by]).slice(0, rowsMax).map(([name, time]) => `| ${time[by].toFixed(1)} | ${name} |`), '',
  ].join('\n');
  const wallMs = (phase.endedUs - phase.beganUs) / 1_000;
  return [`## ${phase.name}`, '', `${wallMs.toFixed(0)} ms, in which all fleetd together ran JavaScript for ${busyMs.toFixed(0)} ms.`, '',
    table('self', times), table('all', times)].join('\n');
}

async function profilesOf(machine: Machine): Promise<readonly CpuProfile[]> {
  const texts = (await machine.sh('for file in /tmp/profiles/*.cpuprofile; do cat "$file"; echo; done')).split('\n').filter((line) => line !== '');
  return texts.map((text) => JSON.parse(text) as CpuProfile);
}

const [name = 'latest', units = '300'] = process.argv.slice(2);
const cluster = await bootCluster();
try {
  const dropIn = '[Service]\nEnvironment="NODE_OPTIONS=--cpu-prof --cpu-prof-dir=/tmp/profiles --cpu-prof-interval=500"\n';
  await cluster.withoutFleet(() => Promise.all(cluster.machines.map((machine) => machine.sh(
    `mkdir -p /tmp/profiles /etc/systemd/system/fleet.service.d; cd /etc/systemd/system/fleet.service.d
      printf '%s' '${dropIn}' >profile.conf; systemctl daemon-reload`,
  ))));
  const found = await phases(cluster, Number(units));
  // A profile is written when the process ends.
  await Promise.all(cluster.machines.map((machine) => machine.sh('systemctl stop fleet.service')));
  const profiles = (await Promise.all(cluster.machines.map(profilesOf))).flat();
  const { date, commit, machine } = provenance();
  const head = `# Profile: ${name}\n\nWritten by \`npm run bench:profile\`: ${date}, commit ${commit}; ${machine}. Sampled every 0.5 ms.\n\n`;
  await mkdir(join(root, 'bench/profiles'), { recursive: true });
  await writeFile(join(root, `bench/profiles/${name}.md`), head + found.map((phase) => phaseText(phase, profiles)).join('\n'));
} finally {
  await cluster.close();
}
process.exit(0);
