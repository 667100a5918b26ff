/** `fleetctl services` and `fleetctl render`, against a fake API that speaks real HTTP. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { ServiceView } from '../protocol/v2.ts';
import { startFakeApi } from './fake-api.ts';
import type { FakeApi } from './fake-api.ts';
import { FakeRefusal } from './fake-cluster.ts';
import { createFakeTerminal } from './fake-terminal.ts';
import type { FakeTerminal, Ran } from './fake-terminal.ts';

const limitMs = 60_000;
const template = '{{range service apps http}}\n{{address}}:{{port}}\n{{else}}\nnobody\n{{end}}\n';
let folder: string;
let api: FakeApi;
let terminal: FakeTerminal;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fleetctl-render-'));
  api = await startFakeApi(join(folder, 'fleet.sock'));
  terminal = createFakeTerminal(join(folder, 'fleet.sock'));
  terminal.files.set('/home/apps.tmpl', template);
});
afterEach(async () => {
  await api.close();
  rmSync(folder, { recursive: true });
});

const apps = (...ports: readonly number[]): ServiceView => ({
  name: 'apps', portName: 'http', instances: ports.map((port) => ({
    unit: `apps@${port - 20_000}.service`, machine: '2c7d7478ba9f8197b5b7a551442f19f7', address: '172.18.0.3', port, health: 'healthy', sinceMs: 0,
  })),
});
const written = (): string | undefined => terminal.files.get('/home/apps.conf');

describe('fleetctl services', () => {
  test('lists who listens where', async () => {
    api.cluster.putService(apps(20_001, 20_002));
    assert.deepEqual(await terminal.run(['services']), { code: 0, stderr: '', stdout:
      'SERVICE\tPORT\tADDRESS\t\t\tUNIT\t\tHEALTH\napps\thttp\t172.18.0.3:20001\tapps@1.service\thealthy\n'
      + 'apps\thttp\t172.18.0.3:20002\tapps@2.service\thealthy\n' });
    const one = await terminal.run(['services', 'apps', '--no-legend', '--fields=address,machine']);
    assert.equal(one.stdout, '172.18.0.3:20001\t2c7d7478...\n172.18.0.3:20002\t2c7d7478...\n');
    assert.deepEqual(JSON.parse((await terminal.run(['services', '--output=json'])).stdout), [apps(20_001, 20_002)]);
  });

  test('says when there is no such service', async () => {
    assert.deepEqual(await terminal.run(['services', 'nobody']), { code: 1, stdout: '', stderr: 'Service nobody does not exist.\n' });
  });
});

describe('fleetctl render', () => {
  const render = (...more: readonly string[]): Promise<Ran> => terminal.run(['render', 'apps.tmpl', '--to', 'apps.conf', ...more]);

  test('writes the file and runs the command, and does neither when nothing has changed', async () => {
    api.cluster.putService(apps(20_001));
    assert.deepEqual(await render('--exec', 'reload'), { code: 0, stdout: '', stderr: '' });
    assert.equal(written(), '172.18.0.3:20001\n');
    assert.deepEqual(terminal.commands, ['reload']);
    await render('--exec', 'reload');
    assert.deepEqual(terminal.commands, ['reload']);
    api.cluster.putService(apps());
    await render('--exec', 'reload');
    assert.deepEqual([written(), terminal.commands], ['nobody\n', ['reload', 'reload']]);
    assert.deepEqual([...terminal.files.keys()], ['/home/apps.tmpl', '/home/apps.conf']);
  });

  test('says that the command failed, and runs it again next time although the text is the same', async () => {
    assert.deepEqual(await render('--exec', 'false'), { code: 1, stdout: '', stderr: '"false" ended with exit status 1\n' });
    await render('--exec', 'reload');
    await render('--exec', 'reload');
    assert.deepEqual(terminal.commands, ['false', 'reload']);
  });

  test('says in one line what is wrong with its arguments and its template', async () => {
    terminal.files.set('/home/wrong.tmpl', 'a\n{{range service}}\n');
    const table: readonly (readonly [readonly string[], number, RegExp])[] = [
      [['render'], 2, /^One template must be named\n$/],
      [['render', 'apps.tmpl'], 2, /^--to=FILE must say where the text is to be written\n$/],
      [['render', 'no.tmpl', '--to=x'], 1, /^cannot read no.tmpl: ENOENT.*\n$/],
      [['render', 'wrong.tmpl', '--to=x'], 1, /^wrong.tmpl: line 2: \{\{range service\}\}: write .*\n$/],
    ];
    for (const [argv, code, stderr] of table) {
      const ran = await terminal.run(argv);
      assert.equal(ran.code, code, argv.join(' '));
      assert.match(ran.stderr, stderr);
    }
    assert.deepEqual(api.asked, [], 'nothing was asked');
  });

  describe('--watch', () => {
    let stop: AbortController;
    let watching: Promise<Ran>;
    const watch = (...more: readonly string[]): void => {
      stop = new AbortController();
      watching = terminal.run(['render', '--watch', 'apps.tmpl', '--to=apps.conf', ...more], { interrupted: stop.signal });
    };
    const until = async (holds: () => boolean): Promise<void> => {
      const late = AbortSignal.timeout(limitMs);
      while (!holds() && !late.aborted) await new Promise(setImmediate);
      assert.ok(holds(), `${String(written())} ${terminal.commands.join(' ')}`);
    };
    const end = async (): Promise<Ran> => {
      stop.abort(new Error('ended by SIGTERM'));
      return watching;
    };

    test('follows every change, one command for each', async () => {
      watch('--exec=reload');
      await until(() => written() === 'nobody\n');
      api.cluster.putService(apps(20_001));
      await until(() => written() === '172.18.0.3:20001\n');
      api.cluster.putService(apps(20_001, 20_002));
      await until(() => written() === '172.18.0.3:20001\n172.18.0.3:20002\n' && terminal.commands.length === 3);
      assert.deepEqual(await end(), { code: 0, stdout: '', stderr: '' });
    });

    test('outlives a fleetd that goes and comes back, and takes over what changed meanwhile', async () => {
      api.cluster.putService(apps(20_001));
      watch();
      await until(() => written() === '172.18.0.3:20001\n');
      await api.close();
      const lookedMs = terminal.clock.uptimeMs();
      await until(() => terminal.clock.uptimeMs() > lookedMs + 120_000);
      assert.equal(written(), '172.18.0.3:20001\n', 'the file stays');
      api = await startFakeApi(join(folder, 'fleet.sock'));
      api.cluster.putService(apps(20_007));
      await until(() => written() === '172.18.0.3:20007\n');
      assert.match((await end()).stderr, /; the file stays as it is, asking again\n/);
    });

    test('is there before fleetd is, and while fleetd does not know the cluster yet', async () => {
      api.refusal = new FakeRefusal(503, 'STORE_UNAVAILABLE', 'not yet');
      watch();
      await until(() => api.asked.length > 1);
      assert.equal(written(), undefined);
      api.refusal = null;
      await until(() => written() === 'nobody\n');
      await end();
    });

    test('tries a command that failed again', async () => {
      watch('--exec=false');
      await until(() => terminal.commands.length === 3);
      const { code, stderr } = await end();
      assert.equal(code, 0);
      assert.match(stderr, /^"false" ended with exit status 1; trying again in \d+ s\n/);
    });
  });
});
