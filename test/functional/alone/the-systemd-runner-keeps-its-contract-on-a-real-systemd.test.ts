/** The runner's own suite needs systemd as process 1 and breaks things on purpose, so it gets a machine of its own. */
import assert from 'node:assert/strict';
import { existsSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openLabAlone } from './lab-alone.ts';

/** Devices that some types of units need, as far as this host has them. */
const devices = ['/dev/autofs'].filter((path) => existsSync(path)).map((path) => [path, path, 'rw'] as const);
const root = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))));
// In a worktree node_modules may be a link.
const modules = realpathSync(join(root, 'node_modules'));

test('the systemd runner keeps its contract on a real systemd', async () => {
  const lab = await openLabAlone('run');
  const [machine] = await lab.boot([
    { name: 'mrun', id: 'f1ee7000000000000000000000000001', address: '10.58.9.99', binds: [[root, '/root/fleet', 'ro'], [modules, modules, 'ro'], ...devices] },
  ]);
  assert.ok(machine);
  const ended = await machine.exec(
    ['sh', '-c', 'cd /root/fleet && exec node_modules/.bin/node --disable-warning=ExperimentalWarning --test src/runner/systemd/systemd-runner.test.ts'],
    { env: { FLEET_TEST_SYSTEMD: '1' }, timeoutMs: 240_000 });
  assert.equal(ended.code, 0, ended.stdout.slice(-8_000) + ended.stderr.slice(-2_000));
  assert.match(ended.stdout, /^ℹ fail 0$/m);
});
