/** What `fleetctl events` tells. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import type { HistoryEventView } from '../protocol/v2.ts';
import { startFakeApi } from './fake-api.ts';
import type { FakeApi } from './fake-api.ts';
import { fakeMachines } from './fake-cluster.ts';
import { createFakeTerminal } from './fake-terminal.ts';
import type { FakeTerminal } from './fake-terminal.ts';

const [{ id: one = '' } = {}, { id: two = '' } = {}] = fakeMachines;
const app = 'app.service';
const happened = (minute: number, what: string, more: Partial<HistoryEventView> = {}): HistoryEventView => ({
  atMs: Date.UTC(2026, 2, 1, 12, minute), unit: app, machine: one, what, why: `because of ${what}`, count: 1, ...more,
});

let folder: string;
let api: FakeApi;
let terminal: FakeTerminal;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fleetctl-events-'));
  api = await startFakeApi(join(folder, 'fleet.sock'));
  terminal = createFakeTerminal(join(folder, 'fleet.sock'));
  api.cluster.history.push(
    happened(1, 'placed'), happened(2, 'failed', { count: 3 }), happened(3, 'moved', { machine: two }),
    happened(4, 'lost', { unit: null }),
  );
});
afterEach(async () => {
  await api.close();
  rmSync(folder, { recursive: true });
});

test('a table says when, where, what and why, oldest first', async () => {
  const { stdout, code } = await terminal.run(['events', app]);
  assert.equal(code, 0);
  assert.deepEqual(stdout.split('\n').map((line) => line.split(/\t+/)), [
    ['TIME', 'UNIT', 'MACHINE', 'EVENT', 'WHY'],
    ['2026-03-01T12:01:00Z', app, '2c7d7478...', 'placed', 'because of placed'],
    ['2026-03-01T12:02:00Z', app, '2c7d7478...', 'failed (3 times)', 'because of failed'],
    ['2026-03-01T12:03:00Z', app, '99f4004d...', 'moved', 'because of moved'],
    [''],
  ]);
});

test('a machine is asked about by its id or the beginning of it, and everything without a name', async () => {
  const rows = async (argv: readonly string[]): Promise<number> => (await terminal.run(argv)).stdout.trim().split('\n').length - 1;
  assert.equal(await rows(['events', two.slice(0, 8)]), 1);
  assert.equal(await rows(['events']), 4);
});

test('JSON is that of the API', async () => {
  const { stdout } = await terminal.run(['events', app, '--output', 'json']);
  assert.deepEqual(JSON.parse(stdout), api.cluster.history.slice(0, 3));
});

test('following prints what is remembered and what happens, each once, over broken streams, until it is interrupted', async () => {
  const interruption = new AbortController();
  let printed = '';
  const stdout = {
    write(text: string): void {
      printed += text;
    },
  };
  const running = terminal.run(['events', '-f', '--output=json'], { interrupted: interruption.signal, stdout });
  const until = async (lines: number): Promise<void> => {
    while (printed.split('\n').length - 1 < lines) await new Promise(setImmediate);
  };
  await until(4);
  while (api.cluster.listeners.size === 0) await new Promise(setImmediate);
  api.cluster.happen(happened(5, 'started', { machine: two }));
  await until(5);
  api.breakStreams();
  while (api.cluster.listeners.size > 0) await new Promise(setImmediate);
  while (api.cluster.listeners.size === 0) await new Promise(setImmediate);
  api.cluster.happen(happened(7, 'started', { machine: two }));
  await until(6);
  interruption.abort(new Error('ended by SIGINT'));
  assert.equal((await running).code, 130);
  const told = printed.trim().split('\n').map((line) => (JSON.parse(line) as HistoryEventView).what);
  assert.deepEqual(told, ['placed', 'failed', 'moved', 'lost', 'started', 'started']);
});

test('what nothing is remembered of is said so', async () => {
  const { stderr, code } = await terminal.run(['events', 'nothere.service']);
  assert.deepEqual([stderr, code], ['Nothing is remembered of a unit or machine "nothere.service".\n', 1]);
  assert.equal((await terminal.run(['events', app, 'b.service'])).code, 2);
  assert.equal((await terminal.run(['events', '-n', '0'])).code, 2);
});
