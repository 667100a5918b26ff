/** What people order about machines and holds, and what the lists and /healthz say of it. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { MachineId } from '../../core/machine.ts';
import type { HoldAnswer, MachineAnswer, MachineList } from '../../protocol/machines.ts';
import type { ErrorAnswer } from '../../protocol/v2.ts';
import { keys } from '../../store/keys.ts';
import { encodeRecord } from '../../store/records.ts';
import type { CommitChange } from '../../store/store.ts';
import { fakeMachine, fakeMachineId, putAssignment, putMachine, putStatus, startFakeFleetd, type FakeFleetd } from '../fake-fleetd.ts';

const gone = '99f4004d61afe901b47c4cb4e1f2e0cd' as MachineId;
const rosterEntry = (left: boolean): CommitChange => ({
  kind: 'put',
  key: keys.rosterEntry(gone),
  value: encodeRecord({ firstSeenMs: 1, lastSeenMs: 9, bootId: 'b', publicIp: '172.18.0.2', hostname: 'two', goneSinceMs: 9, left }),
});

describe('machines', () => {
  let fleetd: FakeFleetd;
  beforeEach(async () => {
    fleetd = await startFakeFleetd();
    await fleetd.write([putMachine(fakeMachine(fakeMachineId))]);
  });
  afterEach(() => fleetd.close());

  async function post<T>(path: string, body: object): Promise<{ readonly status: number; readonly body: T }> {
    const headers = { 'content-type': 'application/json' };
    const answer = await fleetd.app.inject({ method: 'POST', url: `/fleet/v2${path}`, headers, payload: JSON.stringify(body) });
    return { status: answer.statusCode, body: JSON.parse(answer.body) as T };
  }
  const order = (body: object, id: string = fakeMachineId): ReturnType<typeof post<MachineAnswer & ErrorAnswer>> => post(`/machines/${id}`, body);
  const list = async (): Promise<MachineList> => JSON.parse((await fleetd.app.inject('/fleet/v2/machines')).body) as MachineList;
  const healthz = async (): Promise<string> => (await fleetd.app.inject('/healthz')).body;

  test('are cordoned and opened again, with reason and name; the same order changes nothing', async () => {
    const cordon = { action: 'cordon', reason: 'a disk is replaced', by: 'ann' };
    assert.equal((await order(cordon)).body.changed, true);
    assert.equal((await order(cordon)).body.changed, false);
    const [machine] = (await list()).machines;
    assert.deepEqual([machine?.state, machine?.reason], ['cordoned', 'a disk is replaced (ann)']);
    assert.equal((await order({ action: 'uncordon' })).body.changed, true);
    assert.equal((await list()).machines[0]?.state, 'up');
  });

  test('keep their metadata overrides when they are cordoned, and their cordon when metadata change', async () => {
    const headers = { 'content-type': 'application/json' };
    const payload = JSON.stringify([{ op: 'add', path: `/${fakeMachineId}/metadata/role`, value: 'db' }]);
    await order({ action: 'cordon' });
    await fleetd.app.inject({ method: 'PATCH', url: '/fleet/v1/machines', headers, payload });
    await order({ action: 'drain' });
    const [machine] = (await list()).machines;
    assert.deepEqual([machine?.state, machine?.metadata['role']], ['drained', 'db']);
  });

  test('that are drained say what is to go, what stays and why', async () => {
    const text = (section: string): string => `[Service]\nExecStart=/bin/true\n[X-Fleet]\n${section}\n`;
    const units = [{ name: 'a.service', text: text('') }, { name: 'p.service', text: text(`MachineID=${fakeMachineId}`) }];
    await post('/apply', { units, desired: 'launched' });
    const hashes = units.map(({ name }) => fleetd.mirror.snapshot().units.get(name as never)?.hash);
    await fleetd.write([
      putAssignment(fakeMachineId, 'a.service', { hash: hashes[0] as never }), putAssignment(fakeMachineId, 'p.service', { hash: hashes[1] as never }),
      putStatus(fakeMachineId, 'a.service'), putStatus(fakeMachineId, 'p.service'), putStatus(fakeMachineId, 'ending.service'),
    ]);
    await order({ action: 'drain', reason: 'upgrade' });
    const [alone] = (await list()).machines;
    assert.deepEqual([alone?.state, alone?.leaving, alone?.staying], ['draining', 1, 2], 'ending.service is to end there');
    await fleetd.write([putMachine(fakeMachine(gone))]);
    const [machine] = (await list()).machines;
    assert.equal(machine?.reason, 'upgrade; 2 to go; stays: p.service (no other machine fits)');
  });

  test('that are gone are listed as lost or left, and can be forgotten; one that is here cannot', async () => {
    await fleetd.write([rosterEntry(true)]);
    assert.equal((await list()).absent[0]?.state, 'left');
    await fleetd.write([rosterEntry(false)]);
    assert.deepEqual((await list()).absent, [{
      id: gone, address: '172.18.0.2', hostname: 'two', state: 'lost', reason: '', units: 0, firstSeenMs: 1, goneSinceMs: 9,
    }]);
    assert.equal((await order({ action: 'forget' }, gone)).status, 200);
    assert.equal(fleetd.mirror.snapshot().overrides.get(gone)?.forget, 9, 'the engine does the rest');
    const { status, body } = await order({ action: 'forget' });
    assert.deepEqual([status, body.error.reason], [409, 'MACHINE_PRESENT']);
  });

  test('that nobody knows are refused, and so are wrong orders', async () => {
    assert.equal((await order({ action: 'cordon' }, 'nobody')).body.error.reason, 'MACHINE_NOT_FOUND');
    assert.equal((await order({ action: 'explode' })).body.error.reason, 'REQUEST_INVALID');
    assert.equal((await order({ action: 'cordon', reason: 'x'.repeat(257) })).body.error.reason, 'REQUEST_INVALID');
  });

  test('are held by order, for a time or until it is released, and /healthz says so', async () => {
    assert.equal((await post<ErrorAnswer>('/hold', { action: 'release' })).body.error.reason, 'HOLD_NOT_FOUND');
    await post<HoldAnswer>('/hold', { action: 'hold', forMs: 60_000, reason: 'the switch', by: 'ann' });
    const [hold] = (await list()).holds;
    assert.ok(hold?.byHand === true && hold.untilMs === hold.sinceMs + 60_000);
    assert.match(await healthz(), /^ok\nhold: ann ordered a hold until \S+: the switch; the units of 0 missing machines/);
    await post<HoldAnswer>('/hold', { action: 'release' });
    assert.deepEqual((await list()).holds, []);
    assert.equal(await healthz(), 'ok\n');
  });

  test('that vanished together are listed as awaited, and a release names the hold it ends', async () => {
    const hold = { sinceMs: 77, holdMs: null, missing: [gone], why: '2 of 3 machines vanished within 5 s' };
    await fleetd.write([rosterEntry(false), { kind: 'put', key: keys.hold, value: encodeRecord(hold) }]);
    const { absent, holds } = await list();
    assert.deepEqual([absent[0]?.reason, holds[0]?.byHand, holds[0]?.untilMs], ['its units wait for it', false, null]);
    await post('/hold', { action: 'release', by: 'ann' });
    assert.equal(fleetd.mirror.snapshot().holdOrder?.of, 77);
  });
});
