/** `npm start` as a person sees it, in a folder of the test's own. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';

const root = join(import.meta.dirname, '..');
const node = join(root, 'node_modules/.bin/node');
const quiet = '--disable-warning=ExperimentalWarning';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'local-fleet-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

interface Start {
  readonly process: ChildProcess;
  /** What it has printed once it has nothing more to say, or has ended. */
  readonly shown: Promise<string>;
  readonly ended: Promise<number | null>;
}

function start(): Start {
  const child = spawn(node, [quiet, join(root, 'tools/local-fleet.ts'), folder], { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  const shown = new Promise<string>((resolve) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        text += chunk.toString();
        if (text.includes('Ctrl-C stops everything')) resolve(text);
      });
    }
    child.once('close', () => resolve(text));
  });
  return { process: child, shown, ended: once(child, 'close').then(([code]) => code as number | null) };
}

/** Command lines of processes that work in the test's folder. */
function processesThere(): readonly string[] {
  const lines = readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
    } catch {
      return ''; // It has ended since.
    }
  });
  return lines.filter((line) => line.includes(folder));
}

async function fleetctl(...args: readonly string[]): Promise<string> {
  const child = spawn(node, [quiet, join(root, 'src/fleetctl.ts'), `--endpoint=unix://${folder}/fleet.sock`, ...args]);
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => void (text += chunk.toString()));
  await once(child, 'close');
  return text;
}

test('npm start shows three machines and three running units, Ctrl-C stops everything it started, and the next one finds what was there', async () => {
  const first = start();
  const shown = await first.shown;
  try {
    assert.equal(shown.match(/^[0-9a-f]{8}\.\.\.\t+127\.0\.0\.\d\t+zone=[ab]$/gm)?.length, 3, shown);
    assert.equal(shown.match(/^hello@[123]\.service\t+[0-9a-f]{8}\.\.\.\/127\.0\.0\.\d\tactive\trunning$/gm)?.length, 3, shown);
    assert.match(await fleetctl('list-unit-files', '--no-legend', '--fields=unit'), /^hello@\.service$/m);
    const [, url = ''] = /^The API answers on (\S+)$/m.exec(shown) ?? [];
    assert.equal((await fetch(url)).status, 200);
    await fleetctl('start', join(root, 'examples/apps@{1..3}.service'));
    const ports = await fleetctl('ports', '--no-legend', '--fields=unit,port,why');
    const given = [...ports.matchAll(/^apps@\d\.service\t+(200\d\d)\t+-$/gm)].map(([, port]) => port);
    assert.equal(new Set(given).size, 3, `the machines share the ports of one host, and no start has failed because of one: ${ports}`);
    assert.equal((await fleetctl('list-units', '--no-legend', '--fields=unit,active,sub')).match(/^apps@\d\.service\tactive\trunning$/gm)?.length, 3);
    await fleetctl('destroy', 'apps@*', 'apps@.service');
    await fleetctl('destroy', 'hello@3.service');
    await fleetctl('start', 'hello@4.service');
    const beside = start();
    assert.match(await beside.shown, /^a local fleet is running here already\n[^]*^hello@4\.service\t.*\tactive\trunning$/m);
    assert.equal(await beside.ended, 0);
  } finally {
    first.process.kill('SIGINT');
  }
  assert.equal(await first.ended, 0);
  assert.deepEqual(processesThere(), []);
  const second = start();
  assert.match(await second.shown, /^hello@1\.service\t.*\tactive\trunning$/m);
  assert.match(await fleetctl('list-unit-files'), /^hello@4\.service\t\w+\tlaunched\t/m);
  second.process.kill('SIGHUP');
  assert.equal(await second.ended, 0, 'closing its terminal is as good as Ctrl-C');
  assert.deepEqual(processesThere(), []);
});
