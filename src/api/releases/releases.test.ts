/** Releases and scale over HTTP: what a request stores, and what it is refused for. The engine's part is written by hand. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { limits } from '../../core/limits.ts';
import type { ReleaseRecord } from '../../core/release/release.ts';
import type { UnitRecord } from '../../core/unit.ts';
import type { UnitName } from '../../core/unit-name.ts';
import type { ReleaseAnswer, ReleaseDetails, ReleaseList, ReleaseView } from '../../protocol/releases.ts';
import type { ScaleAnswer } from '../../protocol/v2.ts';
import { keys } from '../../store/keys.ts';
import { encodeRecord } from '../../store/records.ts';
import { fakeMachine, fakeMachineId, putAssignment, putMachine, putStatus, startFakeFleetd, type FakeFleetd } from '../fake-fleetd.ts';

const apps = 'apps@.service' as UnitName;
const text = (version: number, section = ''): string => `[Service]\nEnvironment=V=${version}\nExecStart=/bin/sleep 9\n\n[X-Fleet]\n${section}\n`;

let fleetd: FakeFleetd;
beforeEach(async () => {
  fleetd = await startFakeFleetd();
});
afterEach(() => fleetd.close());

interface Refused {
  readonly error: { readonly code: number; readonly reason: string; readonly message: string };
}

async function send<T>(path: string, payload: object): Promise<{ readonly status: number; readonly body: T }> {
  const answer = await fleetd.app.inject({
    method: 'POST',
    url: `/fleet/v2${path}`,
    headers: { 'content-type': 'application/json' },
    payload: JSON.stringify(payload),
  });
  return { status: answer.statusCode, body: answer.json() };
}

async function post<T>(path: string, payload: object): Promise<T> {
  const { status, body } = await send<T>(path, payload);
  assert.equal(status, 200, JSON.stringify(body));
  return body;
}

async function refused(path: string, payload: object): Promise<string> {
  const { status, body } = await send<Refused>(path, payload);
  assert.equal(status, body.error.code);
  return `${body.error.code} ${body.error.reason}: ${body.error.message}`;
}

async function get<T>(path: string): Promise<{ readonly status: number; readonly body: T }> {
  const answer = await fleetd.app.inject({ method: 'GET', url: `/fleet/v2${path}` });
  return { status: answer.statusCode, body: answer.json() };
}

const start = (version: number, ...names: readonly string[]): Promise<unknown> =>
  post('/apply', { units: names.map((name) => ({ name, text: text(version) })), desired: 'launched' });

async function release(version: number | null, more: object = {}): Promise<ReleaseView> {
  const request = { name: apps, by: 'ann', ...(version === null ? {} : { text: text(version) }), ...more };
  return (await post<ReleaseAnswer>('/releases', request)).release;
}

const order = async (action: string, more: object = {}): Promise<ReleaseView> =>
  (await post<ReleaseAnswer>(`/releases/${apps}`, { action, by: 'ann', ...more })).release;

const recordOf = (): ReleaseRecord => {
  const record = fleetd.mirror.snapshot().releases.get(apps);
  assert.ok(record);
  return record;
};
const unit = (name: string): UnitRecord | undefined => fleetd.mirror.snapshot().units.get(name as UnitName);

/** What the engine does at the end: every unit has the target, and the release is done. */
async function finish(): Promise<void> {
  const record = recordOf();
  const generations = record.generations.map((generation) => (generation.number === record.target ? { ...generation, outcome: 'done' as const } : generation));
  const hash = generations.find(({ number }) => number === record.target)?.hash;
  assert.ok(hash);
  const members = [...fleetd.mirror.snapshot().units].filter(([name]) => name.startsWith('apps@') && name !== apps);
  await fleetd.write([
    { kind: 'put', key: keys.release(apps), value: encodeRecord({ ...record, state: 'done', generations }) },
    ...members.map(([name, before]) => ({ kind: 'put', key: keys.unit(name), value: encodeRecord({ ...before, hash, release: record.target }) }) as const),
  ]);
}

describe('POST /releases', () => {
  test('stores the generation, what to go back to and the template, and no other unit', async () => {
    await start(0, 'apps@1.service', 'apps@2.service');
    const view = await release(1);
    assert.deepEqual([view.target, view.origin, view.goal, view.state, view.total, view.changed], [1, 0, 1, 'rolling', 2, 0]);
    assert.deepEqual(view.generations.map(({ number, outcome }) => `${number} ${outcome}`), ['0 done', '1 rolling']);
    assert.equal(unit(apps)?.hash, view.generations[1]?.hash);
    assert.equal(unit(apps)?.release, 1);
    assert.equal(unit('apps@1.service')?.hash, view.generations[0]?.hash);
    const listed = await get<ReleaseList>('/releases');
    assert.deepEqual(listed.body.releases, [view]);
  });

  test('of the same file is a new generation all the same', async () => {
    await start(0, 'apps@1.service');
    const view = await release(null);
    assert.equal(view.generations[1]?.hash, view.generations[0]?.hash);
    assert.equal(view.target, 1);
  });

  test('proceeds as the request says, else as the new file says, else as always', async () => {
    await start(0, 'apps@1.service');
    const view = await release(null, {
      text: text(1, 'ReleaseBatch=25%\nReleaseMaxFailures=3\nReleaseStrategy=in-place'), strategy: { maxFailures: 1, rollback: false },
    });
    assert.deepEqual(view.strategy, {
      way: 'in-place', batch: '25%', pause: false, maxFailures: 1, minActiveMs: 5_000, healthTimeoutMs: 300_000, rollback: false,
    });
  });

  test('takes the place of one on its way, and goes back to what was everywhere', async () => {
    await start(0, 'apps@1.service');
    await release(1);
    const view = await release(2);
    assert.deepEqual([view.target, view.origin], [2, 0]);
    assert.deepEqual(view.generations.map(({ outcome }) => outcome), ['done', 'left', 'rolling']);
  });

  test('keeps the last ten generations, and the one to go back to however old it is', async () => {
    await start(0, 'apps@1.service');
    for (let version = 1; version <= 12; version += 1) await release(version);
    assert.deepEqual(recordOf().generations.map(({ number }) => number), [0, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    assert.equal(recordOf().generations.length, limits.generationsKept);
  });

  test('what a person changed without a release is what is gone back to', async () => {
    await start(0, 'apps@1.service');
    await release(1);
    await finish();
    await post('/apply', { units: [{ name: 'apps@1.service', text: text(7) }], desired: 'launched', replace: true });
    await release(2);
    assert.equal(recordOf().generations.find(({ number }) => number === 1)?.hash, unit('apps@1.service')?.hash);
  });

  test('an instance that is started meanwhile has the new file and the number of the release', async () => {
    await start(0, 'apps@1.service');
    await release(1);
    await post('/apply', { units: [{ name: 'apps@9.service' }], desired: 'launched' });
    assert.deepEqual([unit('apps@9.service')?.release, unit('apps@9.service')?.hash], [1, unit(apps)?.hash]);
  });

  test('is refused for units that are not there, wrong files and names, and units that are being released', async () => {
    assert.match(await refused('/releases', { name: 'web.service' }), /^404 UNIT_NOT_FOUND: unit web\.service does not exist/);
    assert.match(await refused('/releases', { name: apps }), /^404 TEMPLATE_NOT_FOUND: neither apps@\.service nor an instance/);
    await start(0, 'apps@1.service');
    assert.match(await refused('/releases', { name: 'a b' }), /^400 UNIT_NAME_INVALID: "a b"/);
    assert.match(await refused('/releases', { name: apps, text: '[X-Fleet]\nNope=1\n' }), /^400 UNIT_OPTION_UNKNOWN: .*"Nope"/);
    assert.match(await refused('/releases', { name: apps, strategy: { batch: '0%' } }), /^400 REQUEST_INVALID: "strategy\/batch" is "0%": write a number/);
    assert.match(await refused('/releases', { name: apps, strategy: { fast: true } }), /^400 REQUEST_INVALID: "strategy" has an unknown field "fast"/);
    await release(1);
    assert.match(await refused('/releases', { name: 'apps@1.service' }), /^409 CONFLICT: apps@\.service is being released/);
    await finish();
    await post('/releases', { name: 'apps@1.service' });
    assert.match(await refused('/releases', { name: apps }), /^409 CONFLICT: apps@1\.service is being released/);
  });
});

describe('POST /releases/NAME', () => {
  test('pause and resume', async () => {
    await start(0, 'apps@1.service');
    await release(1, { strategy: { pause: true } });
    assert.deepEqual([(await order('pause')).paused, recordOf().why], [true, 'paused by ann']);
    assert.match(await refused(`/releases/${apps}`, { action: 'pause' }), /^409 RELEASE_NOT_ACTIVE: .*paused already/);
    const resumed = await order('resume');
    assert.deepEqual([resumed.paused, resumed.strategy.pause], [false, false]);
    assert.match(await refused(`/releases/${apps}`, { action: 'resume' }), /^409 RELEASE_NOT_ACTIVE: .*neither paused nor held/);
  });

  test('resume of a held release gives what failed another chance', async () => {
    await start(0, 'apps@1.service');
    await release(1);
    const move = {
      unit: 'apps@2.service' as UnitName, old: 'apps@1.service' as UnitName, machine: null, generation: 1, phase: 'failed' as const, beganAtMs: 0,
      healthySinceMs: null, run: '', why: 'it failed',
    };
    await fleetd.write([{ kind: 'put', key: keys.release(apps), value: encodeRecord({ ...recordOf(), state: 'held', moves: [move] }) }]);
    const view = await order('resume');
    assert.deepEqual([view.state, view.moves[0]?.phase, view.moves[0]?.why], ['rolling', 'starting', '']);
  });

  test('undo of a release on its way goes back, the template at once', async () => {
    await start(0, 'apps@1.service');
    await release(1);
    const view = await order('undo');
    assert.deepEqual([view.state, view.goal, view.why], ['rolling-back', 0, 'undone by ann']);
    assert.deepEqual([unit(apps)?.release, unit(apps)?.hash], [0, unit('apps@1.service')?.hash]);
    assert.match(await refused(`/releases/${apps}`, { action: 'undo' }), /^409 CONFLICT: .*going back already/);
  });

  test('undo after the end brings the file before back, as a new generation, or any that is kept', async () => {
    await start(0, 'apps@1.service');
    for (const version of [1, 2]) {
      await release(version);
      await finish();
    }
    const before = await order('undo');
    assert.deepEqual([before.target, before.generations.at(-1)?.undoOf, before.state], [3, 1, 'rolling']);
    await finish();
    const first = await order('undo', { to: 0 });
    assert.deepEqual([first.target, first.generations.at(-1)?.hash], [4, first.generations[0]?.hash]);
    assert.match(await refused(`/releases/${apps}`, { action: 'undo', to: 9 }), /^404 GENERATION_NOT_FOUND: .*no generation 9; kept are 0, 1, 2, 3, 4/);
  });

  test('what there is nothing to do for is refused', async () => {
    assert.match(await refused(`/releases/${apps}`, { action: 'pause' }), /^404 RELEASE_NOT_FOUND/);
    assert.equal((await get<Refused>(`/releases/${apps}`)).body.error.reason, 'RELEASE_NOT_FOUND');
    await start(0, 'apps@1.service');
    await release(1);
    assert.match(await refused(`/releases/${apps}`, { action: 'pause', to: 1 }), /^400 REQUEST_INVALID: "to" goes with undo/);
    await finish();
    for (const action of ['pause', 'resume']) assert.match(await refused(`/releases/${apps}`, { action }), /^409 RELEASE_NOT_ACTIVE/);
  });
});

test('GET /releases/NAME shows every unit with its generation, health and ports', async () => {
  await start(0, 'apps@1.service', 'apps@2.service');
  await release(1);
  await fleetd.write([
    putMachine(fakeMachine(fakeMachineId)),
    putAssignment(fakeMachineId, 'apps@1.service', { ports: { http: 20_001 }, release: 0 }),
    putStatus(fakeMachineId, 'apps@1.service', { health: 'healthy' }),
  ]);
  const { body } = await get<ReleaseDetails>(`/releases/${apps}`);
  assert.deepEqual(body.units.map(({ name, generation, active, health, ports }) => [name, generation, active, health, ports]), [
    ['apps@1.service', 0, 'active', 'healthy', { http: 20_001 }], ['apps@2.service', 0, 'inactive', 'none', {}],
  ]);
});

describe('POST /scale', () => {
  const scale = (count: number): Promise<ScaleAnswer> => post<ScaleAnswer>('/scale', { name: apps, count, by: 'ann' });
  const names = ({ started, destroyed }: ScaleAnswer): readonly string[] => [...started.map(({ name }) => `+${name}`), ...destroyed.map((name) => `-${name}`)];

  test('starts stopped instances first, then the lowest free numbers; destroys the highest', async () => {
    await post('/apply', { units: [{ name: apps, text: text(0) }] });
    await post('/apply', { units: [{ name: 'apps@2.service' }, { name: 'apps@blue.service' }], desired: 'launched' });
    await post('/apply', { units: [{ name: 'apps@5.service' }] });
    assert.deepEqual(names(await scale(4)), ['+apps@5.service', '+apps@1.service', '+apps@3.service']);
    assert.deepEqual(names(await scale(4)), []);
    assert.deepEqual(names(await scale(2)), ['-apps@3.service', '-apps@5.service']);
    assert.ok(unit('apps@blue.service'), 'an instance without a number is not counted');
  });

  test('an instance that a release has just begun with is neither counted nor taken', async () => {
    await start(0, 'apps@1.service');
    await release(1);
    await post('/apply', { units: [{ name: 'apps@2.service' }], desired: 'launched' });
    const move = {
      unit: 'apps@2.service' as UnitName, old: 'apps@1.service' as UnitName, machine: null, generation: 1, phase: 'starting' as const, beganAtMs: 0,
      healthySinceMs: null, run: '', why: '',
    };
    await fleetd.write([{ kind: 'put', key: keys.release(apps), value: encodeRecord({ ...recordOf(), moves: [move] }) }]);
    assert.deepEqual(names(await scale(1)), []);
    assert.deepEqual(names(await scale(2)), ['+apps@3.service']);
  });

  test('is refused for what is no template, or has no file', async () => {
    assert.match(await refused('/scale', { name: 'web.service', count: 2 }), /^400 UNIT_NAME_INVALID: "web\.service" is not a template/);
    assert.match(await refused('/scale', { name: apps, count: 2 }), /^404 TEMPLATE_NOT_FOUND/);
    assert.match(await refused('/scale', { name: apps, count: 5_000 }), /^413 REQUEST_TOO_LARGE/);
  });
});
