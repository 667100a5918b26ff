import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import { limits } from '../../core/limits.ts';
import type { FileHash, UnitRecord } from '../../core/unit.ts';
import type { UnitName } from '../../core/unit-name.ts';
import { createManualClock } from '../../lib/manual-clock.ts';
import type { ApplyAnswer } from '../../protocol/v2.ts';
import { keys } from '../../store/keys.ts';
import { createMemoryStore, type StoreCall, type StoreFault } from '../../store/memory-store.ts';
import { encodeRecord } from '../../store/records.ts';
import { startFakeFleetd, type FakeFleetd } from '../fake-fleetd.ts';
import { decodePart, encodePart } from './operation-record.ts';
import { runOperations } from './operation.ts';
import { commitOf, fitsOneCommit, partsOf, type Plan } from './plan.ts';

const names = Array.from({ length: 400 }, (_, index) => `many@${index}.service`);
const text = '[Service]\nExecStart=/bin/sleep infinity\n';

async function post(
  fleetd: FakeFleetd,
  path: string,
  payload: object,
): Promise<{ readonly status: number; readonly body: string }> {
  const answer = await fleetd.app.inject({
    method: 'POST',
    url: `/fleet/v2/${path}`,
    headers: { 'content-type': 'application/json' },
    payload: JSON.stringify(payload),
  });
  return { status: answer.statusCode, body: answer.body };
}

const launch = (fleetd: FakeFleetd, units = names): ReturnType<typeof post> =>
  post(fleetd, 'apply', { units: units.map((name) => ({ name, text })), desired: 'launched' });

/** Desired states in the store, counted. */
async function desiredStates(fleetd: FakeFleetd): Promise<Readonly<Record<string, number>>> {
  const counts: Record<string, number> = {};
  for (const value of Object.values(await fleetd.stored('units/'))) {
    const { desired } = JSON.parse(value) as UnitRecord;
    counts[desired] = (counts[desired] ?? 0) + 1;
  }
  return counts;
}

/** A machine whose fleetd dies at its Nth commit: that one takes effect or not, nothing after it does. */
function dyingAt(
  commit: number,
  fails: 'before' | 'after',
): { readonly faultOf: (call: StoreCall) => StoreFault; readonly hasDied: () => boolean } {
  let commits = 0;
  return {
    hasDied: () => commits >= commit,
    faultOf: ({ verb }) => {
      if (verb === 'commit') commits += 1;
      if (commits > commit) return { fails: 'before' };
      return verb === 'commit' && commits === commit ? { fails } : {};
    },
  };
}

describe('a request larger than one commit', () => {
  test('is carried out whole, answered once it is, and leaves nothing behind', async () => {
    const fleetd = await startFakeFleetd();
    const { status, body } = await launch(fleetd);
    assert.equal(status, 200, body);
    const answer = JSON.parse(body) as ApplyAnswer;
    assert.deepEqual(
      answer.units.map(({ name, desired }) => `${name} ${desired}`),
      names.map((name) => `${name} launched`),
    );
    assert.deepEqual(await desiredStates(fleetd), { launched: names.length });
    assert.equal(fleetd.mirror.snapshot().revision, answer.revision);
    assert.deepEqual(await fleetd.stored('operation'), {});
    const destroyed = await post(fleetd, 'destroy', { names });
    assert.equal(destroyed.status, 200);
    assert.deepEqual(await desiredStates(fleetd), {});
    await fleetd.close();
  });

  test('with one wrong unit changes nothing and leaves nothing behind', async () => {
    const fleetd = await startFakeFleetd();
    const before = await fleetd.stored();
    const { status } = await post(fleetd, 'apply', {
      units: [...names.map((name) => ({ name, text })), { name: 'wrong.service' }],
      desired: 'launched',
    });
    assert.equal(status, 404);
    assert.deepEqual(await fleetd.stored(), before);
    await fleetd.close();
  });

  for (const fails of ['before', 'after'] as const) {
    test(`whose fleetd dies ${fails} any of its commits happens for all its units or for none`, async () => {
      let accepted = 0;
      let abandoned = 0;
      for (let commit = 1; ; commit += 1) {
        const clock = createManualClock();
        const memory = createMemoryStore({ clock });
        const fate = dyingAt(commit, fails);
        const dying = await startFakeFleetd({ memory, clock, store: memory.client(fate.faultOf) });
        const answering = launch(dying);
        await clock.advance(60_000);
        const { status } = await answering;
        await dying.close();
        const heir = await startFakeFleetd({ memory, clock });
        const stop = new AbortController();
        const running = runOperations(heir.needs, stop.signal);
        await clock.advance(120_000);
        const states = await desiredStates(heir);
        assert.deepEqual(await heir.stored('operation'), {}, `commit ${commit}: nothing is left behind`);
        assert.ok(
          [`{"launched":${names.length}}`, '{}'].includes(JSON.stringify(states)),
          `commit ${commit}: ${JSON.stringify(states)}`,
        );
        if (status === 200) assert.deepEqual(states, { launched: names.length }, 'an acknowledged request is durable');
        if (states['launched'] === undefined) abandoned += 1;
        else accepted += 1;
        const next = await launch(heir);
        assert.equal(next.status, 200, `commit ${commit}: the next large request goes through: ${next.body}`);
        stop.abort();
        await running;
        await heir.close();
        memory.close();
        if (!fate.hasDied()) break;
      }
      assert.ok(accepted > 3 && abandoned > 3, `${accepted} were finished, ${abandoned} given up`);
    });
  }

  test('is finished by several heirs at once, each part once', async () => {
    const clock = createManualClock();
    const memory = createMemoryStore({ clock });
    const dying = await startFakeFleetd({ memory, clock, store: memory.client(dyingAt(8, 'after').faultOf) });
    await launch(dying);
    await dying.close();
    assert.equal(JSON.parse((await dying.stored('operation'))['operation'] ?? '{}').state, 'accepted');
    const heirs = await Promise.all([1, 2, 3].map(() => startFakeFleetd({ memory, clock })));
    const stop = new AbortController();
    const running = heirs.map((heir) => runOperations(heir.needs, stop.signal));
    await clock.advance(120_000);
    for (const value of Object.values(await dying.stored('units/'))) {
      assert.equal((JSON.parse(value) as UnitRecord).generation, 1);
    }
    assert.deepEqual(await desiredStates(dying), { launched: names.length });
    stop.abort();
    await Promise.all(running);
    await Promise.all(heirs.map((heir) => heir.close()));
    memory.close();
  });

  test('leaves a unit alone that somebody changed after it was accepted', async () => {
    const clock = createManualClock();
    const memory = createMemoryStore({ clock });
    const dying = await startFakeFleetd({ memory, clock, store: memory.client(dyingAt(8, 'after').faultOf) });
    await launch(dying);
    await dying.close();
    const heir = await startFakeFleetd({ memory, clock });
    const left = names.filter((name) => !heir.mirror.snapshot().units.has(name as UnitName));
    const [wish = ''] = left;
    assert.ok(left.length > 0);
    assert.equal((await post(heir, 'apply', { units: [{ name: wish, text }], desired: 'loaded' })).status, 200);
    const stop = new AbortController();
    const running = runOperations(heir.needs, stop.signal);
    await clock.advance(120_000);
    assert.deepEqual(await desiredStates(heir), { launched: names.length - 1, loaded: 1 });
    assert.equal(heir.mirror.snapshot().units.get(wish as UnitName)?.desired, 'loaded');
    stop.abort();
    await running;
    await heir.close();
    memory.close();
  });

  test('waits for another one, so that two never mix', async () => {
    const memory = createMemoryStore({ clock: createManualClock() });
    const fleetds = await Promise.all([startFakeFleetd({ memory }), startFakeFleetd({ memory })]);
    const [first, second] = fleetds;
    await launch(first);
    const answers = await Promise.all([
      post(first, 'apply', { units: names.map((name) => ({ name })), desired: 'inactive' }),
      post(second, 'apply', { units: names.map((name) => ({ name })), desired: 'loaded' }),
    ]);
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 200],
    );
    assert.equal(Object.keys(await desiredStates(first)).length, 1);
    await Promise.all(fleetds.map((fleetd) => fleetd.close()));
  });
});

describe('small requests', () => {
  test('of several people at once all happen, one after another', async () => {
    const memory = createMemoryStore({ clock: createManualClock() });
    const fleetds = await Promise.all([1, 2, 3].map(() => startFakeFleetd({ memory })));
    await Promise.all(fleetds.map((fleetd) => launch(fleetd, ['a.service'])));
    const restarts = fleetds.flatMap((fleetd) =>
      [1, 2].map(() => post(fleetd, 'apply', { units: [{ name: 'a.service' }], restart: true })),
    );
    assert.deepEqual(
      (await Promise.all(restarts)).map(({ status }) => status),
      [200, 200, 200, 200, 200, 200],
    );
    const { generation, restart } = JSON.parse(
      (await memory.list(keys.unit('a.service' as UnitName), new AbortController().signal)).entries[0]?.value ?? '',
    ) as UnitRecord;
    assert.deepEqual({ generation, restart }, { generation: 7, restart: 6 });
    await Promise.all(fleetds.map((fleetd) => fleetd.close()));
  });

  test('that get no answer of the store for two seconds are told that it was lost, and are done or not', async () => {
    for (const fails of ['before', 'after'] as const) {
      const clock = createManualClock();
      const memory = createMemoryStore({ clock });
      const fleetd = await startFakeFleetd({ memory, clock, store: memory.client(dyingAt(1, fails).faultOf) });
      const launching = launch(fleetd, ['a.service', 'b.service']);
      let isAnswered = false;
      void launching.then(() => { isAnswered = true; });
      while (!isAnswered) { // The request itself needs the real event loop to arrive.
        await clock.advance(100);
        await setImmediate();
      }
      const { status, body } = await launching;
      assert.equal(status, 503);
      assert.match(JSON.parse(body).error.message, /^fleet server unable to communicate with etcd(: .+)?$/);
      assert.equal(Object.keys(await fleetd.stored('units/')).length, fails === 'after' ? 2 : 0);
      await fleetd.close();
    }
  });
});

describe('parts of a plan', () => {
  const record = (hash: string): UnitRecord => ({
    hash: hash as FileHash,
    desired: 'launched',
    generation: 1,
    restart: 0,
    reset: 0,
    release: 0,
    changedAtMs: 0,
    changedBy: 'x'.repeat(256),
    adoptOn: null,
  });
  const plans = fc
    .record({
      count: fc.integer({ min: 1, max: 400 }),
      files: fc.array(fc.integer({ min: 1, max: limits.unitFileBytesMax - 10 }), { minLength: 1, maxLength: 40 }),
      filler: fc.constantFrom('x', '"', '\u0001', '\u00e9'),
    })
    .map(({ count, files, filler }): Plan => {
      const texts = files.map((bytes, index) => filler.repeat(Math.floor(bytes / Buffer.byteLength(filler))) + index);
      return {
        units: Array.from({ length: count }, (_, index) => ({
          name: `${'n'.repeat(200)}@${index}.service` as UnitName,
          basis: 0,
          record: record(String(index % texts.length)),
        })),
        files: new Map(texts.map((content, index) => [String(index) as FileHash, content])),
        unchanged: [],
      };
    });

  test('hold every unit once, in order, each with its file, and fit one commit written down and carried out', () => {
    fc.assert(
      fc.property(plans, (plan) => {
        const parts = partsOf(plan);
        assert.deepEqual(
          parts.flatMap((part) => part.units),
          plan.units,
        );
        for (const part of parts) {
          for (const { record: after } of part.units) {
            assert.equal(part.files.get(after?.hash as FileHash), plan.files.get(after?.hash as FileHash));
          }
          const { guards, changes } = commitOf(part);
          const operation = {
            guard: { key: keys.operation, modRevision: 0 as const },
            change: { kind: 'put', key: keys.operation, value: 'x'.repeat(500) } as const,
          };
          const carriedOut = {
            guards: [operation.guard, ...guards],
            changes: [...changes, operation.change, { kind: 'delete', key: keys.operationPart(0) } as const],
          };
          assert.ok(fitsOneCommit(carriedOut), 'carrying it out');
          assert.ok(
            fitsOneCommit({
              guards: [operation.guard],
              changes: [{ kind: 'put', key: keys.operationPart(0), value: encodePart(part) }],
            }),
            'writing it down',
          );
        }
      }),
      { numRuns: 60 },
    );
  });

  test('read back as they were written; other texts are no part', () => {
    fc.assert(
      fc.property(plans, (plan) => assert.deepEqual(decodePart(encodePart(plan)), plan)),
      { numRuns: 20 },
    );
    for (const json of [
      '',
      '{',
      '[]',
      'null',
      '{"units":[{"name":"a"}]}',
      '{"units":[{"name":"a","basis":0,"record":"{}"}],"files":{}}',
    ])
      assert.equal(decodePart(json), null);
    assert.equal(encodeRecord(record('a')).includes('"hash":"a"'), true);
  });
});
