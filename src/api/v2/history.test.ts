/** What API v2 tells of the past. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import type { HistoryList } from '../../protocol/v2.ts';
import type { FileHash } from '../../core/unit.ts';
import { fakeMachine, fakeMachineId, putAssignment, putMachine, startFakeFleetd, type FakeFleetd } from '../fake-fleetd.ts';

const other = '99f4004d61afe901b47c4cb4e1f2e0cd';
let fleetd: FakeFleetd;
beforeEach(async () => {
  fleetd = await startFakeFleetd();
  const history = {
    events: [
      { atMs: 10, what: 'placed', machine: other, why: 'it fits', count: 1 },
      { atMs: 30, what: 'moved', machine: fakeMachineId, why: 'its machine is gone', count: 1 },
    ],
  };
  const lost = { events: [{ atMs: 20, what: 'lost', machine: '', why: 'not heard of', count: 1 }], bootId: 'b' };
  await fleetd.write([
    putMachine(fakeMachine(fakeMachineId)),
    { kind: 'put', key: 'units/app.service', value: JSON.stringify({ hash: 'h', desired: 'launched' }) },
    putAssignment(fakeMachineId, 'app.service', { hash: 'h' as FileHash, assignedAtMs: 30 }),
    putAssignment(fakeMachineId, 'web.service', { hash: 'h' as FileHash, assignedAtMs: 40, why: 'the least loaded machine' }),
    { kind: 'put', key: 'unit-history/app.service', value: JSON.stringify(history) },
    { kind: 'put', key: `machine-history/${other}`, value: JSON.stringify(lost) },
    { kind: 'put', key: `machine-records/${other}`, value: JSON.stringify({ hostname: 'web-7', publicIp: '10.0.0.7', goneSinceMs: 20 }) },
  ]);
});
afterEach(() => fleetd.close());

async function told(path: string): Promise<readonly string[]> {
  const { json } = await fleetd.app.inject({ url: `/fleet/v2/history${path}` });
  return json<HistoryList>().events.map(({ atMs, unit, machine, what }) => `${atMs} ${unit ?? '-'} ${machine.slice(0, 2)} ${what}`);
}

test('everything that is remembered comes in the order it happened, a placement that holds now among it, once', async () => {
  assert.deepEqual(await told(''), [
    '10 app.service 99 placed', '20 - 99 lost', '30 app.service 2c moved', '40 web.service 2c placed',
  ]);
  assert.deepEqual(await told('?lines=1'), ['40 web.service 2c placed']);
});

test('a unit is named with or without its type, a machine by its id, the beginning of it or what it is called, also when it is gone', async () => {
  assert.deepEqual(await told('/app'), ['10 app.service 99 placed', '30 app.service 2c moved']);
  assert.deepEqual(await told(`/${other}`), ['10 app.service 99 placed', '20 - 99 lost']);
  assert.deepEqual(await told('/99f4004d...'), ['10 app.service 99 placed', '20 - 99 lost']);
  for (const word of ['web-7', '10.0.0.7']) assert.deepEqual(await told(`/${word}`), ['10 app.service 99 placed', '20 - 99 lost'], word);
});

test('what nothing is remembered of is not found, and a wrong number of lines is refused', async () => {
  const unknown = await fleetd.app.inject({ url: '/fleet/v2/history/nothere' });
  assert.deepEqual([unknown.statusCode, unknown.json<{ error: { reason: string } }>().error.reason], [404, 'UNIT_NOT_FOUND']);
  for (const lines of ['0', '-1', 'x', '10001']) {
    assert.equal((await fleetd.app.inject({ url: `/fleet/v2/history?lines=${lines}` })).statusCode, 400, lines);
  }
});
