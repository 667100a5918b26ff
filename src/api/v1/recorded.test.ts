/** What fleet 1.0 answered, request by request, and what this API answers to the same requests in the same order. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, test } from 'node:test';
import { fakeMachine, putAssignment, putMachine, startFakeFleetd, type FakeFleetd } from '../fake-fleetd.ts';

const one = '2c7d7478ba9f8197b5b7a551442f19f7';
const two = '99f4004d61afe901b47c4cb4e1f2e0cd';

/** A recorded exchange. `body` is the whole body, or a part of the message where fleet 1.0 showed Go's own words. */
interface Recorded {
  readonly request: string;
  readonly type?: string;
  readonly send?: string;
  readonly status: number;
  readonly body: string | RegExp;
  /** Writes what the engine wrote at this point. */
  readonly before?: (fleetd: FakeFleetd) => Promise<unknown>;
}

const error = (code: number, message: string): string => JSON.stringify({ error: { code, message } });
const failsTo = (message: string, code = 400): Pick<Recorded, 'status' | 'body'> => ({
  status: code,
  body: error(code, message),
});
const put = (path: string, send: string): Pick<Recorded, 'request' | 'type' | 'send'> => ({
  request: `PUT ${path}`,
  type: 'application/json',
  send,
});
const patch = (send: string): Pick<Recorded, 'request' | 'type' | 'send'> => ({
  request: 'PATCH /fleet/v1/machines',
  type: 'application/x-www-form-urlencoded',
  send,
});
const sleep = { section: 'Service', name: 'ExecStart', value: '/bin/sleep infinity' };
const fleetOptions = (...pairs: readonly (readonly [string, string])[]): string =>
  JSON.stringify({
    desiredState: 'inactive',
    options: [sleep, ...pairs.map(([name, value]) => ({ section: 'X-Fleet', name, value }))],
  });
const operation = (op: string, path: string, value?: string): string =>
  JSON.stringify([{ op, path, ...(value === undefined ? {} : { value: { value } }) }]);
const machines = (first: object, second: object): string =>
  JSON.stringify({
    machines: [
      { id: one, metadata: first, primaryIP: '172.18.0.3' },
      { id: two, metadata: second, primaryIP: '172.18.0.2' },
    ],
  });
const foo = {
  currentState: 'inactive',
  desiredState: 'launched',
  machineID: one,
  name: 'foo.service',
  options: [{ name: 'ExecStart', section: 'Service', value: '/bin/sleep infinity' }],
};
const opt = {
  currentState: 'inactive',
  desiredState: 'inactive',
  name: 'opt.service',
  options: [
    { name: 'ExecStart', section: 'Service', value: '/bin/sleep infinity' },
    { name: 'Bogus', section: 'X-Fleet', value: '1' },
  ],
};
const conflicts: readonly (readonly [readonly (readonly [string, string])[], string])[] = [
  [
    [
      ['MachineID', 'a'],
      ['MachineOf', 'b.service'],
    ],
    'MachineID cannot be used with Peers',
  ],
  [
    [
      ['MachineID', 'a'],
      ['Conflicts', 'b.service'],
    ],
    'MachineID cannot be used with Conflicts',
  ],
  [
    [
      ['MachineID', 'a'],
      ['Global', 'true'],
    ],
    'MachineID cannot be used with Global',
  ],
  [
    [
      ['MachineID', 'a'],
      ['Replaces', 'b'],
    ],
    'MachineID cannot be used with Replaces',
  ],
  [
    [
      ['Global', 'true'],
      ['MachineOf', 'b'],
    ],
    'Global cannot be used with Peers',
  ],
  [
    [
      ['Global', 'true'],
      ['Replaces', 'b'],
    ],
    'Global cannot be used with Replaces',
  ],
  [
    [
      ['Conflicts', 'a'],
      ['Replaces', 'b'],
    ],
    'Conflicts cannot be used with Replaces',
  ],
  [
    [
      ['MachineOf', 'a.service'],
      ['Conflicts', 'a*'],
    ],
    'unresolvable requirements: peer "a.service" matches conflict "a*"',
  ],
  [
    [
      ['MachineOf', 'a.service'],
      ['Replaces', 'a*'],
    ],
    'unresolvable requirements: peer "a.service" matches replace "a*"',
  ],
];
const names: readonly (readonly [string, string])[] = [
  ['foo', 'unit name must contain "."'],
  ['foo.', 'unit name cannot end in "."'],
  ['foo.bar', 'invalid unit type: "bar"'],
  ['@foo.service', 'unit name cannot start in "@"'],
  ['fo%20o.service', "invalid character ' ' in unit name"],
  ['foo@.device', 'invalid unit type for template: "device"'],
  ['foo~.service', "invalid character '~' in unit name"],
];

const table: readonly Recorded[] = [
  { request: 'GET /fleet/v1/machines', status: 200, body: machines({ region: 'us-west' }, { region: 'us-west' }) },
  { request: 'GET /fleet/v1/units', status: 200, body: '{}' },
  { request: 'GET /fleet/v1/state', status: 200, body: '{}' },
  { request: 'GET /', ...failsTo('', 405) },
  { request: 'GET /fleet/v1', ...failsTo('', 405) },
  { request: 'GET /fleet/v1/', ...failsTo('', 404) },
  { request: 'GET /fleet/v1/bogus', ...failsTo('', 404) },
  { request: 'GET /bogus', ...failsTo('', 404) },
  { request: 'GET /fleet/v1/units/', ...failsTo('', 404) },
  { request: 'GET /fleet/v1/units/foo.service', ...failsTo('unit does not exist', 404) },
  { request: 'GET /fleet/v1/state/foo.service', ...failsTo('unit state does not exist', 404) },
  { request: 'POST /fleet/v1/units', ...failsTo('only GET supported against this resource', 405) },
  { request: 'POST /fleet/v1/state', ...failsTo('only GET supported against this resource', 405) },
  { request: 'POST /fleet/v1/machines', ...failsTo('only GET and PATCH supported against this resource', 405) },
  {
    request: 'POST /fleet/v1/units/foo.service',
    ...failsTo('only GET, PUT and DELETE supported against this resource', 405),
  },
  { request: 'POST /fleet/v1/discovery', ...failsTo('only HTTP GET supported against this resource') },
  { request: 'GET /fleet/v1/machines/x', ...failsTo('', 404) },
  { request: 'GET /fleet/v1/units?nextPageToken=EwBMLg==', ...failsTo('token limit must be 100') },
  { request: 'GET /fleet/v1/units?nextPageToken=ZAACAA==', status: 200, body: '{}' },
  { request: 'GET /fleet/v1/units?nextPageToken=x', ...failsTo('illegal base64 data at input byte 0') },
  { request: 'GET /fleet/v1/units?nextPageToken=ZAAAAA==', ...failsTo('token page must be greater than zero') },
  { request: 'GET /fleet/v1/units?nextPageToken=ZAABAA==', status: 200, body: '{}' },
  {
    request: 'GET /fleet/v1/units?nextPageToken=ZAABAA==&nextPageToken=ZAABAA==',
    ...failsTo('too many values for page token'),
  },
  { request: 'GET /fleet/v1/units?nextPageToken=', ...failsTo('EOF') },
  {
    request: 'PUT /fleet/v1/units/foo.service',
    type: 'application/x-www-form-urlencoded',
    send: '{}',
    ...failsTo('only acceptable Content-Type is application/json', 415),
  },
  { ...put('/fleet/v1/units/foo.service', '{}'), ...failsTo('unit does not exist and options field empty', 409) },
  {
    ...put('/fleet/v1/units/foo.service', '{'),
    type: 'application/json; charset=utf-8',
    status: 400,
    body: /^unable to decode body: the body is not JSON/,
  },
  {
    ...put('/fleet/v1/units/foo.service', '[]'),
    status: 400,
    body: /^unable to decode body: it is a list, should be an object$/,
  },
  {
    ...put('/fleet/v1/units/foo.service', '{"name":"bar.service"}'),
    ...failsTo('name in URL "foo.service" differs from unit name in request body "bar.service"'),
  },
  ...names.map(([name, message]): Recorded => ({ ...put(`/fleet/v1/units/${name}`, '{}'), ...failsTo(message) })),
  ...conflicts.map(([pairs, message]): Recorded => ({
    ...put('/fleet/v1/units/opt.service', fleetOptions(...pairs)),
    ...failsTo(message),
  })),
  { ...put('/fleet/v1/units/opt.service', fleetOptions(['Bogus', '1'])), status: 201, body: '' },
  {
    ...put('/fleet/v1/units/foo.service', JSON.stringify({ desiredState: 'launched', options: [sleep] })),
    status: 201,
    body: '',
  },
  {
    request: 'GET /fleet/v1/units/foo.service',
    status: 200,
    body: JSON.stringify(foo),
    before: (fleetd) => fleetd.write([putAssignment(one, 'foo.service')]),
  },
  { request: 'GET /fleet/v1/units', status: 200, body: JSON.stringify({ units: [foo, opt] }) },
  { request: 'GET /fleet/v1/state?unitName=foo.service', status: 200, body: '{}' },
  { request: 'GET /fleet/v1/state?unitName=no.service', status: 200, body: '{}' },
  { request: 'GET /fleet/v1/state?machineID=x', status: 200, body: '{}' },
  { ...put('/fleet/v1/units/foo.service', '{}'), ...failsTo('must provide DesiredState to update existing unit', 409) },
  { ...put('/fleet/v1/units/foo.service', '{"desiredState":"loaded"}'), status: 204, body: '' },
  {
    ...put(
      '/fleet/v1/units/foo.service',
      JSON.stringify({ desiredState: 'inactive', options: [{ ...sleep, value: '/bin/sleep 9' }] }),
    ),
    status: 201,
    body: '',
  },
  {
    ...put(
      '/fleet/v1/units/t@.service',
      JSON.stringify({ desiredState: 'inactive', options: [{ ...sleep, value: '/bin/sleep %i' }] }),
    ),
    status: 201,
    body: '',
  },
  {
    ...put('/fleet/v1/units/t@.service', '{"desiredState":"launched"}'),
    ...failsTo('cannot activate template "t@.service"'),
  },
  { ...patch('[]'), status: 204, body: '' },
  { ...patch('{'), status: 400, body: /^the body is not JSON/ },
  { ...patch('{}'), status: 400, body: /^the body is an object, should be a list of metadata operations$/ },
  {
    ...patch(operation('noop', `/${two}/metadata/foo`, 'bar')),
    ...failsTo('invalid op: expect add, remove, or replace'),
  },
  { ...patch(operation('add', `/${two}/foo`, 'bar')), ...failsTo('machine metadata path invalid') },
  { ...patch(operation('add', `/${two}/metadata/foo`)), ...failsTo('invalid value: add and replace require a value') },
  { ...patch(operation('add', `/${two}/metadata/foo`, 'bar')), status: 204, body: '' },
  { ...patch(operation('remove', `/${two}/metadata/region`)), status: 204, body: '' },
  { ...patch(operation('remove', `/${two}/metadata/nothere`)), status: 204, body: '' },
  { ...patch(operation('add', '/nosuch/metadata/foo', 'bar')), status: 204, body: '' },
  { request: 'GET /fleet/v1/machines', status: 200, body: machines({ region: 'us-west' }, { foo: 'bar' }) },
  { request: 'DELETE /fleet/v1/units/opt.service', status: 204, body: '' },
  { request: 'DELETE /fleet/v1/units/foo.service', status: 204, body: '' },
  { request: 'DELETE /fleet/v1/units/t@.service', status: 204, body: '' },
  { request: 'DELETE /fleet/v1/units/foo.service', ...failsTo('unit does not exist', 404) },
  { request: 'HEAD /fleet/v1/units', status: 405, body: '' },
  { request: 'GET /v1-alpha/machines', status: 200, body: machines({ region: 'us-west' }, { foo: 'bar' }) },
];

/** What came back, whichever way the request went. */
interface Answered {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
}

async function start(): Promise<FakeFleetd> {
  const fleetd = await startFakeFleetd();
  const metadata = { region: 'us-west' };
  await fleetd.write([
    putMachine(fakeMachine(one, { metadata })),
    putMachine(fakeMachine(two, { metadata, publicIp: '172.18.0.2' })),
  ]);
  return fleetd;
}

function check(expected: Recorded, { status, headers, body }: Answered): void {
  const method = expected.request.split(' ', 1)[0];
  assert.equal(status, expected.status, body);
  assert.equal(headers['server'], 'fleetd/v1.0.0');
  const isBare = status < 300 && (method === 'PUT' || method === 'DELETE');
  assert.equal(headers['content-type'], isBare ? undefined : 'application/json');
  if (typeof expected.body === 'string') return assert.equal(body, expected.body);
  assert.match((JSON.parse(body) as { error: { message: string } }).error.message, expected.body);
}

async function replay(fleetd: FakeFleetd, ask: (recorded: Recorded) => Promise<Answered>): Promise<void> {
  for (const recorded of table) {
    await recorded.before?.(fleetd);
    const answered = await ask(recorded);
    try {
      check(recorded, answered);
    } catch (error) {
      throw new Error(`${recorded.request} ${recorded.send ?? ''}`, { cause: error });
    }
  }
}

describe('API v1 answers as fleet 1.0 did', () => {
  test('to every recorded request', async () => {
    const fleetd = await start();
    try {
      await replay(fleetd, async ({ request, type, send }) => {
        const [method = '', url = ''] = request.split(' ');
        const answer = await fleetd.app.inject({
          method: method as 'GET',
          url,
          headers: type === undefined ? {} : { 'content-type': type },
          ...(send === undefined ? {} : { payload: send }),
        });
        return { status: answer.statusCode, headers: answer.headers, body: answer.body };
      });
    } finally {
      await fleetd.close();
    }
  });

  test('also over a real socket', async () => {
    const fleetd = await start();
    const server = createServer();
    fleetd.attach(server);
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as AddressInfo;
    try {
      await replay(fleetd, async ({ request: line, type, send }) => {
        const [method = '', path = ''] = line.split(' ');
        const request = httpRequest({
          host: '127.0.0.1',
          port,
          method,
          path,
          headers: type === undefined ? {} : { 'content-type': type },
        });
        request.end(send);
        const [response] = await once(request, 'response');
        let body = '';
        for await (const chunk of response.setEncoding('utf8')) body += chunk;
        return { status: response.statusCode, headers: response.headers, body };
      });
    } finally {
      server.close();
      server.closeAllConnections();
      await fleetd.close();
    }
  });

  test('with 503 and its sentence while the store does not answer', async () => {
    const memory = (await startFakeFleetd()).memory;
    const client = memory.client();
    client.cut();
    const cut = await startFakeFleetd({ memory }); // Its mirror reads the memory itself.
    await cut.close();
    const { createMirror } = await import('../../store/mirror.ts');
    const mirror = createMirror({ ...cut.needs, store: client, random: { next: () => 0 } });
    const { createApi } = await import('../api.ts');
    const { app } = createApi({ ...cut.needs, mirror, store: client }, new AbortController().signal);
    for (const [method, url] of [
      ['GET', '/fleet/v1/units'],
      ['GET', '/fleet/v1/machines'],
      ['DELETE', '/fleet/v1/units/a.service'],
      ['GET', '/v1-alpha/state'],
    ] as const) {
      const answer = await app.inject({ method, url });
      assert.equal(answer.statusCode, 503);
      assert.equal(answer.body, error(503, 'fleet server unable to communicate with etcd'));
    }
    await app.close();
  });
});
