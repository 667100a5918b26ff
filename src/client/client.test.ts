import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { generateKeyPairSync } from 'node:crypto';
import { createServer as createSecureServer } from 'node:https';
import { createServer as createRawServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, describe, test } from 'node:test';
import { pemOf, selfSignedCertificate } from '../api/peer/certificate.ts';
import { createLog } from '../lib/log.ts';
import type { Clock } from '../lib/clock.ts';
import { createManualClock } from '../lib/manual-clock.ts';
import type { ManualClock } from '../lib/manual-clock.ts';
import { seededRandom } from '../lib/random.ts';
import { systemClock } from '../lib/system-clock.ts';
import type { TlsTexts } from './call.ts';
import { createClient } from './client.ts';
import type { FleetClient } from './client.ts';
import { parseEndpoint } from './endpoint.ts';
import type { Endpoint } from './endpoint.ts';
import { ApiError, Unreachable } from './errors.ts';
import type { StreamItem } from './events.ts';

const never = new AbortController().signal;
const folder = mkdtempSync(join(tmpdir(), 'fleet-client-'));
const closers: (() => void)[] = [];
let sockets = 0;

afterEach(() => {
  for (const close of closers.splice(0)) close();
});
after(() => rmSync(folder, { recursive: true }));

/** A server on a unix socket of its own; gives its endpoint. */
async function serve(listener: RequestListener): Promise<string> {
  const path = join(folder, `${(sockets += 1)}.sock`);
  const server = createServer(listener);
  await new Promise<void>((resolve) => {
    server.listen(path, resolve);
  });
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `unix://${path}`;
}

/** A server that speaks no HTTP; gives its endpoint. */
async function serveRaw(onConnection: (socket: Socket) => void): Promise<string> {
  const server = createRawServer(onConnection);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  closers.push(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function endpoint(text: string): Endpoint {
  const reading = parseEndpoint(text);
  assert.ok(reading.ok);
  return reading.endpoint;
}

interface ClientWish {
  readonly tls?: TlsTexts;
  readonly clock?: Clock;
  /** Hears every line of the client's log. */
  readonly hear?: (line: string) => void;
}

function client(endpoints: readonly string[], { tls = {}, clock = systemClock, hear = () => undefined }: ClientWish = {}): FleetClient {
  return createClient({
    endpoints: endpoints.map(endpoint),
    timeoutMs: 3_000,
    tls,
    clock,
    random: seededRandom(1),
    log: createLog('test', 'debug', hear),
  });
}

/** A client on a clock that stands still, and a promise that resolves when the head of its first answer has come. */
function patientClient(text: string): { readonly client: FleetClient; readonly clock: ManualClock; readonly answered: Promise<unknown> } {
  const clock = createManualClock();
  const lines = new EventEmitter();
  const hear = (line: string): void => void (line.includes(' -> 200') && lines.emit('answered'));
  return { client: client([text], { clock, hear }), clock, answered: once(lines, 'answered') };
}

const json = (response: ServerResponse, status: number, body: object): void => {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
};
const dead = `unix://${folder}/nobody.sock`;
const units = { revision: 1, units: [] };

describe('a client with several endpoints', () => {
  test('asks the next one when one is down, and keeps to the one that answered', async () => {
    const asked: string[] = [];
    const good = await serve((request, response) => {
      asked.push(request.url ?? '');
      json(response, 200, units);
    });
    const two = client([dead, good]);
    assert.deepEqual(await two.units(never), units);
    assert.deepEqual(await two.units(never), units);
    assert.deepEqual(asked, ['/fleet/v2/units', '/fleet/v2/units']);
  });

  test('asks the next one when one has lost its store, but only for what changes nothing', async () => {
    const lost = await serve((_, response) =>
      json(response, 503, { error: { code: 503, reason: 'STORE_UNAVAILABLE', message: 'no etcd' } }),
    );
    const good = await serve((_, response) => json(response, 200, units));
    assert.deepEqual(await client([lost, good]).units(never), units);
    await assert.rejects(
      client([lost, good]).destroy({ names: ['a'] }, never),
      (error) => error instanceof ApiError && error.reason === 'STORE_UNAVAILABLE',
    );
  });

  test('goes on with events at the next one when a stream breaks, though the first may take connections still', async () => {
    const asked: string[] = [];
    const frame = (id: number, event: string): string => `id: ${id}\nevent: ${event}\ndata: {}\n\n`;
    const breaking = await serve((_, response) => {
      asked.push('breaking');
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(frame(1, 'current'), () => response.destroy());
    });
    const steady = await serve((request, response) => {
      asked.push(`steady ${request.url ?? ''}`);
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(frame(2, 'unit'));
    });
    const revisions: number[] = [];
    for await (const item of client([breaking, steady]).events({ kinds: ['unit'] }, never)) {
      if (item.kind === 'event') revisions.push(item.revision);
      if (revisions.includes(2)) break;
    }
    assert.deepEqual(revisions, [1, 2]);
    assert.deepEqual(asked, ['breaking', 'steady /fleet/v2/events?kind=unit&from=1']);
  });

  test('changes something through the next one when the first was never reached', async () => {
    const answer = { revision: 2, destroyed: ['a.service'], unknown: [] };
    const good = await serve((_, response) => json(response, 200, answer));
    assert.deepEqual(await client([dead, good]).destroy({ names: ['a.service'] }, never), answer);
  });

  test('never sends a change twice, even when the answer is lost', async () => {
    let asked = 0;
    const broken = await serve((request) => {
      asked += 1;
      request.socket.destroy();
    });
    const good = await serve((_, response) => {
      asked += 1;
      json(response, 200, {});
    });
    await assert.rejects(
      client([broken, good]).apply({ units: [] }, never),
      /the request was sent, so look before you repeat it/,
    );
    assert.equal(asked, 1);
  });

  test('says of each why it cannot be reached', async () => {
    await assert.rejects(
      client([dead, 'http://127.0.0.1:1']).units(never),
      (error) =>
        error instanceof Unreachable &&
        /nobody\.sock: there is no such socket.*; cannot reach http:\/\/127\.0\.0\.1:1: connection refused/.test(
          error.message,
        ),
    );
  });
});

describe('a call', () => {
  test('that is not answered ends after the request timeout', async () => {
    const clock = createManualClock();
    const requests = new EventEmitter();
    const asked = once(requests, 'asked');
    const silent = await serve(() => requests.emit('asked'));
    const running = assert.rejects(client([silent], { clock }).units(never), /no answer from .* within 3 s \(--request-timeout\)/);
    await asked;
    await clock.advance(3_000);
    await running;
    assert.equal(clock.sleepers(), 0);
  });

  test('whose answer stops in the middle ends, too', async () => {
    const stuck = await serve((_, response) => {
      response.writeHead(200).write('{"units":');
    });
    const at = patientClient(stuck);
    const running = assert.rejects(at.client.units(never), /broke off: nothing came for 3 s/);
    await at.answered;
    await at.clock.advance(3_000);
    await running;
    assert.equal(at.clock.sleepers(), 0);
  });

  test('is not broken off by a reader who takes its time over what has come', async () => {
    const bytes = 4_000_000;
    const large = await serve((_, response) => {
      response.writeHead(200).end('x'.repeat(bytes));
    });
    const at = patientClient(large);
    let read = 0;
    for await (const chunk of at.client.journal({ name: 'a.service', lines: 5, follow: false, output: 'cat' }, never)) {
      read += chunk.length;
      await at.clock.advance(60_000);
    }
    assert.equal(read, bytes);
  });

  test('ends with the reason of its signal when that is aborted', async () => {
    const silent = await serve(() => undefined);
    const stop = new AbortController();
    const running = client([silent]).units(stop.signal);
    stop.abort(new Error('enough'));
    await assert.rejects(running, /enough/);
  });

  test('to something that is no fleetd says so', async () => {
    const text = await serve((_, response) => {
      response.end('<html>');
    });
    await assert.rejects(client([text]).units(never), /is not JSON; is the endpoint a fleetd\?/);
    const raw = await serveRaw((socket) => socket.end('SSH-2.0-OpenSSH\r\n'));
    await assert.rejects(client([raw]).units(never), /does not speak HTTP; check --endpoint/);
    const old = await serve((_, response) => {
      response.writeHead(404).end();
    });
    await assert.rejects(client([old]).units(never), /answered 404 to GET \/fleet\/v2\/units/);
  });

  test('that is refused carries code, status and the words of the API', async () => {
    const refusing = await serve((_, response) =>
      json(response, 400, {
        error: { code: 400, reason: 'UNIT_IS_TEMPLATE', message: 'cannot activate template "a@.service"' },
      }),
    );
    await assert.rejects(
      client([refusing]).apply({ units: [] }, never),
      (error) =>
        error instanceof ApiError &&
        error.status === 400 &&
        error.reason === 'UNIT_IS_TEMPLATE' &&
        error.message === 'cannot activate template "a@.service"',
    );
  });

  test('about a unit that does not exist is no error', async () => {
    const asked: string[] = [];
    const empty = await serve((request, response) => {
      asked.push(request.url ?? '');
      json(response, 404, { error: { code: 404, reason: 'UNIT_NOT_FOUND', message: 'no' } });
    });
    const one = client([empty]);
    assert.deepEqual(
      [
        await one.unit('a/../b', never),
        await one.unitFile('x', never),
        await one.explain('x', never),
        await one.status('x', never),
      ],
      [null, null, null, null],
    );
    assert.equal(asked[0], '/fleet/v2/units/a%2F..%2Fb');
  });
});

/** A key and a certificate for "localhost", as PEM. */
function identity(): { readonly key: string; readonly cert: string } {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const cert = pemOf(
    selfSignedCertificate({ publicKey, privateKey, commonName: 'localhost', serial: Uint8Array.of(1), notBeforeMs: 0 }),
  );
  return { key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string, cert };
}

test('over https both sides can demand a certificate, and a wrong one is told in one line', async () => {
  const [server, person] = [identity(), identity()];
  const listener = createSecureServer(
    { ...server, ca: person.cert, requestCert: true, rejectUnauthorized: true },
    (_, response) => json(response, 200, units),
  );
  await new Promise<void>((resolve) => {
    listener.listen(0, 'localhost', resolve);
  });
  closers.push(() => {
    listener.closeAllConnections();
    listener.close();
  });
  const at = [`https://localhost:${(listener.address() as AddressInfo).port}`];
  assert.deepEqual(await client(at, { tls: { ca: server.cert, ...person } }).units(never), units);
  await assert.rejects(
    client(at).units(never),
    /cannot reach https:.*self-signed certificate.*; check --ca-file, --cert-file and --key-file$/,
  );
  await assert.rejects(client(at, { tls: { ca: server.cert } }).units(never), /cannot reach https:/);
});

describe('a journal', () => {
  test('comes in pieces, characters never torn', async () => {
    const pieces = [Buffer.from('erste Zeile\nzw'), Buffer.from([0xc3]), Buffer.from([0xb6, 0x6c, 0x66])];
    const url: string[] = [];
    const source = await serve((request, response) => {
      url.push(request.url ?? '');
      response.writeHead(200);
      const next = (): void => {
        const piece = pieces.shift();
        if (piece === undefined) response.end();
        else response.write(piece, () => setImmediate(next));
      };
      next();
    });
    let text = '';
    for await (const chunk of client([source]).journal(
      { name: 'a@1.service', machine: 'm1', lines: 5, follow: false, output: 'cat' },
      never,
    ))
      text += chunk;
    assert.equal(text, 'erste Zeile\nzwölf');
    assert.equal(url[0], '/fleet/v2/journal/a%401.service?lines=5&follow=false&output=cat&machine=m1');
  });
});

/** Serves one script of SSE text for each connection, then keeps the last connection open; gives the requests. */
async function serveStreams(
  scripts: readonly (string | { readonly status: number; readonly reason: string })[],
): Promise<{ readonly text: string; readonly asked: string[] }> {
  const asked: string[] = [];
  const text = await serve((request: IncomingMessage, response) => {
    const script = scripts[asked.length];
    asked.push(request.url ?? '');
    if (script === undefined) response.writeHead(200).write(': waiting\n\n');
    else if (typeof script === 'string')
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(script, () => response.destroy());
    else
      json(response, script.status, { error: { code: script.status, reason: script.reason, message: script.reason } });
  });
  return { text, asked };
}

/** Reads a stream until `count` items have come, in brief. */
async function readItems(from: FleetClient, count: number): Promise<readonly string[]> {
  const items: string[] = [];
  const brief = (item: StreamItem): string => {
    if (item.kind === 'restarted') return 'restarted';
    return `${item.revision} ${item.event.kind}${'name' in item.event ? ` ${item.event.name}` : ''}`;
  };
  for await (const item of from.events({ units: ['a'], kinds: ['unit', 'status'], atLeast: 5 }, never)) {
    if (items.push(brief(item)) === count) break;
  }
  return items;
}

const frame = (id: number, event: string, name: string = ''): string =>
  `id: ${id}\nevent: ${event}\ndata: ${name === '' ? '{}' : JSON.stringify({ name })}\n\n`;

describe('an event stream', () => {
  test('asks for what it was told to, and goes on after the last complete revision when it breaks', async () => {
    const { text, asked } = await serveStreams([
      frame(6, 'unit', 'a') + frame(6, 'current') + frame(7, 'unit', 'b') + frame(8, 'unit', 'c'),
      frame(8, 'unit', 'c') + frame(8, 'unit', 'd'),
    ]);
    assert.deepEqual(await readItems(client([text]), 6), [
      '6 unit a',
      '6 current',
      '7 unit b',
      '8 unit c',
      '8 unit c',
      '8 unit d',
    ]);
    assert.deepEqual(asked, [
      '/fleet/v2/events?kind=unit&kind=status&unit=a&at-least=5',
      '/fleet/v2/events?kind=unit&kind=status&unit=a&from=7',
    ]);
  });

  test('begins anew when it breaks before the present state was complete', async () => {
    const { text, asked } = await serveStreams([frame(6, 'unit', 'a'), frame(6, 'unit', 'a') + frame(6, 'current')]);
    assert.deepEqual(await readItems(client([text]), 4), ['6 unit a', 'restarted', '6 unit a', '6 current']);
    assert.match(asked[1] ?? '', /at-least=5/);
  });

  test('begins anew when the API can no longer resume from there', async () => {
    const { text, asked } = await serveStreams([
      frame(6, 'current'),
      { status: 410, reason: 'REVISION_COMPACTED' },
      frame(9, 'current'),
    ]);
    assert.deepEqual(await readItems(client([text]), 3), ['6 current', 'restarted', '9 current']);
    assert.match(asked[1] ?? '', /from=6/);
    assert.match(asked[2] ?? '', /at-least=5/);
  });

  test('survives an API that has lost its store for a while', async () => {
    const { text } = await serveStreams([{ status: 503, reason: 'STORE_UNAVAILABLE' }, frame(6, 'current')]);
    assert.deepEqual(await readItems(client([text]), 2), ['restarted', '6 current']);
  });

  test('ends when the request itself is refused', async () => {
    const { text } = await serveStreams([{ status: 400, reason: 'REQUEST_INVALID' }]);
    await assert.rejects(
      readItems(client([text]), 1),
      (error) => error instanceof ApiError && error.reason === 'REQUEST_INVALID',
    );
  });

  test('names many units in a body, and none when there are more than a body may hold', async () => {
    const { text, asked } = await serveStreams([frame(1, 'current'), frame(1, 'current')]);
    for (const count of [1_000, 1_001]) {
      const names = Array.from({ length: count }, (_, index) => `unit-${index}.service`);
      for await (const item of client([text]).events({ units: names, atLeast: 3 }, never))
        if (item.kind === 'event') break;
    }
    assert.deepEqual(asked, ['/fleet/v2/events', '/fleet/v2/events?at-least=3']);
  });
});
