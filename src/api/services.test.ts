import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { createSectionReader } from '../core/schedule/sections.ts';
import { parseUnitFile } from '../core/unit-file.ts';
import { hashUnitFile } from '../core/unit-hash.ts';
import type { FileHash } from '../core/unit.ts';
import { createLog } from '../lib/log.ts';
import { createManualClock } from '../lib/manual-clock.ts';
import { seededRandom } from '../lib/random.ts';
import type { PrometheusTargets, ServiceList } from '../protocol/v2.ts';
import { createMirror } from '../store/mirror.ts';
import { keys } from '../store/keys.ts';
import { createEventHistory, type Recent } from './events/event-history.ts';
import { passes } from './events/filter.ts';
import { fakeMachine, fakeMachineId, putAssignment, putMachine, putStatus, startFakeFleetd, type FakeFleetd } from './fake-fleetd.ts';

const other = '99f4004d61afe901b47c4cb4e1f2e0cd';
const text = '[Service]\nExecStart=/bin/sleep infinity\n';
const parsed = parseUnitFile(text);
assert.ok(parsed.ok);
const hash: FileHash = hashUnitFile(parsed.value);
let fleetd: FakeFleetd;

beforeEach(async () => {
  fleetd = await startFakeFleetd({ clock: createManualClock() });
});
afterEach(() => fleetd.close());

async function get(path: string): Promise<{ readonly status: number; readonly body: unknown; readonly headers: Record<string, unknown> }> {
  const answer = await fleetd.app.inject({ method: 'GET', url: `/fleet/v2${path}` });
  return { status: answer.statusCode, body: answer.json(), headers: answer.headers };
}

/** Two machines with an instance of app@.service each, and one of db.service without ports. */
async function fill(): Promise<void> {
  const units = ['app@1.service', 'app@2.service', 'db.service'].map((name) => ({ name, text }));
  const payload = JSON.stringify({ units, desired: 'launched' });
  await fleetd.app.inject({ method: 'POST', url: '/fleet/v2/apply', payload, headers: { 'content-type': 'application/json' } });
  await fleetd.write([
    putMachine(fakeMachine(fakeMachineId)), putMachine(fakeMachine(other, { publicIp: 'fd00::2' })),
    putAssignment(fakeMachineId, 'app@1.service', { hash }), putAssignment(other, 'app@2.service', { hash }),
    putAssignment(fakeMachineId, 'db.service', { hash }), putStatus(fakeMachineId, 'db.service', { hash }),
    putStatus(fakeMachineId, 'app@1.service', { hash, ports: { http: 20_001, admin: 9_001 } }),
    putStatus(other, 'app@2.service', { hash, ports: { http: 20_002 }, health: 'healthy' }),
  ]);
}

const printed = (list: unknown): readonly string[] => (list as ServiceList).services.map(({ name, portName, instances }) =>
  `${name} ${portName}: ${instances.map(({ unit, address, port }) => `${unit} ${address} ${port}`).join(', ')}`);

describe('the service directory', () => {
  test('is a list, and a list for one name', async () => {
    await fill();
    const all = ['app admin: app@1.service 172.18.0.3 9001', 'app http: app@1.service 172.18.0.3 20001, app@2.service fd00::2 20002'];
    assert.deepEqual(printed((await get('/services')).body), all);
    assert.deepEqual(printed((await get('/services/app')).body), all);
  });

  test('tells a service without instances from one that nobody belongs to', async () => {
    await fill();
    const { status, body } = await get('/services/db');
    assert.deepEqual([status, printed(body)], [200, []]);
    assert.deepEqual((await get('/services/nobody')).body,
      { error: { code: 404, reason: 'SERVICE_NOT_FOUND', message: 'no unit belongs to a service "nobody"' } });
  });

  test('is refused while nothing is known, so that nobody takes it for an empty one', async () => {
    const clock = createManualClock();
    const log = createLog('mirror', 'error', () => undefined);
    const mirror = createMirror({ store: fleetd.memory.client(), clock, random: seededRandom(1), log });
    const empty = await startFakeFleetd({ clock, needs: { mirror } });
    await clock.advance(5_000);
    for (const path of ['/services', '/services/app', '/prometheus-sd']) {
      assert.equal((await empty.app.inject({ method: 'GET', url: `/fleet/v2${path}` })).statusCode, 503, path);
    }
    await empty.close();
  });

  test('is told to Prometheus in its own form, all of it or by service and port', async () => {
    await fill();
    const { body, headers } = await get('/prometheus-sd?service=app&port=http');
    assert.equal(headers['content-type'], 'application/json');
    assert.deepEqual((body as PrometheusTargets[]).map(({ targets, labels }) => [targets, labels['__meta_fleet_unit'], labels['__meta_fleet_health']]),
      [[['172.18.0.3:20001'], 'app@1.service', 'none'], [['[fd00::2]:20002'], 'app@2.service', 'healthy']]);
    assert.equal(((await get('/prometheus-sd')).body as unknown[]).length, 3);
    assert.deepEqual((await get('/prometheus-sd?service=nobody')).body, []);
  });
});

describe('events of services', () => {
  const frames = (recent: Recent | null, services: readonly string[] | null = null): readonly string[] => {
    const filter = { units: null, kinds: new Set(['service']), services: services === null ? null : new Set(services) };
    return (recent?.frames ?? []).filter((frame) => passes(filter, frame)).map((frame) => {
      const data = JSON.parse(/^data: (.*)$/m.exec(frame.text)?.[1] ?? '') as { name: string; portName: string; service: ServiceList['services'][0] | null };
      return `${data.name} ${data.portName}: ${data.service?.instances.map(({ unit }) => unit).join(', ') ?? 'gone'}`;
    });
  };

  test('come when an instance comes or goes, whole, and not for changes that nobody needs', async () => {
    await fill();
    const history = createEventHistory(fleetd.mirror, { sections: createSectionReader(), clock: createManualClock() });
    history.subscribe(() => undefined);
    const after = async (changes: Parameters<FakeFleetd['write']>[0], services: readonly string[] | null = null): Promise<readonly string[]> => {
      const before = history.position();
      await fleetd.write(changes);
      return frames(history.after(before), services);
    };
    const status = { hash, ports: { http: 20_001, admin: 9_001 } };
    assert.deepEqual(await after([putStatus(fakeMachineId, 'app@1.service', { ...status, mainPid: 99 })]), []);
    assert.deepEqual(await after([putStatus(fakeMachineId, 'app@1.service', { ...status, draining: true })]), ['app http: app@2.service', 'app admin: gone']);
    assert.deepEqual(await after([putStatus(fakeMachineId, 'app@1.service', status)], ['else']), []);
    assert.deepEqual(await after([{ kind: 'delete', key: keys.machine(fakeMachineId) }]), ['app http: app@2.service', 'app admin: gone']);
    assert.deepEqual(await after([putMachine(fakeMachine(fakeMachineId))]), ['app http: app@1.service, app@2.service', 'app admin: app@1.service']);
    history.close();
  });

  test('come only when they are asked for by kind', () => {
    const head = { kind: 'service', unit: null, service: 'app' } as const;
    assert.equal(passes({ units: null, services: null, kinds: null }, head), false);
    assert.equal(passes({ units: new Set(['a']), services: null, kinds: new Set(['service']) }, head), true);
    assert.equal(passes({ units: null, services: new Set(['no']), kinds: new Set(['service']) }, head), false);
  });
});
