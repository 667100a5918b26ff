import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { limits } from '../../core/limits.ts';
import type { MachineId } from '../../core/machine.ts';
import type { FileHash } from '../../core/unit.ts';
import type { UnitName } from '../../core/unit-name.ts';
import type {
  AppliedUnit,
  ApplyAnswer,
  ApplyRequest,
  DestroyAnswer,
  ResetFailedAnswer,
  Explanation,
  InfoView,
  MachineList,
  StatusList,
  StatusReport,
  UnitList,
  UnitView,
} from '../../protocol/v2.ts';
import {
  fakeMachine,
  fakeMachineId,
  putAssignment,
  putMachine,
  putStatus,
  startFakeFleetd,
  type FakeFleetd,
} from '../fake-fleetd.ts';
import { PeerUnreachable, type LocalMachine, type Peers } from '../needs.ts';

const other = '99f4004d61afe901b47c4cb4e1f2e0cd' as MachineId;
const sleepText = '[Service]\nExecStart=/bin/sleep infinity\n';
const otherText = '[Service]\nExecStart=/bin/sleep 9\n';
const templateText = '[Unit]\nDescription=number %i\n\n[Service]\nExecStart=/bin/sleep %i\n';
const hashOf = (text: string): FileHash => createHash('sha1').update(text).digest('hex') as FileHash;

let fleetd: FakeFleetd;

interface Answered<T> {
  readonly status: number;
  readonly body: T;
}
interface Refused {
  readonly error: { readonly code: number; readonly reason: string; readonly message: string };
}

async function post<T>(path: string, payload: unknown): Promise<Answered<T>> {
  const answer = await fleetd.app.inject({
    method: 'POST',
    url: `/fleet/v2${path}`,
    headers: { 'content-type': 'application/json' },
    payload: JSON.stringify(payload),
  });
  return { status: answer.statusCode, body: answer.json() };
}

async function get<T>(path: string): Promise<Answered<T>> {
  const answer = await fleetd.app.inject({ method: 'GET', url: `/fleet/v2${path}` });
  return { status: answer.statusCode, body: answer.json() };
}

async function apply(request: ApplyRequest): Promise<readonly AppliedUnit[]> {
  const { status, body } = await post<ApplyAnswer>('/apply', request);
  assert.equal(status, 200, JSON.stringify(body));
  return body.units;
}

async function refused(
  request: unknown,
  path = '/apply',
): Promise<{ readonly status: number; readonly reason: string; readonly message: string }> {
  const before = await fleetd.stored();
  const { status, body } = await post<Refused>(path, request);
  assert.deepEqual(await fleetd.stored(), before, 'a refused request changes nothing');
  assert.doesNotMatch(body.error.message, /\n/);
  assert.equal(body.error.code, status);
  return { status, reason: body.error.reason, message: body.error.message };
}

const brief = (units: readonly AppliedUnit[]): readonly string[] =>
  units.map(
    ({ name, content, before, desired, generation, restart }) =>
      `${name} ${content} ${before ?? 'new'}>${desired} g${generation} r${restart}`,
  );

beforeEach(async () => {
  fleetd = await startFakeFleetd();
});
afterEach(() => fleetd.close());

describe('apply', () => {
  test('creates, starts, stops and restarts units, and counts every change', async () => {
    const units = [{ name: 'a.service', text: sleepText }];
    assert.deepEqual(brief(await apply({ units })), ['a.service created new>inactive g1 r0']);
    assert.deepEqual(brief(await apply({ units, desired: 'launched' })), ['a.service same inactive>launched g2 r1']);
    assert.deepEqual(brief(await apply({ units, desired: 'launched' })), ['a.service same launched>launched g2 r1']);
    assert.deepEqual(brief(await apply({ units: [{ name: 'a.service' }], restart: true })), [
      'a.service same launched>launched g3 r2',
    ]);
    assert.deepEqual(brief(await apply({ units: [{ name: 'a.service' }], desired: 'inactive' })), [
      'a.service same launched>inactive g4 r2',
    ]);
    assert.deepEqual(brief(await apply({ units: [{ name: 'a.service' }], restart: true })), [
      'a.service same inactive>inactive g4 r2',
    ]);
  });

  test('a start after a stop is another wish than the one before, and so is a unit created anew while traces of the old one are left', async () => {
    const units = [{ name: 'a.service', text: sleepText }];
    const start = async (): Promise<readonly string[]> => brief(await apply({ units, desired: 'launched' }));
    assert.deepEqual(await start(), ['a.service created new>launched g1 r0']);
    await apply({ units, desired: 'loaded' });
    assert.deepEqual(await start(), ['a.service same loaded>launched g3 r1']);
    const succeeded = { hash: hashOf(sleepText), restart: 1, machine: 'm', atMs: 1 };
    await fleetd.write([{ kind: 'put', key: 'unit-history/a.service', value: JSON.stringify({ events: [], succeeded }) }]);
    await post('/destroy', { names: ['a.service'] });
    assert.deepEqual(await start(), ['a.service created new>launched g1 r2']);
  });

  test('an answer is seen by the list that follows, and names the revision at which all of it is stored', async () => {
    const { body } = await post<ApplyAnswer>('/apply', { units: [{ name: 'a.service', text: sleepText }], by: 'ann' });
    const list = (await get<UnitList>('/units')).body;
    assert.equal(list.revision, body.revision);
    assert.deepEqual(
      list.units.map(({ name, hash, desired }) => ({ name, hash, desired })),
      [{ name: 'a.service', hash: hashOf(sleepText), desired: 'inactive' }],
    );
    assert.equal(JSON.parse((await fleetd.stored())['units/a.service'] ?? '').changedBy, 'ann');
  });

  test('a unit that runs somewhere already waits for that machine until another wish comes, or until the wait is ended', async () => {
    const machine = '2c7d7478ba9f8197b5b7a551442f19f7';
    const adoptOn = async (): Promise<unknown> => JSON.parse((await fleetd.stored())['units/a.service'] ?? '').adoptOn;
    await apply({ units: [{ name: 'a.service', text: sleepText, adoptOn: machine }], desired: 'launched' });
    assert.equal(await adoptOn(), machine);
    await apply({ units: [{ name: 'a.service' }], desired: 'launched' });
    assert.equal(await adoptOn(), machine, 'the same wish again is no other wish');
    await apply({ units: [{ name: 'a.service', adoptOn: '' }] });
    assert.equal(await adoptOn(), null);
    await apply({ units: [{ name: 'a.service', adoptOn: machine }] });
    await apply({ units: [{ name: 'a.service' }], desired: 'loaded' });
    assert.equal(await adoptOn(), null);
    const wrong = await refused({ units: [{ name: 'a.service', adoptOn: 'm83' }] });
    assert.match(wrong.message, /adoptOn.*"m83"/);
  });

  test('a request that changes nothing writes nothing', async () => {
    const units = [{ name: 'a.service', text: sleepText }];
    await apply({ units, desired: 'launched' });
    const before = await fleetd.stored();
    await apply({ units, desired: 'launched' });
    assert.deepEqual(await fleetd.stored(), before);
  });

  test('other content is told as different and left alone; the state asked for is still set', async () => {
    await apply({ units: [{ name: 'a.service', text: sleepText }] });
    const [unit] = await apply({ units: [{ name: 'a.service', text: otherText }], desired: 'loaded' });
    assert.equal(unit?.content, 'differs');
    assert.equal(unit.desired, 'loaded');
    assert.equal(unit.hash, hashOf(sleepText));
  });

  const replacements: readonly (readonly [
    string,
    AppliedUnit['desired'],
    AppliedUnit['desired'] | undefined,
    string,
  ])[] = [
    ['submit', 'inactive', undefined, 'a.service replaced inactive>inactive g2 r0'],
    ['submit', 'loaded', undefined, 'a.service differs loaded>loaded g1 r0'],
    ['submit', 'launched', undefined, 'a.service differs launched>launched g1 r0'],
    ['load', 'inactive', 'loaded', 'a.service replaced inactive>loaded g2 r0'],
    ['load', 'loaded', 'loaded', 'a.service replaced loaded>loaded g2 r0'],
    ['load', 'launched', 'loaded', 'a.service differs launched>launched g1 r0'],
    ['start', 'launched', 'launched', 'a.service replaced launched>launched g2 r0'],
  ];
  for (const [verb, before, desired, expected] of replacements) {
    test(`${verb} --replace of a unit that is to be ${before}: ${expected}`, async () => {
      await apply({ units: [{ name: 'a.service', text: sleepText }], desired: before });
      const units = await apply({
        units: [{ name: 'a.service', text: otherText }],
        replace: true,
        ...(desired === undefined ? {} : { desired }),
      });
      assert.deepEqual(brief(units), [expected]);
    });
  }

  test('an instance gets the text of the template in the store, before any other template', async () => {
    await apply({ units: [{ name: 't@.service', text: templateText }] });
    const units = await apply({
      units: [{ name: 't@1.service', templateText: otherText }, { name: 't@2.service' }],
      desired: 'launched',
    });
    assert.deepEqual(
      units.map(({ name, hash }) => [name, hash]),
      [
        ['t@1.service', hashOf(templateText)],
        ['t@2.service', hashOf(templateText)],
      ],
    );
    assert.deepEqual(Object.keys(await fleetd.stored('unit-files/')), [`unit-files/${hashOf(templateText)}`]);
    assert.equal((await get<UnitView>('/units/t@2.service')).body.description, 'number %i');
  });

  test('an instance gets the text of a template that comes in the same request, wherever that stands in it', async () => {
    const units = await apply({
      units: [
        { name: 't@1.service', templateText: otherText },
        { name: 't@.service', text: templateText },
        { name: 't@2.service' },
      ],
    });
    assert.deepEqual(
      units.map(({ name, hash }) => [name, hash]),
      ['t@1.service', 't@.service', 't@2.service'].map((name) => [name, hashOf(templateText)]),
    );
  });

  test('without a template in the store an instance gets the template text that came along', async () => {
    const [unit] = await apply({ units: [{ name: 't@1.service', templateText }] });
    assert.equal(unit?.hash, hashOf(templateText));
    assert.equal((await get<Refused>('/units/t@.service')).status, 404);
  });

  test('a dry run says what would happen and does nothing', async () => {
    const before = await fleetd.stored();
    assert.deepEqual(
      brief(await apply({ units: [{ name: 'a.service', text: sleepText }], desired: 'launched', dryRun: true })),
      ['a.service created new>launched g1 r0'],
    );
    assert.deepEqual(await fleetd.stored(), before);
  });

  test('a unit that is named twice counts once', async () => {
    assert.equal(
      (
        await apply({
          units: [
            { name: 'a.service', text: sleepText },
            { name: 'a.service', text: sleepText },
          ],
        })
      ).length,
      1,
    );
  });

  test('misspelt keys outside [X-Fleet] are warnings, with line and suggestion', async () => {
    const [unit] = await apply({ units: [{ name: 'a.service', text: `[Unit]\nDescrption=x\n\n${sleepText}` }] });
    assert.deepEqual(unit?.warnings, ['line 2: [Unit] has no option "Descrption"; did you mean "Description"?']);
  });

  test('all units are checked before anything is stored, and every error is named', async () => {
    const { status, reason, message } = await refused({
      units: [
        { name: 'good.service', text: sleepText },
        { name: 'none.service' },
        { name: 'x.service', text: `${sleepText}\n[X-Fleet]\nGloable=true\n` },
      ],
    });
    assert.deepEqual([status, reason], [404, 'UNIT_NOT_FOUND']);
    assert.match(
      message,
      /unable to find Unit\(none\.service\) in Registry or on filesystem; x\.service: line 5: \[X-Fleet\] has no option "Gloable"; did you mean "Global"\?/,
    );
  });

  const wrong: readonly (readonly [string, ApplyRequest, string, RegExp])[] = [
    [
      'a name',
      { units: [{ name: 'a b.service', text: sleepText }] },
      'UNIT_NAME_INVALID',
      /^"a b\.service": invalid character ' ' in unit name$/,
    ],
    [
      'a text',
      { units: [{ name: 'a.service', text: '[Service\n' }] },
      'UNIT_FILE_INVALID',
      /^a\.service: line 1, column/,
    ],
    [
      'a large text',
      { units: [{ name: 'a.service', text: `[Service]\nExecStart=${'x'.repeat(limits.unitFileBytesMax)}\n` }] },
      'UNIT_FILE_TOO_LARGE',
      /^a\.service: .*larger than 65536 bytes/,
    ],
    [
      'a template to start',
      { units: [{ name: 't@.service', text: templateText }], desired: 'launched' },
      'UNIT_IS_TEMPLATE',
      /^cannot activate template "t@\.service"$/,
    ],
    [
      'an instance of nothing',
      { units: [{ name: 't@1.service' }] },
      'TEMPLATE_NOT_FOUND',
      /unable to find template Unit\(t@\.service\)/,
    ],
    [
      'options that exclude each other',
      { units: [{ name: 'a.service', text: `${sleepText}\n[X-Fleet]\nGlobal=true\nReplaces=b.service\n` }] },
      'UNIT_OPTIONS_CONFLICT',
      /^a\.service: Global cannot be used with Replaces$/,
    ],
    [
      'one name with two contents',
      {
        units: [
          { name: 'a.service', text: sleepText },
          { name: 'a.service', text: otherText },
        ],
      },
      'REQUEST_INVALID',
      /a\.service is named twice with different content/,
    ],
  ];
  for (const [what, request, expectedReason, expected] of wrong) {
    test(`refuses ${what}`, async () => {
      const { reason, message } = await refused(request);
      assert.equal(reason, expectedReason);
      assert.match(message, expected);
    });
  }
});

describe('bodies', () => {
  const wrong: readonly (readonly [unknown, string])[] = [
    [[], 'the body is a list, should be of type object'],
    [{}, 'the body lacks the field "units"'],
    [{ units: [] }, '"units" is a list, it must NOT have fewer than 1 items'],
    [{ units: 'a' }, '"units" is "a", should be of type array'],
    [{ units: [{ name: 5 }] }, '"units/0/name" is 5, should be of type string'],
    [{ units: [{}] }, '"units/0" lacks the field "name"'],
    [{ units: [{ name: 'a.service', txt: '' }] }, '"units/0" has an unknown field "txt"'],
    [
      { units: [{ name: 'a.service' }], desired: 'bogus' },
      '"desired" is "bogus", should be one of inactive, loaded, launched',
    ],
    [{ units: [{ name: 'a.service' }], restart: 'yes' }, '"restart" is "yes", should be of type boolean'],
    [null, 'the body is null, should be of type object'],
  ];
  for (const [body, expected] of wrong) {
    test(`${JSON.stringify(body)}: ${expected}`, async () => {
      assert.deepEqual(await refused(body), { status: 400, reason: 'REQUEST_INVALID', message: expected });
    });
  }

  test('more units than one request may name', async () => {
    const units = Array.from({ length: limits.unitsPerRequestMax + 1 }, (_, index) => ({
      name: `a${index}.service`,
      text: sleepText,
    }));
    assert.deepEqual(await refused({ units }), {
      status: 413,
      reason: 'REQUEST_TOO_LARGE',
      message: `"units" has ${units.length} items, the limit is ${limits.unitsPerRequestMax}; send several requests`,
    });
  });

  test('a body over the limit, one that is not JSON, and one of another type', async () => {
    const send = (payload: string, type = 'application/json') =>
      fleetd.app.inject({ method: 'POST', url: '/fleet/v2/apply', headers: { 'content-type': type }, payload });
    assert.equal(
      (await send(' '.repeat(limits.requestBytesMax + 1))).json<Refused>().error.reason,
      'REQUEST_TOO_LARGE',
    );
    assert.match(
      (await send('{"units":\n[}')).json<Refused>().error.message,
      /^the body is not JSON: Unexpected token '\}', "\{"units":\\n\[\}" is not valid JSON$/,
    );
    assert.match((await send('')).json<Refused>().error.message, /^the body is empty/);
    assert.equal((await send('{}', 'text/plain')).json<Refused>().error.reason, 'CONTENT_TYPE_INVALID');
  });

  test('unknown paths, wrong methods and malformed paths are refused in our form', async () => {
    const ask = async (method: 'GET' | 'PUT' | 'HEAD', url: string) =>
      (await fleetd.app.inject({ method, url })).statusCode;
    assert.equal(await ask('GET', '/fleet/v2/bogus'), 404);
    assert.equal(await ask('PUT', '/fleet/v2/apply'), 405);
    assert.equal(await ask('HEAD', '/fleet/v2/units'), 405);
    assert.equal(await ask('GET', '/fleet/v2/units/%zz'), 400);
    assert.equal(await ask('GET', `/fleet/v2/units/${'a'.repeat(2_000)}`), 400);
  });
});

describe('pools of ports that units name', () => {
  const text = `${sleepText}\n[X-Fleet]\nPort=nosuchpool\n`;
  const sentence = 'Port=nosuchpool: there is no pool "nosuchpool"; make it with "fleetctl ports set nosuchpool LOW-HIGH"';

  test('must exist before a unit is wanted; a submit only warns', async () => {
    for (const desired of ['loaded', 'launched']) {
      const answer = await refused({ units: [{ name: 'a.service', text }], desired });
      assert.deepEqual(answer, { status: 404, reason: 'POOL_NOT_FOUND', message: `a.service: ${sentence}` });
    }
    assert.deepEqual((await apply({ units: [{ name: 'a.service', text }, { name: 't@.service', text }] })).map(({ warnings }) => warnings), [[sentence], [sentence]]);
    for (const name of ['a.service', 't@1.service']) {
      assert.equal((await refused({ units: [{ name }], desired: 'launched' })).message, `${name}: ${sentence}`);
    }
    assert.match((await refused({ name: 't@.service', count: 2 }, '/scale')).message, /Port=nosuchpool: there is no pool/);
    await post('/port-pools/nosuchpool', { range: '20001-20010' });
    await apply({ units: [{ name: 'a.service' }, { name: 't@1.service' }], desired: 'launched' });
  });

  test('may go from under what is wanted already, and then bring no other content of it', async () => {
    await apply({ units: [{ name: 'a.service', text: sleepText }], desired: 'launched' });
    assert.equal((await refused({ units: [{ name: 'a.service', text }], desired: 'launched', replace: true })).reason, 'POOL_NOT_FOUND');
    assert.match((await refused({ name: 'a.service', text }, '/releases')).message, /^a\.service: Port=nosuchpool: there is no pool/);
    await post('/port-pools/nosuchpool', { range: '20001-20010' });
    await apply({ units: [{ name: 'a.service', text }], desired: 'launched', replace: true });
    await post('/port-pools/nosuchpool', { range: null, force: true });
    assert.deepEqual(brief(await apply({ units: [{ name: 'a.service' }], desired: 'launched', restart: true })), ['a.service same launched>launched g3 r1']);
  });
});

describe('reset-failed', () => {
  test('raises the reset generation of units, once for each request, and changes nothing else of what is wanted', async () => {
    await apply({ units: [{ name: 'a.service', text: sleepText }], desired: 'launched' });
    const before = fleetd.mirror.snapshot().units.get('a.service' as UnitName) ?? assert.fail();
    const { body } = await post<ResetFailedAnswer>('/reset-failed', { names: ['a.service', 'a.service'], by: 'ann' });
    assert.deepEqual(body.units, [{ name: 'a.service', generation: 2, reset: 1 }]);
    const after = fleetd.mirror.snapshot().units.get('a.service' as UnitName);
    assert.deepEqual(after, { ...before, generation: 2, reset: 1, changedAtMs: after?.changedAtMs, changedBy: 'ann' });
  });

  test('changes nothing when one of the names is wrong, unknown or a template', async () => {
    await apply({ units: [{ name: 'a.service', text: sleepText }, { name: 't@.service', text: sleepText }] });
    for (const [name, reason] of [['b.service', 'UNIT_NOT_FOUND'], ['t@.service', 'UNIT_IS_TEMPLATE'], ['no', 'UNIT_NAME_INVALID']]) {
      const { body } = await post<Refused>('/reset-failed', { names: ['a.service', name] });
      assert.equal(body.error.reason, reason);
    }
    assert.equal(fleetd.mirror.snapshot().units.get('a.service' as UnitName)?.reset, 0);
  });
});

describe('destroy', () => {
  test('takes away what is there and names what is not', async () => {
    await apply({
      units: [
        { name: 'a.service', text: sleepText },
        { name: 'b.service', text: sleepText },
      ],
    });
    const { body } = await post<DestroyAnswer>('/destroy', { names: ['a.service', 'c.service', 'a.service'] });
    assert.deepEqual({ ...body, revision: 0 }, { revision: 0, destroyed: ['a.service'], unknown: ['c.service'] });
    assert.deepEqual(Object.keys(await fleetd.stored('units/')), ['units/b.service']);
  });
});

describe('views', () => {
  beforeEach(async () => {
    await apply({
      units: [
        { name: 'a.service', text: `[Unit]\nDescription=An a\n\n${sleepText}` },
        { name: 'g.service', text: `${sleepText}\n[X-Fleet]\nGlobal=true\n` },
      ],
      desired: 'launched',
    });
    await fleetd.write([
      putMachine(fakeMachine(fakeMachineId)),
      putMachine(fakeMachine(other, { publicIp: '172.18.0.2', metadata: { region: 'eu' } })),
      putAssignment(fakeMachineId, 'a.service'),
      putAssignment(fakeMachineId, 'g.service'),
      putAssignment(other, 'g.service'),
      putStatus(fakeMachineId, 'a.service'),
      putStatus(other, 'g.service', { active: 'failed', sub: 'failed', result: 'exit-code', exitStatus: 3 }),
      { kind: 'put', key: 'leader', value: JSON.stringify({ machine: other, sinceMs: 5 }) },
    ]);
  });

  test('units tell what was asked for and where they are', async () => {
    const { units } = (await get<UnitList>('/units')).body;
    assert.deepEqual(
      units.map(({ name, current, global, machines, description }) => ({
        name,
        current,
        global,
        machines,
        description,
      })),
      [
        { name: 'a.service', current: 'launched', global: false, machines: [fakeMachineId], description: 'An a' },
        { name: 'g.service', current: null, global: true, machines: [fakeMachineId, other], description: '' },
      ],
    );
  });

  test('statuses tell what machines report', async () => {
    const { statuses } = (await get<StatusList>('/statuses')).body;
    assert.deepEqual(
      statuses.map(({ name, machine, address, active, exitStatus }) => [name, machine, address, active, exitStatus]),
      [
        ['a.service', fakeMachineId, '172.18.0.3', 'active', null],
        ['g.service', other, '172.18.0.2', 'failed', 3],
      ],
    );
  });

  test('machines tell who leads and how many units they have', async () => {
    const { machines } = (await get<MachineList>('/machines')).body;
    assert.deepEqual(
      machines.map(({ id, units, leader, metadata }) => ({ id, units, leader, metadata })),
      [
        { id: fakeMachineId, units: 2, leader: false, metadata: {} },
        { id: other, units: 1, leader: true, metadata: { region: 'eu' } },
      ],
    );
  });

  test('the file of a unit is its canonical text', async () => {
    const answer = await fleetd.app.inject({ method: 'GET', url: '/fleet/v2/units/a.service/file' });
    assert.equal(answer.body, `[Unit]\nDescription=An a\n\n${sleepText}`);
    assert.equal(answer.headers['content-type'], 'text/plain; charset=utf-8');
  });

  test('info names the cluster, explain gives a reason, unknown units are not found', async () => {
    const info = (await get<InfoView>('/info')).body;
    assert.deepEqual(
      { ...info, revision: 0 },
      { version: 'v1.0.0', keyPrefix: '/fleet', machine: fakeMachineId, store: 'etcd', leader: other, revision: 0 },
    );
    assert.equal((await get<Explanation>('/explain/a.service')).body.name, 'a.service');
    for (const path of [
      '/units/x.service',
      '/units/x.service/file',
      '/explain/x.service',
      '/status/x.service',
      '/journal/x.service',
    ]) {
      const { status, body } = await get<Refused>(path);
      assert.deepEqual(
        [status, body.error.reason, body.error.message],
        [404, 'UNIT_NOT_FOUND', 'unit x.service does not exist'],
        path,
      );
    }
  });

  test('API v1 shows statuses, with filters, and a global unit without machine and state', async () => {
    const v1 = async (path: string): Promise<unknown> =>
      (await fleetd.app.inject({ method: 'GET', url: `/fleet/v1${path}` })).json();
    const hash = 'a'.repeat(40);
    const a = {
      hash,
      machineID: fakeMachineId,
      name: 'a.service',
      systemdActiveState: 'active',
      systemdLoadState: 'loaded',
      systemdSubState: 'running',
    };
    const g = {
      hash,
      machineID: other,
      name: 'g.service',
      systemdActiveState: 'failed',
      systemdLoadState: 'loaded',
      systemdSubState: 'failed',
    };
    assert.deepEqual(await v1('/state'), { states: [a, g] });
    assert.deepEqual(await v1(`/state?machineID=${other}`), { states: [g] });
    assert.deepEqual(await v1('/state?unitName=a.service'), { states: [a] });
    assert.deepEqual(await v1('/state/a.service'), a);
    assert.deepEqual(Object.keys((await v1('/units/g.service')) as object), ['desiredState', 'name', 'options']);
  });
});

describe('status and journal', () => {
  const local: LocalMachine = {
    status: async (name) => ({ text: `local ${name}\n`, exitStatus: 0 }),
    async *journal({ lines, follow, output }) {
      yield `${lines} ${String(follow)} ${output}\n`;
    },
  };
  const peers: Peers = {
    status: async (machine, name) => {
      if (name === 'g.service') throw new PeerUnreachable(`machine ${machine.id} could not be asked: it is away`);
      return { text: `remote ${name}\n`, exitStatus: 3 };
    },
    async *journal(machine) {
      if (machine.hostname === 'away') throw new PeerUnreachable('it is away');
      yield 'remote\n';
    },
  };
  beforeEach(async () => {
    await fleetd.close();
    fleetd = await startFakeFleetd({ needs: { local: new Map([[fakeMachineId, local]]), peers } });
    const units = ['a.service', 'b.service', 'c.service', 'g.service', 'n.service'].map((name) => ({
      name,
      text: sleepText,
    }));
    await apply({ units, desired: 'launched' });
    await fleetd.write([
      putMachine(fakeMachine(fakeMachineId)),
      putMachine(fakeMachine(other)),
      putMachine(fakeMachine('c'.repeat(32), { hostname: 'away' })),
      putAssignment(fakeMachineId, 'a.service'),
      putAssignment(other, 'b.service'),
      putAssignment('c'.repeat(32), 'c.service'),
      putAssignment(fakeMachineId, 'g.service'),
      putAssignment(other, 'g.service'),
      putAssignment('d'.repeat(32), 'g.service'),
    ]);
  });

  test('each machine of a unit is a block; one that cannot be asked says why', async () => {
    const blocks = async (name: string) =>
      (await get<StatusReport>(`/status/${name}`)).body.blocks.map(({ exitStatus, text }) => [exitStatus, text]);
    assert.deepEqual(await blocks('a.service'), [[0, 'local a.service\n']]);
    assert.deepEqual(await blocks('b.service'), [[3, 'remote b.service\n']]);
    assert.deepEqual(await blocks('g.service'), [
      [0, 'local g.service\n'],
      [255, `machine ${other} could not be asked: it is away\n`],
      [255, `machine ${'d'.repeat(32)} has lost its contact with the cluster\n`],
    ]);
    assert.equal((await get<Refused>('/status/n.service')).body.error.reason, 'UNIT_NOT_LOADED');
  });

  test('a journal is text, from here or from elsewhere', async () => {
    const journal = async (path: string) => {
      const { statusCode, body } = await fleetd.app.inject({ method: 'GET', url: `/fleet/v2/journal/${path}` });
      return [statusCode, statusCode === 200 ? body : (JSON.parse(body) as Refused).error.reason];
    };
    assert.deepEqual(await journal('a.service'), [200, '10 false short\n']);
    assert.deepEqual(await journal('a.service?lines=3&output=cat&follow=true'), [200, '3 true cat\n']);
    assert.deepEqual(await journal('b.service'), [200, 'remote\n']);
    assert.deepEqual(await journal(`g.service?machine=${other}`), [200, 'remote\n']);
    assert.deepEqual(await journal('g.service'), [200, '10 false short\n']);
    assert.deepEqual(await journal('c.service'), [502, 'MACHINE_UNREACHABLE']);
    assert.deepEqual(await journal('c.service?follow=true'), [502, 'MACHINE_UNREACHABLE']);
    assert.deepEqual(await journal('a.service?lines=x'), [400, 'REQUEST_INVALID']);
    assert.deepEqual(await journal('a.service?output=$(x)'), [400, 'REQUEST_INVALID']);
    assert.deepEqual(await journal(`a.service?machine=${other}`), [409, 'UNIT_NOT_LOADED']);
    assert.deepEqual(await journal('n.service'), [409, 'UNIT_NOT_LOADED']);
  });
});

describe('operators', () => {
  test('health, readiness, metrics and state', async () => {
    const ask = async (url: string) => fleetd.app.inject({ method: 'GET', url });
    assert.equal((await ask('/healthz')).body, 'ok\n');
    assert.equal((await ask('/readyz')).body, 'ok\n');
    await fleetd.close();
    fleetd = await startFakeFleetd({
      needs: {
        presence: () => 'another machine has the same id',
        reports: new Map([['engine', () => ({ passes: 7, decisions: { assign: 3, move: 2, unassign: 1 }, unansweredCommits: 4 })]]),
        storeHealth: () => ({
          version: '3.5.0',
          databaseBytes: 4_096,
          databaseBytesInUse: 1_024,
          alarms: ['NOSPACE'],
          compactions: 2,
          compactedTo: 9,
        }),
        storeTroubles: () => ['its database is full'],
      },
    });
    const unready = await ask('/readyz');
    assert.deepEqual(
      [unready.statusCode, unready.body],
      [503, 'store: its database is full\npresence: another machine has the same id\n'],
    );
    assert.deepEqual((await get<MachineList>('/machines')).body.troubles, ['store: its database is full', 'presence: another machine has the same id']);
    await apply({ units: [{ name: 'a.service', text: sleepText }], desired: 'launched' });
    const { body, headers } = await ask('/metrics');
    assert.match(String(headers['content-type']), /^text\/plain; version=0\.0\.4/);
    for (const line of [
      'fleet_units{desired="launched"} 1',
      'fleet_machines 0',
      'fleet_leader 0',
      'fleet_store_current 1',
      'fleet_etcd_database_bytes 4096',
      'fleet_etcd_alarm{alarm="NOSPACE"} 1',
      'fleet_etcd_compactions_total 2',
      'fleet_engine_passes_total 7',
      // fleet 1.0's own names.
      'fleet_engine_leader_start_time 0',
      'fleet_engine_task_count_total{type="attemptscheduleunit"} 5',
      'fleet_engine_task_count_total{type="unscheduleunit"} 3',
      'fleet_engine_task_failure_count_total{type="attemptscheduleunit"} 4',
      'fleet_engine_reconcile_count_total 7',
      'fleet_engine_reconcile_failure_count_total{type="schedule"} 4',
    ]) {
      assert.ok(body.split('\n').includes(line), line);
    }
    for (const line of body.trimEnd().split('\n')) {
      assert.match(line, /^(# (HELP|TYPE) \w+ .+|\w+(\{\w+="[^"]*"(,\w+="[^"]*")*\})? [0-9.e+-]+)$/);
    }
    assert.deepEqual((await ask('/debug/state')).json<{ components: unknown }>().components, { engine: { passes: 7, decisions: { assign: 3, move: 2, unassign: 1 }, unansweredCommits: 4 } });
  });

  for (const [storeKind, says] of [
    ['etcd', 'fleet server unable to communicate with etcd'],
    ['embedded', 'fleet server unable to use its embedded store'],
  ] as const) test(`an API that has lost its store (${storeKind}) answers reads with how old they are, and refuses changes`, async () => {
    await fleetd.close();
    const lab = await startFakeFleetd();
    const client = lab.memory.client();
    fleetd = await startFakeFleetd({ memory: lab.memory, store: client, needs: { storeKind } });
    await apply({ units: [{ name: 'a.service', text: sleepText }] });
    client.cut();
    while (fleetd.mirror.freshness().current) await new Promise((resolve) => setImmediate(resolve));
    const list = await fleetd.app.inject({ method: 'GET', url: '/fleet/v2/units' });
    assert.equal(list.statusCode, 200);
    assert.match(String(list.headers['fleet-stale-since']), /^\d{4}-\d\d-\d\dT/);
    assert.match((await get<Explanation>('/explain/a.service')).body.summary, /^the store is away, and when it was heard last, at \d{4}-.*Z, /);
    assert.equal((await get<Refused>('/units/x.service')).status, 404);
    const { status, body } = await post<Refused>('/apply', { units: [{ name: 'a.service' }], desired: 'launched' });
    assert.deepEqual([status, body.error.message], [503, says]);
    assert.match((await fleetd.app.inject({ method: 'GET', url: '/readyz' })).body, /^store: not followed for \d+ s: /);
    await lab.close();
  });
});
