/** The command line of fleetd, and where it listens by default. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadConfig, planFor, readCommandLine } from './configuration.ts';

test('fleetd takes -config FILE and -version as fleet 1.0 does, is asked for help as anything is, and takes nothing else', () => {
  const read = (...argv: readonly string[]): unknown => {
    const line = readCommandLine(argv);
    return line.ok ? line.value : line.failure.message;
  };
  const version = { kind: 'version' };
  for (const word of ['-version', '--version', 'version']) assert.deepEqual(read(word), version);
  for (const word of ['--help', '-help', '-h', 'help']) assert.deepEqual(read(word), { kind: 'help' });
  for (const argv of [['-config', '/x'], ['--config', '/x'], ['-config=/x'], ['--config=/x']])
    assert.deepEqual(read(...argv), { kind: 'run', configFile: '/x' });
  assert.deepEqual(read(), { kind: 'run', configFile: null });
  assert.equal(read('start'), 'fleetd takes no arguments ("start"). Did you mean to invoke fleetctl instead?');
  assert.match(String(read('--colour')), /--colour.*fleetd takes --config FILE and --version$/);
});

test('without a socket of systemd and without listen= the API gets a socket beside the runtime directory', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fleetd-configuration-'));
  try {
    const file = join(folder, 'fleet.conf');
    await writeFile(file, `data_dir=${folder}\nrunner=supervisor\n`);
    const listenOf = async (environment: NodeJS.ProcessEnv): Promise<readonly string[]> => {
      const config = await loadConfig(file, environment);
      assert.ok(config.ok);
      const plan = await planFor(config.value, environment);
      assert.ok(plan.ok);
      return [...plan.value.listen, ...plan.value.passed.map(({ descriptor }) => `descriptor ${descriptor}`)];
    };
    const socket = process.getuid?.() === 0 ? '/run/fleet.sock' : `${folder}/fleet.sock`;
    assert.deepEqual(await listenOf({ XDG_RUNTIME_DIR: folder }), [socket]);
    assert.deepEqual(await listenOf({ FLEET_LISTEN: '127.0.0.1:1' }), ['127.0.0.1:1']);
    assert.deepEqual(await listenOf({ LISTEN_PID: String(process.pid), LISTEN_FDS: '2' }), ['descriptor 3', 'descriptor 4']);
    assert.deepEqual(await listenOf({ XDG_RUNTIME_DIR: folder, LISTEN_PID: '1', LISTEN_FDS: '2' }), [socket], 'they are another process\'s');
  } finally {
    await rm(folder, { recursive: true });
  }
});
