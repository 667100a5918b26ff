/** What a machine says about its ports: whose listeners are reported, and when a failed start is a conflict. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import type { MachinePorts } from '../core/ports.ts';
import { unchecked, unfenced, withoutPorts } from '../core/unit.ts';
import type { Assignment, FileHash, UnitStatus } from '../core/unit.ts';
import type { UnitName } from '../core/unit-name.ts';
import { createLog } from '../lib/log.ts';
import { createManualClock } from '../lib/manual-clock.ts';
import type { ManualClock } from '../lib/manual-clock.ts';
import { RunnerUnavailable } from '../runner/runner.ts';
import { createPortWatch } from './port-watch.ts';
import type { LogLine, PortWatch } from './port-watch.ts';

const app = 'app.service' as UnitName;
const hash = 'a'.repeat(40) as FileHash;
const withPort = (port: number): ReadonlyMap<UnitName, Assignment> => new Map([[app, {
  hash, desired: 'launched', restart: 0, reset: 0, ...withoutPorts, ports: { http: port }, why: '', assignedAtMs: 0, finished: false, ...unfenced,
}]]);
const statusOf = (active: string, more: Partial<UnitStatus> = {}): ReadonlyMap<UnitName, UnitStatus> => new Map([[app, {
  load: 'loaded', active, sub: '', hash, sinceMs: 0, result: active === 'failed' ? 'exit-code' : 'success', exitStatus: null, succeeded: false,
  restarts: 0, mainPid: 0, restart: 0, reset: 0, problem: '', ...unchecked, ...more,
}]]);

let clock: ManualClock;
let watch: PortWatch;
let stop: AbortController;
let ended: Promise<unknown>;
let listening: number[];
/** What a look at the listening ports waits for after it has seen them. */
let gate: Promise<void>;
let lines: LogLine[] | Error;
let told: MachinePorts | undefined;
let everTold: number[];
let changes: number;

beforeEach(async () => {
  clock = createManualClock();
  stop = new AbortController();
  listening = [];
  gate = Promise.resolve();
  lines = [];
  told = undefined;
  everTold = [];
  changes = 0;
  watch = createPortWatch({
    clock, log: createLog('test', 'error', () => undefined),
    facts: {
      async listening() {
        const seen = listening;
        await gate;
        return { listening: seen, ephemeral: { low: 32_768, high: 60_999 } };
      },
      lastLines: () => (lines instanceof Error ? Promise.reject(lines) : Promise.resolve(lines)),
    },
    tell(ports) {
      told = ports;
      everTold.push(...ports.listening);
    },
    changed: () => { changes += 1; },
  });
  watch.update(new Map(), new Map());
  ended = watch.run(stop.signal).catch((error: unknown) => error);
  await clock.settle();
});
afterEach(async () => {
  stop.abort();
  await ended;
});

const conflicts = (): readonly string[] => (told?.conflicts ?? []).map(({ unit, port, why }) => `${unit} ${String(port)}: ${why}`);

test('what listens is reported, but for ports of fleet\'s own units', async () => {
  listening = [80, 20_001];
  watch.update(new Map(), withPort(20_001));
  await clock.settle();
  assert.deepEqual(told, { ephemeral: { low: 32_768, high: 60_999 }, listening: [80], conflicts: [] });
  listening = [80, 443, 20_001];
  await clock.advance(5_000);
  assert.deepEqual(told?.listening, [80, 443], 'it is looked again after a while');
  watch.update(statusOf('deactivating', { ports: { http: 20_001 } }), new Map());
  await clock.settle();
  assert.deepEqual(told.listening, [80, 443], 'a unit that is still stopping has its port');
  watch.update(new Map(), new Map());
  await clock.settle();
  assert.deepEqual(told.listening, [80, 443, 20_001]);
});

test('the port of a unit that goes while the listening ports are being read is not taken for somebody else\'s', async () => {
  listening = [20_001];
  watch.update(statusOf('active', { ports: { http: 20_001 } }), withPort(20_001));
  await clock.settle();
  const { promise, resolve } = Promise.withResolvers<undefined>();
  gate = promise;
  await clock.advance(5_000);
  listening = [];
  watch.update(new Map(), new Map());
  resolve(undefined);
  await clock.settle();
  assert.deepEqual(everTold, []);
});

test('a unit that failed while something listens on its port found it in use, until it runs there', async () => {
  listening = [20_001];
  watch.update(statusOf('activating'), withPort(20_001));
  await clock.settle();
  assert.deepEqual(conflicts(), []);
  watch.update(statusOf('failed'), withPort(20_001));
  await clock.advance(500);
  assert.deepEqual(conflicts(), ['app.service 20001: something else listens on it']);
  watch.update(statusOf('active'), withPort(20_001));
  await clock.advance(5_000);
  assert.deepEqual(conflicts(), []);
});

test('without a listener the log of the unit tells, if it was written for this port', async () => {
  watch.update(statusOf('activating'), withPort(20_001));
  await clock.settle();
  const complaint = 'bind: Address already in use';
  lines = [{ atMs: clock.nowMs() - 1, text: complaint }];
  watch.update(statusOf('failed'), withPort(20_001));
  await clock.advance(500);
  assert.deepEqual(conflicts(), [], 'that was written before it had this port');
  lines = [{ atMs: clock.nowMs(), text: complaint }];
  watch.update(statusOf('failed', { sinceMs: 2 }), withPort(20_001));
  await clock.advance(500);
  assert.deepEqual(conflicts(), [`app.service 20001: ${complaint}`]);
});

test('a conflict stays told after the unit got another port, for a while, and goes with the unit', async () => {
  listening = [20_001];
  watch.update(statusOf('failed'), withPort(20_001));
  await clock.advance(500);
  watch.update(statusOf('active'), withPort(20_002));
  await clock.advance(5_000);
  assert.equal(conflicts().length, 1);
  await clock.advance(600_000);
  assert.equal(conflicts().length, 0);
});

test('a unit that its service manager has started again meanwhile is not taken for somebody else on its port', async () => {
  watch.update(statusOf('failed'), withPort(20_001));
  await clock.advance(400);
  watch.update(statusOf('active'), withPort(20_001));
  listening = [20_001];
  await clock.advance(6_000);
  assert.deepEqual(conflicts(), []);
});

test('a failure with former ports says nothing about the new ones', async () => {
  listening = [20_001];
  watch.update(statusOf('failed'), withPort(20_001));
  await clock.advance(500);
  watch.update(statusOf('failed'), withPort(20_002));
  listening = [20_001, 20_002];
  await clock.advance(6_000);
  assert.deepEqual(conflicts(), ['app.service 20001: something else listens on it']);
});

test('a unit that fails again and again without a pause is told by its log', async () => {
  watch.update(statusOf('activating'), withPort(20_001));
  await clock.settle();
  lines = [{ atMs: clock.nowMs(), text: 'bind: Address already in use' }];
  watch.update(statusOf('activating', { sub: 'auto-restart', restarts: 1 }), withPort(20_001));
  await clock.advance(100);
  watch.update(statusOf('activating', { sub: 'auto-restart', restarts: 2 }), withPort(20_001));
  await clock.advance(500);
  assert.deepEqual(conflicts(), ['app.service 20001: bind: Address already in use']);
});

test('a failure is looked at once, and a log that cannot be read is no conflict', async () => {
  lines = new RunnerUnavailable('journalctl cannot be run');
  watch.update(statusOf('failed'), withPort(20_001));
  await clock.advance(500);
  assert.deepEqual(conflicts(), []);
  lines = [{ atMs: clock.nowMs(), text: 'address already in use' }];
  watch.update(statusOf('failed'), withPort(20_001));
  await clock.advance(5_000);
  assert.deepEqual(conflicts(), [], 'the same failure again is no news');
});

test('a failure does not count while it may be a matter of ports, and counts when nothing comes of that', async () => {
  watch.update(statusOf('failed'), withPort(20_001));
  assert.ok(watch.inDoubt(app), 'at once');
  await clock.advance(500);
  assert.ok(!watch.inDoubt(app), 'its log says nothing of ports');
  assert.equal(changes, 1);
  listening = [20_001];
  watch.update(statusOf('failed', { sinceMs: 1 }), withPort(20_001));
  await clock.advance(500);
  assert.ok(watch.inDoubt(app), 'it waits for another port');
  await clock.advance(15_000);
  assert.ok(!watch.inDoubt(app), 'no other port came');
  assert.equal(changes, 2);
});

test('a unit without ports is never in doubt', () => {
  watch.update(statusOf('failed'), new Map());
  assert.ok(!watch.inDoubt(app));
});
