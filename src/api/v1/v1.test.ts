import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { limits } from '../../core/limits.ts';
import { noOverride } from '../../core/machine.ts';
import { startFakeFleetd } from '../fake-fleetd.ts';
import { discoveryDocument } from './discovery.ts';
import { changeOverride, checkOperations } from './machine-metadata.ts';
import { pageOf, printPageToken, readPageToken, type Page } from './page-token.ts';

describe('page tokens', () => {
  test('are those of fleet 1.0', () => {
    assert.equal(printPageToken({ limit: 100, page: 2 }), 'ZAACAA==');
    assert.deepEqual(readPageToken(['ZAACAA=='], 100), { ok: true, value: { limit: 100, page: 2 } });
    assert.deepEqual(readPageToken([], 100), { ok: true, value: { limit: 100, page: 1 } });
  });

  test('read back as they were printed; other texts are refused in one line', () => {
    const numbers = fc.integer({ min: 1, max: 65_535 });
    fc.assert(
      fc.property(numbers, numbers, (limit, page) => {
        assert.deepEqual(readPageToken([printPageToken({ limit, page })], limit), { ok: true, value: { limit, page } });
      }),
    );
    fc.assert(
      fc.property(fc.string(), (text) => {
        const read = readPageToken([text], 100);
        if (!read.ok) assert.match(read.failure.message, /^[ -~]+$/);
      }),
    );
  });

  const wrong: readonly (readonly [string, string])[] = [
    ['Z', 'illegal base64 data at input byte 0'],
    ['ZAACAA', 'illegal base64 data at input byte 4'],
    ['ZAAC*A==', 'illegal base64 data at input byte 4'],
    ['ZAAC', 'unexpected EOF'],
  ];
  for (const [text, message] of wrong) {
    test(`"${text}": ${message}`, () => {
      assert.deepEqual(readPageToken([text], 100), { ok: false, failure: { code: 'PAGE_TOKEN_INVALID', message } });
    });
  }

  test('lead through every item once; a full last page is followed by an empty one', () => {
    fc.assert(
      fc.property(fc.nat(500), fc.integer({ min: 1, max: 100 }), (count, limit) => {
        const all = Array.from({ length: count }, (_, index) => index);
        const seen: number[] = [];
        let pages = 0;
        for (let next: string | null | undefined; next !== null; pages += 1) {
          const token = readPageToken(next === undefined ? [] : [next], limit);
          assert.ok(token.ok);
          const page: Page<number> = pageOf(all, token.value);
          seen.push(...page.items);
          next = page.next;
        }
        assert.deepEqual(seen, all);
        assert.equal(pages, Math.floor(count / limit) + 1);
      }),
    );
  });
});

describe('machine metadata', () => {
  const operation = (machine: string, key: string) => ({ op: 'add', path: `/${machine}/metadata/${key}`, value: 'x' });

  test('set wins over what was removed, and the other way round, in the order of the request', () => {
    const before = { ...noOverride, set: { a: '1', b: '2' }, removed: ['c'] };
    const changes = checkOperations([
      { op: 'remove', path: '/m/metadata/a', value: '' },
      { op: 'add', path: '/m/metadata/c', value: '3' },
      { op: 'replace', path: '/m/metadata/__proto__', value: '4' },
    ]);
    assert.ok(changes.ok);
    const after = changeOverride(before, changes.value);
    assert.ok(after.ok);
    const { set, removed } = after.value;
    assert.equal(JSON.stringify({ set, removed }), '{"set":{"b":"2","c":"3","__proto__":"4"},"removed":["a"]}');
  });

  test('is bounded in machines, entries and characters', () => {
    const many = Array.from({ length: 100 }, (_, index) => operation(`m${index}`, 'k'));
    assert.equal(checkOperations(many).ok, false);
    assert.equal(checkOperations([operation('m', 'k'.repeat(limits.metadataCharactersMax + 1))]).ok, false);
    const keys = Array.from({ length: limits.metadataPairsMax + 1 }, (_, index) => operation('m', `k${index}`));
    const changes = checkOperations(keys);
    assert.ok(changes.ok);
    assert.equal(changeOverride(noOverride, changes.value).ok, false);
  });

  test('of several people at once is all kept', async () => {
    const fleetd = await startFakeFleetd();
    const patch = (key: string) =>
      fleetd.app.inject({ method: 'PATCH', url: '/fleet/v1/machines', payload: JSON.stringify([operation('m', key)]) });
    const answers = await Promise.all(['a', 'b', 'c', 'd'].map(patch));
    assert.deepEqual(
      answers.map(({ statusCode }) => statusCode),
      [204, 204, 204, 204],
    );
    const stored = await fleetd.stored('machine-overrides/');
    assert.deepEqual(Object.keys(JSON.parse(stored['machine-overrides/m'] ?? '{}').set).sort(), ['a', 'b', 'c', 'd']);
    await fleetd.close();
  });
});

test('PUT: options that would not read back as themselves are refused', async () => {
  const fleetd = await startFakeFleetd();
  const put = async (option: object, more: object = {}) => {
    const payload = JSON.stringify({ desiredState: 'inactive', options: [option], ...more });
    const headers = { 'content-type': 'application/json' };
    return (await fleetd.app.inject({ method: 'PUT', url: '/fleet/v1/units/a.service', headers, payload })).statusCode;
  };
  assert.equal(await put({ section: 'Service', name: 'ExecStart', value: '/bin/true\n[Service]\nUser=root' }), 400);
  assert.equal(await put({ section: 'Service]\n[Unit', name: 'A', value: 'b' }), 400);
  assert.equal(
    await put({ section: 'Service', name: 'ExecStart', value: '/bin/true' }, { desiredState: 'bogus' }),
    400,
  );
  assert.deepEqual(await fleetd.stored('units/'), {});
  assert.equal(
    await put({ section: 'Service', name: 'ExecStart', value: '/bin/true' }, { desiredState: 'launched' }),
    201,
  );
  assert.equal(
    await put({ section: 'Service', name: 'ExecStart', value: '/bin/false' }, { desiredState: undefined }),
    201,
  );
  const unit = await fleetd.app.inject({ method: 'GET', url: '/fleet/v1/units/a.service' });
  assert.equal(unit.json<{ desiredState: string }>().desiredState, 'launched', 'the state that nobody asked to change');
  await fleetd.close();
});

test('the discovery document names resources, methods and schemas that refer to each other', () => {
  const text = JSON.stringify(discoveryDocument);
  const { schemas, resources, id, basePath } = discoveryDocument as unknown as {
    id: string;
    basePath: string;
    schemas: Record<string, { id: string }>;
    resources: Record<string, { methods: Record<string, { id: string }> }>;
  };
  assert.deepEqual([id, basePath], ['fleet:v1', '/fleet/v1/']);
  for (const [name, schema] of Object.entries(schemas)) assert.equal(schema.id, name);
  for (const [, name = ''] of text.matchAll(/"\$ref":"(\w+)"/g)) assert.ok(name in schemas, name);
  const ids = Object.values(resources).flatMap(({ methods }) => Object.values(methods).map((method) => method.id));
  assert.deepEqual(ids, [
    'fleet.Machine.List',
    'fleet.Unit.List',
    'fleet.Unit.Get',
    'fleet.Unit.Delete',
    'fleet.Unit.Set',
    'fleet.UnitState.List',
    'fleet.UnitState.Get',
  ]);
});
