/** What is written down about machines. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MachineHistory } from './history.ts';
import type { Cordon, Drain, Machine, RosterEntry } from './machine.ts';
import { noteMachine } from './note-machine.ts';
import type { SeenMachine } from './note-machine.ts';

const here = (bootId: string): SeenMachine => ({
  machine: { hostname: 'one', publicIp: '10.0.0.1', version: '2', bootId } as Machine, entry: undefined, cordon: null, drain: null,
});
const gone = (left: boolean): SeenMachine => ({
  machine: undefined, entry: { goneSinceMs: 50, left } as RosterEntry, cordon: null, drain: null,
});
const order: Cordon = { reason: 'new disk', by: 'ann', sinceMs: 70 };

/** What a series of moments, 100 ms apart, leaves behind. Every moment is looked at twice. */
function lived(moments: readonly SeenMachine[]): readonly string[] {
  let history: MachineHistory | undefined;
  for (const [index, moment] of moments.entries()) {
    history = noteMachine(history, moment, index * 100) ?? history;
    assert.equal(noteMachine(history, moment, index * 100 + 50), null, 'looking twice notes nothing twice');
  }
  return (history?.events ?? []).map(({ atMs, what, why }) => `${String(atMs)} ${what}: ${why}`);
}

test('a machine joins, is lost, and returns; a reboot is told from a return', () => {
  assert.deepEqual(lived([here('a'), gone(false), here('a'), here('b'), gone(true), here('c')]), [
    '0 joined: one, 10.0.0.1, fleet 2',
    '50 lost: it was not heard of for its whole lease time',
    '200 returned: it is back, in the same boot',
    '300 rebooted: it came back before anybody had missed it',
    '50 left: its units were stopped and it left on purpose',
    '500 rebooted: it is back after a reboot',
  ]);
});

test('what people order about a machine is written down with their reason, and so is the end of it', () => {
  const drain: Drain = { ...order, reason: '', by: '', fenced: false, global: false };
  assert.deepEqual(lived([{ ...here('a'), cordon: order }, here('a'), { ...here('a'), drain }, here('a')]), [
    '0 joined: one, 10.0.0.1, fleet 2',
    '70 cordoned: it takes no new units, ordered by ann: new disk',
    '100 uncordoned: it takes new units again',
    '70 draining: its units are to leave, ordered',
    '300 undrained: its units may stay',
  ]);
});

test('a machine that nobody has seen come is not said to have gone', () => {
  assert.equal(noteMachine(undefined, gone(false), 1), null);
});
