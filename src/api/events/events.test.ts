import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, request as httpRequest, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, test, type TestContext } from 'node:test';
import { limits } from '../../core/limits.ts';
import { createManualClock, type ManualClock } from '../../lib/manual-clock.ts';
import { createSectionReader } from '../../core/schedule/sections.ts';
import { keys } from '../../store/keys.ts';
import type { UnitName } from '../../core/unit-name.ts';
import type { MachineId } from '../../core/machine.ts';
import {
  fakeMachine,
  fakeMachineId,
  putAssignment,
  putMachine,
  putStatus,
  startFakeFleetd,
  type FakeFleetd,
} from '../fake-fleetd.ts';
import { createEventHistory } from './event-history.ts';

const sleepText = '[Service]\nExecStart=/bin/sleep infinity\n';
const stepLimitMs = 60_000;

let fleetd: FakeFleetd;
let server: Server;

/** One event as it came. */
interface Seen {
  readonly id: number;
  readonly kind: string;
  readonly data: {
    readonly name?: string;
    readonly machine?: string;
    readonly present?: true;
    readonly [field: string]: unknown;
  };
}

/** A reader of one stream. */
interface Reader {
  readonly status: number;
  readonly seen: Seen[];
  readonly text: () => string;
  until(holds: (seen: readonly Seen[]) => boolean): Promise<void>;
  readonly ended: Promise<void>;
  close(): void;
}

const readers = new Set<Reader>();

async function open(query: string, body?: object): Promise<Reader> {
  const { port } = server.address() as AddressInfo;
  const request = httpRequest({
    host: '127.0.0.1',
    port,
    method: body === undefined ? 'GET' : 'POST',
    path: `/fleet/v2/events${query}`,
    agent: false,
    headers: body === undefined ? {} : { 'content-type': 'application/json' },
  });
  request.end(body === undefined ? undefined : JSON.stringify(body));
  const [response] = (await once(request, 'response', { signal: AbortSignal.timeout(stepLimitMs) })) as [
    IncomingMessage,
  ];
  const seen: Seen[] = [];
  const looking = new Set<() => void>();
  let text = '';
  let pending = '';
  response.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
    const frames = (pending + chunk).split('\n\n');
    pending = frames.pop() ?? '';
    for (const frame of frames) {
      const fields = new Map(
        frame.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
      );
      if (fields.has('event')) {
        seen.push({
          id: Number(fields.get('id')),
          kind: fields.get('event') ?? '',
          data: JSON.parse(fields.get('data') ?? '{}'),
        });
      }
    }
    for (const look of looking) look();
  });
  response.on('error', () => undefined);
  const reader: Reader = {
    status: response.statusCode ?? 0,
    seen,
    text: () => text,
    ended: new Promise((resolve) => response.once('close', () => resolve())),
    close: () => void request.destroy(),
    async until(holds) {
      const { promise, resolve, reject } = Promise.withResolvers<undefined>();
      const look = (): void => {
        if (holds(seen)) resolve(undefined);
      };
      const timer = setTimeout(
        () => reject(new Error(`not seen in time; seen: ${JSON.stringify(seen.slice(-5))}`)),
        stepLimitMs,
      );
      looking.add(look);
      look();
      await promise.finally(() => {
        clearTimeout(timer);
        looking.delete(look);
      });
    },
  };
  request.on('error', () => undefined);
  readers.add(reader);
  return reader;
}

const isCurrent = (seen: readonly Seen[]): boolean => seen.some(({ kind }) => kind === 'current');
const brief = (seen: readonly Seen[]): readonly string[] =>
  seen.map(({ kind, data }) =>
    [kind, data.name ?? data.machine ?? '', data.present === true ? 'present' : ''].join(' ').trim(),
  );

async function apply(names: readonly string[], desired = 'launched'): Promise<number> {
  const answer = await fleetd.app.inject({
    method: 'POST',
    url: '/fleet/v2/apply',
    headers: { 'content-type': 'application/json' },
    payload: JSON.stringify({ units: names.map((name) => ({ name, text: sleepText })), desired }),
  });
  assert.equal(answer.statusCode, 200, answer.body);
  return answer.json<{ revision: number }>().revision;
}

beforeEach(async () => {
  fleetd = await startFakeFleetd();
  server = createServer();
  fleetd.attach(server);
  await once(server.listen(0, '127.0.0.1'), 'listening');
});
afterEach(async () => {
  for (const reader of readers) reader.close();
  readers.clear();
  await fleetd.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

describe('event streams', () => {
  test('begin with the present state, then current, then every change', async () => {
    await apply(['a.service']);
    await fleetd.write([
      putMachine(fakeMachine(fakeMachineId)),
      putAssignment(fakeMachineId, 'a.service'),
      putStatus(fakeMachineId, 'a.service'),
    ]);
    const reader = await open('');
    await reader.until(isCurrent);
    assert.deepEqual(brief(reader.seen), [
      'unit a.service present',
      'assignment a.service present',
      'status a.service present',
      `machine ${fakeMachineId} present`,
      'current',
    ]);
    await fleetd.write([
      putStatus(fakeMachineId, 'a.service', { active: 'failed', sub: 'failed', result: 'exit-code' }),
    ]);
    await reader.until((seen) => seen.length === 7);
    assert.deepEqual(brief(reader.seen.slice(5)), ['unit a.service', 'status a.service']);
    assert.equal((reader.seen[5]?.data['unit'] as { current: string }).current, 'loaded');
    await fleetd.write([
      { kind: 'delete', key: keys.status(fakeMachineId, 'a.service' as UnitName) },
      { kind: 'delete', key: keys.machine(fakeMachineId) },
    ]);
    await reader.until((seen) => seen.some(({ kind, data }) => kind === 'machine' && data['view'] === null));
    assert.equal(reader.seen.at(-2)?.data['status'], null);
  });

  test('the leader and the number of units are part of a machine', async () => {
    await fleetd.write([putMachine(fakeMachine(fakeMachineId))]);
    const reader = await open('?kind=machine');
    await reader.until(isCurrent);
    await fleetd.write([{ kind: 'put', key: 'leader', value: JSON.stringify({ machine: fakeMachineId, sinceMs: 1 }) }]);
    await fleetd.write([putAssignment(fakeMachineId, 'a.service')]);
    await reader.until((seen) => seen.length === 4);
    assert.deepEqual(
      reader.seen
        .slice(2)
        .map(({ data }) => data['view'] as { leader: boolean; units: number })
        .map(({ leader, units }) => [leader, units]),
      [
        [true, 0],
        [true, 1],
      ],
    );
  });

  test('can be limited to units and kinds', async () => {
    await fleetd.write([putMachine(fakeMachine(fakeMachineId))]);
    const byQuery = await open('?unit=a.service&unit=b.service&kind=unit');
    const byBody = await open('', { units: ['a.service', 'b.service'] });
    await Promise.all([byQuery.until(isCurrent), byBody.until(isCurrent)]);
    await apply(['a.service', 'c.service']);
    await fleetd.write([putAssignment(fakeMachineId, 'a.service'), putAssignment(fakeMachineId, 'c.service')]);
    await byQuery.until((seen) => seen.length === 3);
    await byBody.until((seen) => seen.length === 4);
    assert.deepEqual(brief(byQuery.seen), ['current', 'unit a.service', 'unit a.service']);
    assert.deepEqual(brief(byBody.seen), ['current', 'unit a.service', 'unit a.service', 'assignment a.service']);
  });

  test('resume after a revision without losing or repeating anything', async () => {
    await (await open('')).until(isCurrent);
    const first = await apply(['a.service']);
    const second = await apply(['b.service', 'c.service']);
    const resumed = await open(`?from=${first}`);
    await apply(['d.service']);
    await resumed.until((seen) => seen.length === 3);
    assert.deepEqual(brief(resumed.seen), ['unit b.service', 'unit c.service', 'unit d.service']);
    assert.deepEqual(
      resumed.seen.slice(0, 2).map(({ id }) => id),
      [second, second],
    );
  });

  test('wait for a revision that another fleetd has announced', async () => {
    const revision = fleetd.mirror.snapshot().revision + 1;
    const opening = open(`?at-least=${revision}`);
    await apply(['a.service']);
    const reader = await opening;
    await reader.until(isCurrent);
    assert.deepEqual(brief(reader.seen), ['unit a.service present', 'current']);
    assert.ok((reader.seen.at(-1)?.id ?? 0) >= revision);
  });

  test('are refused with a reason when the request makes no sense', async () => {
    for (const query of [
      '?kind=bogus',
      '?from=x',
      '?at-least=-1',
      `?${'unit=a.service&'.repeat(limits.unitsPerRequestMax + 1)}`,
    ]) {
      const answer = await fleetd.app.inject({ method: 'GET', url: `/fleet/v2/events${query}` });
      assert.ok([400, 413].includes(answer.statusCode), query.slice(0, 20));
    }
    assert.equal(
      (
        await fleetd.app.inject({
          method: 'POST',
          url: '/fleet/v2/events',
          headers: { 'content-type': 'application/json' },
          payload: '{"unit":1}',
        })
      ).statusCode,
      400,
    );
  });

  test('one more than the limit is refused, and a closed one makes room', async () => {
    const open200 = await Promise.all(Array.from({ length: limits.eventStreamsMax }, () => open('?kind=machine')));
    assert.equal((await open('')).status, 503);
    open200[0]?.close();
    let status = 503;
    for (let tries = 0; status === 503 && tries < 500; tries += 1) {
      const reader = await open('');
      status = reader.status;
      reader.close();
    }
    assert.equal(status, 200);
  });

  test('end when the API stops', async () => {
    const reader = await open('');
    await reader.until(isCurrent);
    await fleetd.close();
    await reader.ended;
    assert.ok(reader.text().endsWith('\n\n'), 'no event is torn');
  });

  test('a thousand units in one request are a thousand events', async () => {
    const names = Array.from({ length: 1_000 }, (_, index) => `many@${index}.service`);
    const reader = await open('?kind=unit');
    await reader.until(isCurrent);
    await apply(names);
    await reader.until((seen) => seen.length >= 1_001);
    assert.deepEqual(new Set(reader.seen.slice(1).map(({ data }) => data.name)), new Set(names));
    assert.equal(reader.seen.length, 1_001);
  });
});

describe('the history of events', () => {
  test('is bounded, and says when a revision is no longer in it', async () => {
    const history = createEventHistory(fleetd.mirror, { sections: createSectionReader(), clock: createManualClock() });
    history.subscribe(() => undefined);
    const first = history.position();
    await fleetd.write([putMachine(fakeMachine(fakeMachineId))]);
    assert.deepEqual(
      history.after(first)?.frames.map(({ kind }) => kind),
      ['machine'],
    );
    assert.equal(history.after(first + 2), null, 'a revision that has not come yet');
    const batch = 100;
    for (let written = 0; written <= limits.eventBacklogMax; written += batch) {
      await fleetd.write(
        Array.from({ length: batch }, (_, index) =>
          putStatus('a'.repeat(32), `a@${index}.service`, { mainPid: written }),
        ),
      );
    }
    assert.equal(history.after(first), null);
    const kept = history.after(history.position() - 1);
    assert.equal(kept?.frames.length, batch);
    history.close();
  });

  test('is kept while somebody listens and for a minute after, and begins with the next who does', async () => {
    const clock = createManualClock();
    const history = createEventHistory(fleetd.mirror, { sections: createSectionReader(), clock });
    const unheard = history.position();
    await fleetd.write([putMachine(fakeMachine(fakeMachineId, { hostname: 'one' }))]);
    assert.equal(history.after(unheard), null);
    const unsubscribe = history.subscribe(() => undefined);
    const heard = history.position();
    unsubscribe();
    await clock.advance(59_000);
    await fleetd.write([putMachine(fakeMachine(fakeMachineId, { hostname: 'two' }))]);
    assert.deepEqual(history.after(heard)?.frames.map(({ kind }) => kind), ['machine']);
    await clock.advance(1_000);
    await fleetd.write([putMachine(fakeMachine(fakeMachineId, { hostname: 'three' }))]);
    assert.equal(history.after(heard), null);
    history.close();
  });

  test('an answer 410 tells a reader to begin again', async () => {
    const first = fleetd.mirror.snapshot().revision;
    for (let written = 0; written <= limits.eventBacklogMax; written += 100) {
      await fleetd.write(
        Array.from({ length: 100 }, (_, index) =>
          putStatus('a'.repeat(32) as MachineId, `a@${index}.service`, { mainPid: written }),
        ),
      );
    }
    const reader = await open(`?from=${first}`);
    assert.equal(reader.status, 410);
  });
});

/** An API whose time is moved by hand, and the answer to one request for events. */
async function openOnManualClock(
  t: TestContext,
): Promise<{ readonly clock: ManualClock; readonly still: FakeFleetd; readonly response: IncomingMessage }> {
  const clock = createManualClock();
  const still = await startFakeFleetd({ clock });
  const quiet = createServer();
  still.attach(quiet);
  await once(quiet.listen(0, '127.0.0.1'), 'listening');
  const request = httpRequest({
    host: '127.0.0.1',
    port: (quiet.address() as AddressInfo).port,
    path: '/fleet/v2/events',
    agent: false,
  });
  request.on('error', () => undefined);
  request.end();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  response.on('error', () => undefined);
  t.after(async () => {
    await still.close();
    request.destroy();
    quiet.closeAllConnections();
    await new Promise((resolve) => quiet.close(resolve));
  });
  return { clock, still, response };
}

test('a comment every 15 s shows that a stream lives', async (t) => {
  const { clock, response } = await openOnManualClock(t);
  const chunks = response.setEncoding('utf8')[Symbol.asyncIterator]();
  assert.match(String((await chunks.next()).value), /event: current/);
  const next = chunks.next();
  await clock.advance(15_000);
  assert.equal((await next).value, ': alive\n\n');
});

test('a reader that takes nothing for a minute is cut off, with a line in the log', async (t) => {
  const { clock, still, response } = await openOnManualClock(t);
  response.pause();
  for (let round = 0; !still.logLines.some((line) => line.includes('its reader takes nothing')); round += 1) {
    assert.ok(round < 200, 'cut off in the end');
    await still.write(
      Array.from({ length: 100 }, (_, index) =>
        putStatus(fakeMachineId, `a@${index}.service`, { mainPid: round, problem: 'x'.repeat(2_000) }),
      ),
    );
    await clock.advance(60_000);
  }
});

test('a reader that falls out of the history is cut off, with a line in the log', async (t) => {
  const { clock, still, response } = await openOnManualClock(t);
  response.pause();
  // Time stands still, so that only the history decides; the reader goes on once it has moved past it.
  for (let round = 0; round < 150; round += 1) {
    await still.write(
      Array.from({ length: 100 }, (_, index) =>
        putStatus(fakeMachineId, `a@${index}.service`, { mainPid: round, problem: 'x'.repeat(2_000) }),
      ),
    );
  }
  response.resume();
  for (let turn = 0; !still.logLines.some((line) => line.includes('fell too far behind')); turn += 1) {
    assert.ok(turn < 10_000, 'cut off in the end');
    await clock.settle();
  }
});

describe('history in the stream', () => {
  const app = 'app.service' as UnitName;
  const moved = { atMs: 7, what: 'moved', machine: fakeMachineId, why: 'the other is gone', count: 1 };
  const putHistory = (events: readonly object[]): Parameters<FakeFleetd['write']>[0][number] => ({
    kind: 'put', key: keys.unitHistory(app), value: JSON.stringify({ events }),
  });
  const told = (seen: readonly Seen[]): readonly string[] =>
    seen.filter(({ kind }) => kind === 'history').map(({ data }) => {
      const { what, atMs } = data['event'] as { readonly what: string; readonly atMs: number };
      return `${what} ${String(atMs)}${data.present === true ? ' present' : ''}`;
    });

  test('what happens is told once: a placement when it begins, not again when it is written down', async () => {
    const reader = await open('?kind=history&unit=app.service');
    await fleetd.write([putAssignment('m1', app, { assignedAtMs: 5 })]);
    const placed = { atMs: 5, what: 'placed', machine: 'm1', why: '', count: 1 };
    await fleetd.write([putAssignment(fakeMachineId, app, { assignedAtMs: 7 }), putHistory([{ ...placed, why: 'before' }, moved])]);
    await reader.until((seen) => told(seen).some((event) => event.startsWith('moved')));
    assert.equal(told(reader.seen)[0], 'placed 5');
    assert.equal(told(reader.seen).filter((event) => event.startsWith('moved')).length, 1);
    assert.equal(told(reader.seen).filter((event) => event.startsWith('placed 7')).length, 0);
  });

  test('what is remembered comes first, and a stream that did not ask for history gets none', async () => {
    await fleetd.write([putHistory([moved])]);
    const [asking, other] = [await open('?kind=history'), await open('')];
    await asking.until((seen) => seen.some(({ kind }) => kind === 'current'));
    assert.deepEqual(told(asking.seen), ['moved 7 present']);
    await fleetd.write([putHistory([moved, { ...moved, atMs: 9, what: 'failed' }])]);
    await asking.until((seen) => told(seen).includes('failed 9'));
    assert.deepEqual(told(other.seen), []);
  });
});
