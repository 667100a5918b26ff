/**
 * `npm run bench`: measures what fleet promises about speed, beside systemd alone, and writes bench/RESULTS.md.
 *   npm run bench                     everything
 *   npm run bench -- --quick          the short run: prints, and leaves bench/RESULTS.md as it is
 *   npm run bench -- --only NAME...   some measures; the others keep their rows
 *   npm run bench -- --list           names of the measures
 * Promises: every measure is bounded in time, and one that fails is named in the results and keeps no other from being taken;
 * results are written after each, so a run that is stopped has what came before; machines are taken down at the end.
 */
import { execFileSync } from 'node:child_process';
import { bootCluster, type BenchCluster } from './cluster.ts';
import { type Bench, type Measure, root } from './measure.ts';
import { measures } from './measures.ts';
import { provenance, readResults, table, writeResults, type Taken } from './results.ts';

const bootMsMax = 180_000;
const closeMsMax = 60_000;

interface Wanted {
  readonly quick: boolean;
  readonly measures: readonly Measure[];
}

/** What the command line asks for; a message for people when it asks for nothing known. */
function wantedOf(args: readonly string[]): Wanted | string {
  const quick = args.includes('--quick');
  const names = args.filter((word) => !['--quick', '--only'].includes(word));
  if (names.length > 0 && !args.includes('--only')) return `unknown argument "${names[0] ?? ''}": there are --quick, --list and --only NAME...`;
  const unknown = names.find((name) => !measures.some((measure) => measure.name === name));
  if (unknown !== undefined) return `no measure "${unknown}": there are ${measures.map(({ name }) => `"${name}"`).join(', ')}`;
  const asked = names.length > 0 ? measures.filter(({ name }) => names.includes(name)) : measures;
  return { quick, measures: asked.filter((measure) => measure.quick || !quick || names.length > 0) };
}

/** The value of `work`, or an Error after `limitMs`. */
async function within<T>(limitMs: number, what: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took longer than ${limitMs / 1_000} s`)), limitMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A cluster that is booted when first asked for, and again after a measure that failed. */
interface Stage {
  readonly bench: Bench;
  /** Takes the machines down. */
  clear(): Promise<void>;
}

function createStage(quick: boolean): Stage {
  let booted: Promise<BenchCluster> | null = null;
  const say = (text: string): void => void process.stdout.write(`${text}\n`);
  return {
    bench: {
      quick, say,
      cluster() {
        booted ??= within(bootMsMax, 'booting', bootCluster());
        return booted;
      },
    },
    async clear() {
      const last = booted;
      booted = null;
      if (last === null) return;
      try {
        await within(closeMsMax, 'taking the machines down', (await last).close());
      } catch (error) {
        say(`the machines are left for the next run to take down: ${(error as Error).message}`);
      }
    },
  };
}

async function take(measure: Measure, stage: Stage): Promise<Taken> {
  const from = provenance();
  try {
    return { ...from, failed: '', rows: await within(measure.limitMs + bootMsMax, measure.name, measure.measure(stage.bench)) };
  } catch (error) {
    // What it left behind is not for the next measure.
    await stage.clear();
    return { ...from, failed: (error as Error).message.replace(/\s*\n\s*/g, '; ').slice(0, 500), rows: [] };
  }
}

async function main(args: readonly string[]): Promise<number> {
  if (args.includes('--list')) {
    process.stdout.write(measures.map(({ name, quick }) => `${name}${quick ? '' : ' (not in the short run)'}\n`).join(''));
    return 0;
  }
  const wanted = wantedOf(args);
  if (typeof wanted === 'string') {
    process.stderr.write(`${wanted}\n`);
    return 2;
  }
  execFileSync(process.execPath, ['tools/build.ts'], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  const stage = createStage(wanted.quick);
  let failures = 0;
  try {
    for (const measure of wanted.measures) {
      stage.bench.say(`# ${measure.name}`);
      const taken = await take(measure, stage);
      if (taken.failed !== '') failures += 1;
      stage.bench.say(taken.failed === '' ? table(taken.rows) : `FAILED: ${taken.failed}\n`);
      if (!wanted.quick) writeResults({ ...readResults(), [measure.name]: taken }, measures.map(({ name }) => name));
    }
  } finally {
    await stage.clear();
  }
  return failures === 0 ? 0 : 1;
}

// A measure that was given up may still wait for something.
process.exit(await main(process.argv.slice(2)));
