/** Health checks against real servers and real processes. Those that become another user need root, as fleetd on a machine has. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { RequestListener } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { describe, test } from 'node:test';
import type { TestContext } from 'node:test';
import type { HealthCheck } from '../core/health-check.ts';
import type { UnitUser } from '../core/unit-care.ts';
import { probe } from './probe.ts';

const itself: UnitUser = { user: '', group: '', dynamic: false };
const limitMs = 60_000;

function ask(check: HealthCheck, user: UnitUser = itself, more: { mainPid?: number; signal?: AbortSignal } = {}): Promise<string | null> {
  const { mainPid = 0, signal = AbortSignal.timeout(limitMs) } = more;
  return probe({ check, user, mainPid, variables: { FLEET_PORT_HTTP: '20001' } }, signal);
}

const exec = (...words: string[]): HealthCheck => ({ kind: 'exec', words });
const shell = (script: string): HealthCheck => exec('/bin/sh', '-c', script);

async function serve(t: TestContext, answer: RequestListener): Promise<string> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  t.after(() => server.close().closeAllConnections());
  await once(server, 'listening');
  return `127.0.0.1:${String((server.address() as AddressInfo).port)}`;
}

/** A port of this machine that nobody listens on. */
async function closedPort(): Promise<string> {
  const server = createTcpServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return `127.0.0.1:${String(port)}`;
}

describe('a check over HTTP', () => {
  test('passes with a status from 200 to 399, and says the status otherwise', async (t) => {
    const address = await serve(t, (request, response) => response.writeHead(Number(request.url?.slice(1))).end('x'.repeat(100_000)));
    for (const status of ['200', '204', '302', '399']) assert.equal(await ask({ kind: 'http', url: `http://${address}/${status}` }), null, status);
    for (const status of ['400', '404', '500', '503']) {
      assert.equal(await ask({ kind: 'http', url: `http://${address}/${status}` }), `http://${address}/${status} answered ${status}`);
    }
  });

  test('fails with the reason when nobody listens, and when the port is not known', async () => {
    const address = await closedPort();
    assert.equal(await ask({ kind: 'http', url: `http://${address}/` }), `http://${address}/: connect ECONNREFUSED ${address}`);
    assert.equal(await ask({ kind: 'http', url: 'http://127.0.0.1:${FLEET_PORT_X}/' }), 'http://127.0.0.1:${FLEET_PORT_X}/ is no address; is the port\'s name right?');
  });

  test('ends with its signal when the server does not answer', async (t) => {
    const arrived = new AbortController();
    const address = await serve(t, () => arrived.abort(new Error('it waits')));
    await assert.rejects(ask({ kind: 'http', url: `http://${address}/` }, itself, { signal: arrived.signal }), { message: 'it waits' });
  });
});

describe('a check by connection', () => {
  test('passes when the port takes connections and leaves none open', async (t) => {
    const server = createTcpServer((socket) => socket.resume()).listen(0, '127.0.0.1');
    t.after(() => server.close());
    await once(server, 'listening');
    const connected = once(server, 'connection') as Promise<[NodeJS.EventEmitter]>;
    assert.equal(await ask({ kind: 'tcp', address: `127.0.0.1:${String((server.address() as AddressInfo).port)}` }), null);
    const [socket] = await connected;
    await once(socket, 'close', { signal: AbortSignal.timeout(limitMs) });
  });

  test('fails with the reason otherwise', async () => {
    const address = await closedPort();
    assert.equal(await ask({ kind: 'tcp', address }), `${address}: connect ECONNREFUSED ${address}`);
    assert.equal(await ask({ kind: 'tcp', address: '127.0.0.1:${FLEET_PORT_X}' }), '127.0.0.1:${FLEET_PORT_X} is no HOST:PORT; is the port\'s name right?');
  });
});

describe('a check by command', () => {
  test('passes with exit status 0, and says the exit status and what was printed otherwise', async () => {
    assert.equal(await ask(exec('/bin/true')), null);
    assert.equal(await ask(exec('/bin/false')), '/bin/false ended with exit status 1');
    assert.equal(await ask(shell('echo not really yet >&2; exit 3')), '/bin/sh ended with exit status 3: not really yet');
    assert.equal(await ask(shell('kill -9 $$')), '/bin/sh was ended by SIGKILL');
  });

  test('runs no shell, and finds the ports and a plain path in the environment', async () => {
    assert.equal(await ask(exec('/bin/echo', '$HOME')), null);
    assert.equal(await ask(shell('env | grep -v ^_ | sort; exit 1')),
      '/bin/sh ended with exit status 1: FLEET_PORT_HTTP=20001 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin PWD=/');
  });

  test('says when there is no such command', async () => {
    assert.match(await ask(exec('/bin/nosuch')) ?? '', /^\/bin\/nosuch could not be run: setpriv: .*nosuch/);
  });

  test('keeps the begin of what is printed, however much it is', async () => {
    const why = await ask(shell('yes 0123456789 | head -c 10000000; exit 1')) ?? '';
    assert.match(why, /^\/bin\/sh ended with exit status 1: 0123456789 /);
    assert.ok(why.length < 210, String(why.length));
  });

  test('is killed with all it started when its time is over, and what it left behind when it ends', async () => {
    // A connection that a grandchild holds closes when the grandchild has ended, and not before.
    const connectionCloses = async (script: string, signal?: AbortSignal): Promise<void> => {
      const server = createTcpServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      const heard = once(server, 'connection') as Promise<[Socket]>;
      const asked = ask(exec('/bin/bash', '-c', script.replaceAll('PORT', String((server.address() as AddressInfo).port))), itself,
        signal === undefined ? {} : { signal }).catch(() => 'ended');
      const [socket] = await heard;
      const closed = once(socket, 'close', { signal: AbortSignal.timeout(limitMs) });
      await once(socket, 'data');
      socket.resume();
      server.close();
      if (signal !== undefined) stop.abort();
      await asked;
      await closed;
    };
    const stop = new AbortController();
    const say = 'exec 3<>/dev/tcp/127.0.0.1/PORT; sleep 1000 & echo here >&3';
    await connectionCloses(`${say}; wait`, stop.signal);
    await connectionCloses(`${say}; exit 0`);
  });
});

describe('a command is run as', () => {
  const whoAmI = shell('echo $(id -u) $(id -g) $(id -G); exit 1');
  const said = async (user: Partial<UnitUser>, mainPid?: number): Promise<string> =>
    (await ask(whoAmI, { ...itself, ...user }, mainPid === undefined ? {} : { mainPid }))?.replace('/bin/sh ended with exit status 1: ', '') ?? '';

  test('fleetd itself when the unit has no user', async () => {
    assert.match(await said({}), /^0 0 /);
  });

  test('the user and group that the unit names', async () => {
    assert.equal(await said({ user: 'nobody' }), '65534 65534 65534');
    assert.equal(await said({ user: '65534', group: 'daemon' }), '65534 1 1 65534');
    assert.match(await said({ group: 'daemon' }), /^0 1 1$/);
  });

  test('the one its main process runs as, with its groups', async (t) => {
    const main = spawn('setpriv', ['--reuid=1234', '--regid=1235', '--groups=7,8', 'sleep', '1000']);
    t.after(() => main.kill('SIGKILL'));
    await once(main, 'spawn');
    const limit = AbortSignal.timeout(limitMs);
    while (!limit.aborted && await said({ dynamic: true }, main.pid) !== '1234 1235 1235 7 8') await new Promise(setImmediate);
    assert.equal(await said({ dynamic: true }, main.pid), '1234 1235 1235 7 8');
  });

  test('nobody else when that user is not to be found', async () => {
    assert.equal(await said({ user: 'no-such-user' }), 'there is no user "no-such-user" on this machine');
    assert.equal(await said({ user: 'nobody', group: 'no-such-group' }), 'there is no group "no-such-group" on this machine');
    assert.equal(await said({ dynamic: true }), 'the unit has DynamicUser= and no main process whose user could be taken');
  });
});
