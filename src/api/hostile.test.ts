/** Whatever is sent: no answer of 500, one line of reason, and nothing half done. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import type { UnitRecord } from '../core/unit.ts';
import { parseUnitName } from '../core/unit-name.ts';
import { startFakeFleetd, type FakeFleetd } from './fake-fleetd.ts';

let fleetd: FakeFleetd;
before(async () => {
  fleetd = await startFakeFleetd();
});
after(() => fleetd.close());

const good = <T>(arbitrary: fc.Arbitrary<T>): fc.WeightedArbitrary<T> => ({ weight: 12, arbitrary });
const bad = <T>(arbitrary: fc.Arbitrary<T>): fc.WeightedArbitrary<T> => ({ weight: 1, arbitrary });
const names = fc.oneof(
  good(
    fc.constantFrom(
      'a.service',
      'b.service',
      't@.service',
      't@1.service',
      't@2.service',
      '__proto__.service',
      'constructor.service',
      'a.timer',
    ),
  ),
  bad(fc.string({ unit: 'grapheme' })),
  bad(fc.string().map((text) => `${text}.service`)),
);
const texts = fc.oneof(
  good(
    fc.constantFrom(
      '[Service]\nExecStart=/bin/true\n',
      '[Service]\nExecStart=/bin/false\n',
      '[Service]\nExecStart=/bin/true\n[X-Fleet]\nGlobal=true\n',
      '[Service]\nExecStart=/bin/true\n[Timer]\nOnBootSec=1\n',
    ),
  ),
  bad(fc.string({ unit: 'grapheme' })),
  bad(
    fc
      .array(
        fc.constantFrom(
          '[Unit]',
          '[X-Fleet]',
          '\n',
          'A=b',
          '\\',
          '\r\n',
          '#',
          ';',
          '=',
          'MachineOf=',
          '%i',
          '"',
          "'",
          '\u0000',
          '[',
          ']',
        ),
        { maxLength: 12 },
      )
      .map((parts) => parts.join('')),
  ),
);
const states = fc.oneof(good(fc.constantFrom('inactive', 'loaded', 'launched')), bad(fc.string()));
const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined, freq: 2 });
const json = fc.jsonValue({ maxDepth: 4 });

const applies = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      units: fc.array(fc.record({ name: names, text: maybe(texts), templateText: maybe(texts) }), {
        minLength: 1,
        maxLength: 6,
      }),
      desired: maybe(states),
      replace: maybe(fc.boolean()),
      restart: maybe(fc.boolean()),
      by: maybe(fc.string()),
      dryRun: maybe(fc.boolean()),
    }),
  },
  { weight: 1, arbitrary: json },
);
const destroys = fc.oneof(fc.record({ names: fc.array(names, { minLength: 1, maxLength: 5 }) }), json);
const options = fc.array(
  fc.record({
    section: fc.oneof(good(fc.constantFrom('Service', 'Unit', 'X-Fleet')), bad(fc.string())),
    name: fc.oneof(good(fc.constantFrom('ExecStart', 'Global', 'MachineOf')), bad(fc.string())),
    value: fc.oneof(good(fc.constantFrom('/bin/true', 'true', 'a.service')), bad(texts)),
  }),
  { maxLength: 3 },
);
const puts = fc.oneof(good(fc.record({ desiredState: maybe(states), options: maybe(options) })), bad(json));
const patches = fc.oneof(
  fc.array(
    fc.record({
      op: fc.constantFrom('add', 'remove', 'replace', 'x'),
      path: fc.oneof(fc.constantFrom('/m/metadata/k', '/m/metadata/__proto__', '/__proto__/metadata/k'), fc.string()),
      value: maybe(fc.oneof(fc.string(), fc.record({ value: fc.string() }), json)),
    }),
  ),
  json,
);

interface Sent {
  readonly method: 'POST' | 'PUT' | 'PATCH';
  readonly url: string;
  readonly payload: string;
}

/** Sends it and checks what holds of every answer; returns whether it was a success. */
async function send(sent: Sent): Promise<boolean> {
  const stored = await fleetd.stored();
  const answer = await fleetd.app.inject({ ...sent, headers: { 'content-type': 'application/json' } });
  assert.ok(answer.statusCode < 500, `${answer.statusCode}: ${answer.body}`);
  await checkStore(fleetd);
  if (answer.statusCode < 300) return true;
  const { error } = answer.json<{ error: { code: number; message: string } }>();
  assert.equal(error.code, answer.statusCode);
  assert.doesNotMatch(error.message, /[\n\r]/);
  assert.deepEqual(await fleetd.stored(), stored, 'a refused request changes nothing');
  return false;
}

/** Every unit of the store can be read, has a valid name and a file. */
async function checkStore({ mirror, stored }: FakeFleetd): Promise<void> {
  assert.deepEqual([...mirror.snapshot().unreadable], []);
  const all = await stored();
  for (const [key, value] of Object.entries(all)) {
    if (!key.startsWith('units/')) continue;
    assert.ok(parseUnitName(key.slice('units/'.length)).ok, key);
    assert.ok(`unit-files/${(JSON.parse(value) as UnitRecord).hash}` in all, `${key} has its file`);
  }
}

const post =
  (path: string) =>
  (body: unknown): Sent => ({ method: 'POST', url: `/fleet/v2/${path}`, payload: JSON.stringify(body) ?? '' });
const path = (name: string): string => encodeURIComponent(name.toWellFormed());

describe('hostile requests', () => {
  test('apply and destroy', async () => {
    let done = 0;
    const requests = fc.oneof(
      { weight: 4, arbitrary: applies.map(post('apply')) },
      { weight: 1, arbitrary: destroys.map(post('destroy')) },
    );
    await fc.assert(
      fc.asyncProperty(requests, async (request) => {
        if (await send(request)) done += 1;
      }),
      { numRuns: 600 },
    );
    assert.ok(done > 50, `only ${done} requests were good ones`);
  });

  test('PUT of API v1', async () => {
    const requests = fc.tuple(names, puts).map(([name, body]): Sent => ({
      method: 'PUT',
      url: `/fleet/v1/units/${path(name)}`,
      payload: JSON.stringify(body) ?? '',
    }));
    let done = 0;
    await fc.assert(
      fc.asyncProperty(requests, async (request) => {
        if (await send(request)) done += 1;
      }),
      { numRuns: 400 },
    );
    assert.ok(done > 20, `only ${done} requests were good ones`);
    const list = await fleetd.app.inject({ method: 'GET', url: '/fleet/v1/units' });
    assert.equal(list.statusCode, 200);
  });

  test('PATCH of machine metadata', async () => {
    await fc.assert(
      fc.asyncProperty(
        patches,
        async (body) =>
          void (await send({ method: 'PATCH', url: '/fleet/v1/machines', payload: JSON.stringify(body) })),
      ),
      { numRuns: 300 },
    );
  });

  test('texts that are no JSON, and deep ones', async () => {
    const bodies = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constant('['.repeat(200_000)),
      fc.constant('{"units":'.repeat(50_000)),
      fc.constant(`${'['.repeat(100_000)}${']'.repeat(100_000)}`),
    );
    const urls = fc.constantFrom('/fleet/v2/apply', '/fleet/v2/destroy', '/fleet/v2/events');
    await fc.assert(
      fc.asyncProperty(urls, bodies, async (url, payload) => {
        assert.equal(await send({ method: 'POST', url, payload }), false);
      }),
      { numRuns: 60 },
    );
    for (const payload of ['['.repeat(200_000), `${'['.repeat(100_000)}${']'.repeat(100_000)}`]) {
      assert.equal(await send({ method: 'PUT', url: '/fleet/v1/units/a.service', payload }), false);
      assert.equal(await send({ method: 'PATCH', url: '/fleet/v1/machines', payload }), false);
    }
  });

  test('paths and queries', async () => {
    const parts = fc.array(
      fc.oneof(
        fc.constantFrom(
          'fleet',
          'v1',
          'v2',
          'units',
          'state',
          'status',
          'journal',
          'explain',
          'machines',
          'a.service',
          '..',
          '%2e%2e',
          '%00',
          '%zz',
          '__proto__',
        ),
        fc.string().map(path),
      ),
      { maxLength: 6 },
    );
    const queries = fc.array(
      fc.tuple(
        fc.constantFrom('nextPageToken', 'machineID', 'unitName', 'lines', 'follow', 'machine', 'output', '__proto__'),
        fc.string(),
      ),
      { maxLength: 4 },
    );
    await fc.assert(
      fc.asyncProperty(parts, queries, async (segments, query) => {
        const url = `/${segments.join('/')}?${query.map(([key, value]) => `${key}=${path(value)}`).join('&')}`;
        const { statusCode } = await fleetd.app.inject({ method: 'GET', url });
        assert.ok(statusCode < 500, `${statusCode} ${url}`);
      }),
      { numRuns: 400 },
    );
  });
});
