/**
 * Where the API listens, in a process of its own: sockets handed over as systemd does it, addresses, and what is refused.
 * The test opens the sockets and passes them from descriptor 3 on; testdata/listen.ts serves them and says what became of it.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rename, rm, stat, writeFile } from 'node:fs/promises';
import { get } from 'node:http';
import { createServer, Server } from 'node:net';
import type { AddressInfo } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, afterEach, before, describe, test } from 'node:test';
import type { ListenPlan } from './listeners.ts';

/** How the process ended up: what it serves, or why it does not; and what it logged. */
interface Outcome {
  readonly urls?: readonly string[];
  readonly failure?: string;
  readonly log: readonly string[];
}

let folder = '';
let children: ChildProcess[] = [];
let held: Server[] = [];

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'listeners-'));
});
after(() => rm(folder, { recursive: true }));
afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  for (const server of held) server.close();
  [children, held] = [[], []];
});

/** A socket that listens and is not read here, as one that systemd holds. */
async function holdSocket(where: string | { readonly port: number; readonly host: string }): Promise<Server> {
  const server = createServer();
  held.push(server);
  server.listen(typeof where === 'string' ? { path: where } : where);
  await once(server, 'listening');
  return server;
}

/**
 * Closes the sockets here, so that only the other process has them. Closing removes the file of a unix socket, which
 * therefore gets another name first; answers with that.
 */
async function letGo(path: string | null): Promise<string> {
  const kept = `${path ?? folder}.kept`;
  if (path !== null) await rename(path, kept);
  for (const server of held) server.close();
  return kept;
}

interface WithDescriptor {
  readonly _handle: { readonly fd: number };
}

/** Runs the listeners in a process that gets `sockets` passed. */
async function listenElsewhere(plan: Partial<ListenPlan>, sockets: readonly Server[] = []): Promise<Outcome> {
  const passed = sockets.map((_, index) => ({ descriptor: 3 + index, name: '' }));
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', join(import.meta.dirname, 'testdata/listen.ts'),
    JSON.stringify({ addresses: [], insecure: false, ...plan, passed })], {
    stdio: ['pipe', 'pipe', 'inherit', ...sockets.map((socket) => (socket as unknown as WithDescriptor)._handle.fd)],
  });
  children.push(child);
  assert.ok(child.stdout);
  for await (const line of createInterface(child.stdout)) return JSON.parse(line) as Outcome;
  throw new Error('the process said nothing');
}

/** The body of an answer, or the code of the error. */
function ask(options: { readonly socketPath: string } | { readonly host: string; readonly port: number }): Promise<string> {
  return new Promise((resolve) => {
    get({ path: '/', agent: false, ...options }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (part: string) => { text += part; });
      answer.on('end', () => resolve(text));
    }).on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
}

/** An address of this machine that other machines can reach. */
const outside = Object.values(networkInterfaces()).flat().find((each) => each?.family === 'IPv4' && !each.internal)?.address;

describe('sockets that systemd passes', () => {
  test('are all served, unix and loopback TCP alike', async () => {
    const path = join(folder, 'passed.sock');
    const [unix, tcp] = [await holdSocket(path), await holdSocket({ port: 0, host: '127.0.0.1' })];
    const { port } = tcp.address() as AddressInfo;
    const outcome = await listenElsewhere({}, [unix, tcp]);
    assert.deepEqual(outcome.log, []);
    assert.equal(outcome.urls?.[1], `http://127.0.0.1:${port}`);
    assert.equal(await ask({ socketPath: await letGo(path) }), 'served');
    assert.equal(await ask({ host: '127.0.0.1', port }), 'served');
  });

  test('are refused when they would serve the API in clear to other machines, with the line to add; the others are served', async () => {
    const path = join(folder, 'beside.sock');
    const [open, unix] = [await holdSocket({ port: 0, host: '0.0.0.0' }), await holdSocket(path)];
    const { port } = open.address() as AddressInfo;
    const outcome = await listenElsewhere({}, [open, unix]);
    assert.equal(outcome.urls?.length, 1);
    assert.equal(outcome.log.length, 1);
    assert.match(outcome.log[0] ?? '', new RegExp(`^ERROR api: the socket http://0\\.0\\.0\\.0:${port} .*refused; add the line api_insecure=true to fleet\\.conf`));
    assert.equal(await ask({ socketPath: await letGo(path) }), 'served');
  });

  test('are served to other machines with api_insecure=true', async () => {
    assert.ok(outside, 'this machine has an address');
    const open = await holdSocket({ port: 0, host: '0.0.0.0' });
    const { port } = open.address() as AddressInfo;
    const outcome = await listenElsewhere({ insecure: true }, [open]);
    assert.deepEqual(outcome.log, []);
    await letGo(null);
    assert.equal(await ask({ host: outside, port }), 'served');
  });
});

describe('addresses of the configuration', () => {
  test('a socket file that nobody serves any more is replaced, and has mode 0660', async () => {
    const path = join(folder, 'left.sock');
    const { urls } = await listenElsewhere({ addresses: [path] });
    assert.deepEqual(urls, [`unix://${path}`]);
    children[0]?.kill('SIGKILL');
    await once(children[0] ?? new Server(), 'exit');
    assert.ok((await stat(path)).isSocket(), 'the killed process left its socket');
    assert.deepEqual((await listenElsewhere({ addresses: [`unix://${path}`] })).urls, [`unix://${path}`]);
    assert.equal((await stat(path)).mode & 0o777, 0o660);
    assert.equal(await ask({ socketPath: path }), 'served');
  });

  test('a loopback address is served without further ado', async () => {
    const { urls = [] } = await listenElsewhere({ addresses: ['127.0.0.1:0', '[::1]:0'] });
    assert.match(urls.join(' '), /^http:\/\/127\.0\.0\.1:\d+ http:\/\/\[::1\]:\d+$/);
  });

  const refused: readonly (readonly [string, RegExp])[] = [
    ['0.0.0.0:49153', /^listen=0\.0\.0\.0:49153: .*in clear to other machines; .*add the line api_insecure=true$/],
    [':49153', /^listen=:49153: .*add the line api_insecure=true$/],
    ['127.0.0.1', /^listen=127\.0\.0\.1 is neither a path nor host:port$/],
    ['/nowhere/fleet.sock', /^cannot listen on \/nowhere\/fleet\.sock: /],
  ];
  for (const [address, says] of refused) {
    test(`${address} is a failure that says what to do`, async () => {
      const { failure = '' } = await listenElsewhere({ addresses: [address] });
      assert.match(failure, says);
    });
  }

  test('a socket that a living fleetd serves, and a file that is no socket, are left alone', async () => {
    const path = join(folder, 'taken.sock');
    await holdSocket(path);
    assert.match((await listenElsewhere({ addresses: [path] })).failure ?? '', /another fleetd serves it already$/);
    const file = join(folder, 'file');
    await writeFile(file, 'precious');
    assert.match((await listenElsewhere({ addresses: [file] })).failure ?? '', /it is there and no socket/);
    assert.equal((await stat(file)).size, 8);
  });
});
