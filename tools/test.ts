/**
 * `npm test`: everything that says whether fleet is right, in one command; `npm run check` is the quick part of it.
 * Promises: installs what it needs when it is root on Debian; says in one line each what it left out and why; with CI=true nothing may be
 * left out; ends with what failed first, the number of tests that passed and failed, and non-zero when anything went wrong.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { availableParallelism, constants, setPriority } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { labCache } from '../test/functional/lab/lab.ts';
import { rootFileSystem } from '../test/functional/lab/root-file-system.ts';
import { describeFailures, failuresIn, filesOf, type Failure } from './failures.ts';
import { watchHost } from './host-watch.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bin = (name: string): string => join(root, 'node_modules/.bin', name);
const quick = process.argv.includes('--quick');
const ci = process.env['CI'] === 'true';

/** Debian packages the full run needs, by the program that shows they are there. */
const debianPackages: Readonly<Record<string, string>> = {
  etcd: 'etcd-server', etcdctl: 'etcd-client', curl: 'curl', 'systemd-nspawn': 'systemd-container', debootstrap: 'debootstrap',
  'dbus-daemon': 'dbus', ip: 'iproute2', cc: 'gcc', make: 'make', openssl: 'openssl', nsenter: 'util-linux', sqlite3: 'sqlite3',
  tc: 'iproute2', nft: 'nftables', faketime: 'faketime',
};

/** A part of the run. `needs` answers why it cannot run here, or null. */
interface Part {
  readonly name: string;
  readonly quick: boolean;
  /** The parts before it in the table that have to end first, well or not; it runs beside all others. */
  readonly after?: readonly string[];
  readonly needs?: () => string | null;
  /** Runs it, writing to `output`; false when it failed. */
  readonly run: (output: Output) => Promise<boolean>;
}

type Output = (text: string | Buffer) => void;
interface Command {
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** It computes all the time, and gives way to parts that wait for machines and leases. */
  readonly heavy?: boolean;
  /** It needs machines that a busy host may hold up: files of it that fail are run again, once, by themselves, and both is told. */
  readonly onMachines?: boolean;
}

const counts = { passed: 0, failed: 0 };
const failures: Failure[] = [];
/** What failed and then passed by itself. */
const unsteady: Failure[] = [];
/** With more files something is wrong that is no chance. */
const filesAgainMax = 4;

/** Runs the pinned Node; false when it did not end with 0. */
async function node({ args, env = {}, heavy = false }: Command, output: Output): Promise<boolean> {
  const child = spawn(bin('node'), ['--disable-warning=ExperimentalWarning', ...args], {
    cwd: root, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env },
  });
  if (heavy && child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_LOW);
  child.stdout.on('data', output);
  child.stderr.on('data', output);
  const [code] = await once(child, 'close') as [number | null];
  return code === 0;
}

/** What node:test made of files. */
interface TestRun {
  readonly passed: boolean;
  /** It came to its end and left out nothing that it must not: what failed in it is all that can be wrong. */
  readonly isWhole: boolean;
  readonly counts: { readonly passed: number; readonly failed: number };
  readonly failures: readonly Failure[];
}

/** Runs node:test on the files of the patterns, and adds what came of it. */
async function nodeTests(tests: Command, output: Output): Promise<boolean> {
  const first = await runTests(tests, output);
  counts.passed += first.counts.passed;
  if (tests.onMachines === true && await passesAgain(tests, first, output)) {
    counts.passed += first.counts.failed;
    unsteady.push(...first.failures);
    return true;
  }
  counts.failed += first.counts.failed;
  failures.push(...first.failures);
  return first.passed;
}

/** Runs the files again in which a test failed; false when there is nothing to run again, or it failed again. */
async function passesAgain(tests: Command, { isWhole, failures: found }: TestRun, output: Output): Promise<boolean> {
  const files = filesOf(found);
  if (!isWhole || files.length === 0 || files.length > filesAgainMax) return false;
  output(`\nonce more, by themselves: ${files.join(' ')}\n`);
  return (await runTests({ ...tests, args: [...tests.args.filter((arg) => arg.startsWith('--')), ...files] }, output)).passed;
}

async function runTests(tests: Command, output: Output): Promise<TestRun> {
  await mkdir(join(root, 'build'), { recursive: true });
  const directory = await mkdtemp(join(root, 'build/tests-'));
  const tapFile = join(directory, 'tests.tap');
  const ended = await node({
    args: ['--test', '--import=./test/property-seed.ts', '--test-reporter=dot', '--test-reporter-destination=stdout', '--test-reporter=tap',
      `--test-reporter-destination=${tapFile}`, ...tests.args],
    ...(tests.env && { env: tests.env }), ...(tests.heavy && { heavy: true }),
  }, output);
  const tap = await readFile(tapFile, 'utf8');
  await rm(directory, { recursive: true });
  const counted = (word: string): number => Number(new RegExp(`^# ${word} (\\d+)$`, 'm').exec(tap)?.[1] ?? 0);
  const found = failuresIn(tap);
  const skipped = counted('skipped') + counted('todo');
  if (ci && skipped > 0) output(`${skipped} tests were skipped, and in CI none may be\n`);
  const isWhole = counted('pass') > 0 && !(ci && skipped > 0);
  return {
    // A hook that throws at the end of a run is reported and neither counted nor seen in the exit code.
    passed: ended && found.length === 0 && isWhole,
    isWhole,
    counts: { passed: counted('pass'), failed: counted('fail') + counted('cancelled') },
    failures: found,
  };
}

const missing = (...programs: readonly string[]) => (): string | null => {
  const absent = programs.filter((program) => spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0);
  const names = absent.map((name) => debianPackages[name] ?? name).join(' ');
  return absent.length === 0 ? null : `no ${absent.join(', ')} on this machine (Debian: apt-get install ${names})`;
};
const notRoot = (): string | null => (process.getuid?.() === 0 ? null : 'needs root');

const machinesNeed = ['etcd', 'curl', 'systemd-nspawn', 'debootstrap', 'ip', 'nsenter'];
const heavy = true;
const executables = 'executables';
const rootfs = 'root file system of the machines';

/** Short, and all that comes later needs it or is worth little without it. */
const first = ['types', 'lint', 'import table', 'tidy', executables, rootfs];
/** What computes, and what mostly waits beside it; over before the shared cluster boots. */
const early = ['unit and contract tests', 'integration with a real etcd', 'functional tests in labs of their own'];

/**
 * In the order in which they are shown. The machines of a cluster share the processors with what gives way to everybody and with nothing else:
 * whatever is early has ended before they boot, and filled the time in which others wait.
 */
const parts: readonly Part[] = [
  { name: 'types', quick: true, run: (output) => node({ args: [bin('tsc'), '-p', '.'] }, output) },
  { name: 'lint', quick: true, run: (output) => node({ args: [bin('eslint'), 'src', 'sim', 'test', 'tools', 'bench'] }, output) },
  { name: 'import table', quick: true,
    run: (output) => node({ args: [bin('depcruise'), '--config', 'tools/imports.config.mjs', '--output-type', 'err', 'src', 'sim'] }, output) },
  { name: 'tidy', quick: true, run: (output) => nodeTests({ args: ['tools/*.test.ts'] }, output) },
  { name: executables, quick: false, needs: missing('cc', 'make'), run: (output) => node({ args: ['tools/build.ts'] }, output) },
  { name: rootfs, quick: false, needs: () => notRoot() ?? missing('debootstrap')(), run: buildRootFileSystem },
  { name: 'unit and contract tests', quick: true, after: first, needs: missing('cc', 'make'),
    run: async (output) => nodeTests({
      args: [`--test-concurrency=${String(availableParallelism())}`, 'src/**/*.test.ts', 'test/docs/*.test.ts', 'test/nemesis/verdict.test.ts'],
      env: await rootfsEnvironment(), heavy,
    }, output) },
  // Needs nothing but a processor, which machines leave to it while they wait for one another.
  { name: 'simulation', quick: true, after: ['unit and contract tests'], needs: missing('git'),
    run: (output) => nodeTests({ args: ['--test-concurrency=1', 'sim/**/*.test.ts'], heavy }, output) },
  { name: 'integration with a real etcd', quick: false, after: first, needs: missing('etcd', 'etcdctl', 'openssl'),
    run: (output) => nodeTests({ args: ['--test-concurrency=1', 'test/integration/*.test.ts'] }, output) },
  { name: 'functional tests in labs of their own', quick: false, after: first, needs: () => notRoot() ?? missing(...machinesNeed)(),
    run: (output) => nodeTests({
      args: ['--test-concurrency=1', 'test/functional/alone/*.test.ts'], env: { FLEET_TEST_LAB: 'fa' }, onMachines: true,
    }, output) },
  { name: 'functional tests on real systemd machines', quick: false, after: early, needs: () => notRoot() ?? missing(...machinesNeed)(),
    run: (output) => nodeTests({ args: ['--test-isolation=none', 'test/functional/*.test.ts'], onMachines: true }, output) },
  // Mostly waits, in a lab of its own.
  { name: 'two minutes of faults on real systemd machines', quick: false, after: early,
    needs: () => notRoot() ?? missing(...machinesNeed, 'etcdctl', 'tc', 'nft', 'faketime')(),
    run: (output) => nodeTests({ args: ['test/nemesis/nemesis.test.ts'] }, output) },
];

/** Built once, before several parts ask for it at the same time. */
async function buildRootFileSystem(output: Output): Promise<boolean> {
  output(`${await rootFileSystem(labCache(process.env))}\n`);
  return true;
}

/** The machines' root file system serves the unit file parser as a large sample of real unit files. */
async function rootfsEnvironment(): Promise<NodeJS.ProcessEnv> {
  if (quick || (notRoot() ?? missing('debootstrap')()) !== null) return {};
  return { FLEET_TEST_ROOTFS: await rootFileSystem(labCache(process.env)) };
}

function installPackages(): void {
  if (quick || process.getuid?.() !== 0 || missing('apt-get')() !== null) return;
  const wanted = Object.entries(debianPackages).filter(([program]) => missing(program)() !== null).map(([, name]) => name);
  if (wanted.length === 0) return;
  process.stdout.write(`installing Debian packages: ${wanted.join(' ')}\n`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const apt = (args: readonly string[]): boolean => spawnSync('apt-get', ['-q', ...args], { stdio: ['ignore', 'ignore', 'inherit'], env }).status === 0;
  if (!apt(['update']) || !apt(['install', '-y', '--no-install-recommends', ...wanted])) process.stdout.write('apt-get could not install them all\n');
}

/** Runs a part, or says why it cannot; false when it failed, or was left out in CI. */
async function runPart(part: Part, output: Output): Promise<boolean> {
  const reason = part.needs?.() ?? null;
  if (reason !== null) {
    output(`LEFT OUT ${part.name}: ${reason}\n`);
    return !ci;
  }
  const startedMs = performance.now();
  const passed = await part.run(output).catch((error: unknown) => {
    output(`${error instanceof Error ? error.message : String(error)}\n`);
    return false;
  });
  output(`\n${passed ? 'ok' : 'FAILED'} ${part.name} (${((performance.now() - startedMs) / 1_000).toFixed(1)} s)\n`);
  return passed;
}

/** Writers for `count` parts: the first that has not ended shows its output as it comes, the others theirs when it is their turn. */
function outputsInOrder(count: number): readonly { readonly write: Output; end(): void }[] {
  const kept = Array.from({ length: count }, (): (string | Buffer)[] => []);
  const ended = new Set<number>();
  let turn = 0;
  const show = (): void => {
    for (const text of kept[turn]?.splice(0) ?? []) process.stdout.write(text);
  };
  return kept.map((texts, index) => ({
    write(text): void {
      texts.push(text);
      if (index === turn) show();
    },
    end(): void {
      ended.add(index);
      for (; ended.has(turn); turn += 1) show();
      show();
    },
  }));
}

/** Runs all parts; answers which failed, in the order of the table. */
async function runParts(chosen: readonly Part[]): Promise<readonly string[]> {
  const outputs = outputsInOrder(chosen.length);
  const running = new Map<string, Promise<boolean>>();
  for (const [index, part] of chosen.entries()) {
    const before = (part.after ?? []).map((name) => running.get(name));
    const { write = (): void => undefined, end } = outputs[index] ?? {};
    running.set(part.name, Promise.all(before).then(() => runPart(part, write)).finally(end));
  }
  const passed = await Promise.all(running.values());
  return chosen.filter((_, index) => passed[index] !== true).map(({ name }) => name);
}

async function main(): Promise<number> {
  installPackages();
  const whatTheHostDid = watchHost();
  const failed = await runParts(parts.filter((part) => part.quick || !quick));
  if (failed.length + unsteady.length > 0) process.stdout.write(`the host: ${whatTheHostDid()}\n`);
  if (unsteady.length > 0) {
    process.stdout.write(`failed at first, and passed when run once more by themselves:\n${describeFailures(unsteady, { failuresMax: 5, linesMax: 60 })}`);
  }
  if (failed.length > 0) process.stdout.write(`failed: ${failed.join(', ')}\n${describeFailures(failures, { failuresMax: 5, linesMax: 60 })}`);
  process.stdout.write(`${counts.passed} passed, ${counts.failed} failed\n`);
  return failed.length === 0 ? 0 : 1;
}

process.exitCode = await main();
