/**
 * `npm test`: everything that says whether fleet is right, in one command; `npm run check` is the quick part of it.
 * Promises: installs what it needs when it is root on Debian; says in one line each what it left out and why; with CI=true nothing may be
 * left out; ends with the number of tests that passed and failed, and non-zero when anything went wrong.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { labCache } from '../test/functional/lab/lab.ts';
import { rootFileSystem } from '../test/functional/lab/root-file-system.ts';

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
  readonly needs?: () => string | null;
  /** Runs it; false when it failed. */
  readonly run: () => boolean | Promise<boolean>;
}

const counts = { passed: 0, failed: 0 };

function command(program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): boolean {
  const result = spawnSync(program, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, ...env } });
  return result.status === 0;
}

/** Runs node:test on the files of the patterns, and adds what it counted. */
function nodeTests(patterns: readonly string[], options: { readonly args?: readonly string[]; readonly env?: NodeJS.ProcessEnv } = {}): boolean {
  const args = ['--disable-warning=ExperimentalWarning', '--test', '--test-reporter=dot', '--test-reporter-destination=stdout',
    '--test-reporter=tap', '--test-reporter-destination=build/tests.tap', ...(options.args ?? []), ...patterns];
  mkdirSync(join(root, 'build'), { recursive: true });
  const result = spawnSync(bin('node'), args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, ...options.env } });
  const tap = readFileSync(join(root, 'build/tests.tap'), 'utf8');
  const counted = (word: string): number => Number(new RegExp(`^# ${word} (\\d+)$`, 'm').exec(tap)?.[1] ?? 0);
  counts.passed += counted('pass');
  counts.failed += counted('fail') + counted('cancelled');
  const skipped = counted('skipped') + counted('todo');
  if (ci && skipped > 0) process.stdout.write(`${skipped} tests were skipped, and in CI none may be\n`);
  return result.status === 0 && counted('pass') > 0 && !(ci && skipped > 0);
}

const missing = (...programs: readonly string[]) => (): string | null => {
  const absent = programs.filter((program) => spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0);
  const names = absent.map((name) => debianPackages[name] ?? name).join(' ');
  return absent.length === 0 ? null : `no ${absent.join(', ')} on this machine (Debian: apt-get install ${names})`;
};
const notRoot = (): string | null => (process.getuid?.() === 0 ? null : 'needs root');

const parts: readonly Part[] = [
  { name: 'types', quick: true, run: () => command(bin('node'), [bin('tsc'), '-p', '.']) },
  { name: 'lint', quick: true, run: () => command(bin('node'), [bin('eslint'), 'src', 'sim', 'test', 'tools', 'bench']) },
  { name: 'import table', quick: true,
    run: () => command(bin('node'), [bin('depcruise'), '--config', 'tools/imports.config.mjs', '--output-type', 'err', 'src', 'sim']) },
  { name: 'tidy', quick: true, run: () => nodeTests(['tools/tidy.test.ts']) },
  { name: 'unit and contract tests', quick: true, needs: missing('cc', 'make'),
    run: async () => nodeTests(['src/**/*.test.ts', 'sim/**/*.test.ts', 'test/docs/*.test.ts', 'test/nemesis/verdict.test.ts'],
      { env: await rootfsEnvironment() }) },
  { name: 'integration with a real etcd', quick: false, needs: missing('etcd', 'etcdctl', 'openssl'),
    run: () => nodeTests(['test/integration/*.test.ts'], { args: ['--test-concurrency=1'] }) },
  { name: 'executables', quick: false, needs: missing('cc', 'make'),
    run: () => command(bin('node'), ['--disable-warning=ExperimentalWarning', 'tools/build.ts']) },
  { name: 'functional tests on real systemd machines', quick: false,
    needs: () => notRoot() ?? missing('etcd', 'curl', 'systemd-nspawn', 'debootstrap', 'ip', 'nsenter')(),
    run: () => nodeTests(['test/functional/*.test.ts'], { args: ['--test-isolation=none'] }) },
  { name: 'two minutes of faults on real systemd machines', quick: false,
    needs: () => notRoot() ?? missing('etcd', 'etcdctl', 'curl', 'systemd-nspawn', 'debootstrap', 'ip', 'tc', 'nft', 'nsenter', 'faketime')(),
    run: () => nodeTests(['test/nemesis/nemesis.test.ts']) },
];

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

async function main(): Promise<number> {
  installPackages();
  const failed: string[] = [];
  for (const part of parts.filter((one) => one.quick || !quick)) {
    const reason = part.needs?.() ?? null;
    if (reason !== null) {
      process.stdout.write(`LEFT OUT ${part.name}: ${reason}\n`);
      if (ci) failed.push(part.name);
      continue;
    }
    const startedMs = performance.now();
    const passed = await part.run();
    process.stdout.write(`\n${passed ? 'ok' : 'FAILED'} ${part.name} (${((performance.now() - startedMs) / 1_000).toFixed(1)} s)\n`);
    if (!passed) failed.push(part.name);
  }
  if (failed.length > 0) process.stdout.write(`failed: ${failed.join(', ')}\n`);
  process.stdout.write(`${counts.passed} passed, ${counts.failed} failed\n`);
  return failed.length === 0 ? 0 : 1;
}

process.exitCode = await main();
