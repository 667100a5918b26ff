import { strict as assert } from 'node:assert';
import { execFileSync, spawnSync } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createLog } from '../lib/log.ts';
import { buildKeeper, extractKeeper, KeeperUnavailable, keeperPath } from './native.ts';
import { openNotifier } from './notify.ts';

const sources = join(dirname(fileURLToPath(import.meta.url)), '../../native/keeper');

async function withDirectory(body: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'fleet-native-'));
  try {
    await body(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

test('in development the keeper is the one beside its sources, built when it is missing', async () => {
  const path = await keeperPath({ dataDirectory: '/nowhere' });
  assert.equal(path, join(sources, 'keeper'));
  assert.match(spawnSync(path, [], { encoding: 'utf8' }).stderr, /^usage: keeper/);
});

test('a keeper older than its sources is built again, a newer one is left', () => withDirectory(async (directory) => {
  await cp(sources, directory, { recursive: true, filter: (path) => !/keeper\/keeper/.test(path) });
  const path = await buildKeeper(directory);
  const first = await stat(path);
  await buildKeeper(directory);
  assert.equal((await stat(path)).ino, first.ino);
  const later = new Date(first.mtimeMs + 60_000);
  await utimes(join(directory, 'text.c'), later, later);
  await buildKeeper(directory);
  assert.notEqual((await stat(path)).ino, first.ino);
}));

test('without a compiler the error says what to install, in one line', () => withDirectory(async (directory) => {
  await writeFile(join(directory, 'Makefile'), 'keeper:\n\tno-such-compiler keeper.c\n');
  await assert.rejects(buildKeeper(directory), (error: Error) => {
    assert.ok(error instanceof KeeperUnavailable);
    assert.match(error.message, /^cannot build \S+: .*; install make and a C compiler \(Debian: build-essential\)$/);
    return true;
  });
}));

test('the executable\'s keeper is written once, under a name made of its content, and can be run', () => withDirectory(async (directory) => {
  const bytes = await readFile(await buildKeeper(sources));
  const data = join(directory, 'not/yet/there');
  const path = await extractKeeper(bytes, data);
  assert.match(path, /\/keeper-[0-9a-f]{16}$/);
  assert.equal((await stat(path)).mode & 0o777, 0o755);
  const { ino } = await stat(path);
  assert.equal(await extractKeeper(bytes, data), path);
  assert.equal((await stat(path)).ino, ino);
  assert.equal(spawnSync(path, []).status, 2);
  await writeFile(path, bytes.subarray(0, 100));
  await extractKeeper(bytes, data);
  assert.equal((await stat(path)).size, bytes.length, 'a torn one is replaced');
  assert.deepEqual(await readdir(data), [path.slice(data.length + 1)]);
}));

test('a data directory that cannot be written is named', async () => {
  await assert.rejects(extractKeeper(Buffer.from('x'), '/etc/passwd/no'), /^KeeperUnavailable: cannot write the keeper to \/etc\/passwd\/no\/keeper-/);
});

/** A Type=notify unit whose program is this script: the keeper stands for systemd, because both hear sd_notify(3). */
async function underKeeper(directory: string, script: string): Promise<(key: string) => Promise<string>> {
  const keeper = await buildKeeper(sources);
  execFileSync('mkdir', ['-p', join(directory, 'states'), join(directory, 'units/a.service')]);
  const settings = {
    name: 'a.service', hash: 'h', rendered: 'r', identifier: '', output: 'journal', error: 'inherit', type: 'notify', 'notify-access': 'all',
    'timeout-start-us': '30000000', 'timeout-stop-us': '30000000', 'runtime-max-us': '18446744073709551615', 'kill-signal': '15',
    'final-kill-signal': '9', 'send-sigkill': 'yes', umask: '18',
  };
  const lines = Object.entries(settings).map(([key, value]) => `${key}\t${value}`);
  const command = [process.execPath, process.execPath, '--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script]
    .map((word) => word.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')).join('\t');
  await writeFile(join(directory, 'units/a.service/instructions'),
    `fleet-keeper-instructions 1\n${lines.join('\n')}\nexec\tstart\t:\t${command}\nend\n`);
  execFileSync(keeper, ['unit', directory, 'a.service', 'start']);
  return async (key) => {
    const state = await readFile(join(directory, 'states/a.service'), 'utf8');
    return new RegExp(`^${key} (.*)$`, 'm').exec(state)?.[1] ?? '';
  };
}

test('what fleetd says of itself reaches the service manager, and it ends without being held', () => withDirectory(async (directory) => {
  const script = `
    const { openNotifier } = await import(${JSON.stringify(join(dirname(fileURLToPath(import.meta.url)), 'notify.ts'))});
    const log = { error() {}, warning(text) { console.log(text); }, info() {}, debug() {} };
    const notifier = openNotifier(${JSON.stringify(join(sources, 'keeper'))}, process.env, log);
    notifier.status('two\\nlines \\\\ and more');
    notifier.reloading();
    notifier.watchdog();
    notifier.ready();
    setTimeout(() => undefined, 1_500);`;
  const stateOf = await underKeeper(directory, script);
  const signal = AbortSignal.timeout(60_000);
  while (await stateOf('active') !== 'active') await pause(20, undefined, { signal });
  assert.equal(await stateOf('status-text'), 'two lines \\\\ and more');
  while (await stateOf('active') !== 'inactive') await pause(20, undefined, { signal });
  assert.deepEqual([await stateOf('result'), await stateOf('main-status')], ['success', '0']);
}));

test('without NOTIFY_SOCKET nothing is started; with a wrong one it is logged once and fleetd goes on', async () => {
  const lines: string[] = [];
  const log = createLog('notify', 'debug', (line) => lines.push(line));
  const silent = openNotifier('/no/such/keeper', {}, log);
  silent.ready();
  silent.close();
  assert.deepEqual(lines, []);
  const lost = openNotifier('/no/such/keeper', { NOTIFY_SOCKET: '/run/x' }, log);
  lost.ready();
  const signal = AbortSignal.timeout(60_000);
  while (lines.length === 0) await pause(5, undefined, { signal });
  lost.status('nobody hears this');
  lost.close();
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? '', /the service manager is not notified any more/);
});
