/** What clients are told about a unit, by what its machine reported. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { currentState, phaseOf, settled } from './unit-state.ts';
import type { Phase, SeenAssignment, SeenStatus, Settlement, Wanted } from './unit-state.ts';
import { notStarted, outdated } from './unit.ts';
import type { CurrentState } from './unit.ts';

const status = (active: string, more: Partial<SeenStatus> = {}): SeenStatus => ({
  hash: 'new', load: 'loaded', active, sub: '', result: 'success', exitStatus: null, succeeded: false, restart: 1, problem: '', portsInDoubt: false, ...more,
});
const launched: SeenAssignment = { hash: 'new', desired: 'launched', restart: 1 };
const loaded: SeenAssignment = { ...launched, desired: 'loaded' };

describe('a phase', () => {
  const rows: readonly [string, SeenStatus, Phase][] = [
    ['active', status('active'), 'running'],
    ['reloading', status('reloading'), 'running'],
    ['activating', status('activating', { sub: 'start-pre' }), 'starting'],
    ['waiting for Restart=', status('activating', { sub: 'auto-restart' }), 'restarting'],
    ['deactivating', status('deactivating'), 'stopping'],
    ['failed', status('failed', { result: 'exit-code' }), 'failed'],
    ['loaded and never started', status('inactive', { restart: notStarted }), 'stopped'],
    ['ended while outdated', status('inactive', { restart: outdated }), 'stopped'],
    ['a oneshot that has run', status('inactive', { succeeded: true }), 'done'],
    ['ended by itself', status('inactive'), 'ended'],
    ['ended badly and forgotten by systemd', status('inactive', { result: 'signal' }), 'failed'],
    ['a file that systemd refuses', status('inactive', { load: 'bad-setting', restart: notStarted }), 'failed'],
  ];
  for (const [what, seen, phase] of rows) test(`${what} is ${phase}`, () => assert.equal(phaseOf(seen), phase));
});

describe("fleet 1.0's currentState", () => {
  const rows: readonly [string, SeenAssignment | undefined, SeenStatus | undefined, CurrentState][] = [
    ['on no machine', undefined, undefined, 'inactive'],
    ['not reported yet', launched, undefined, 'inactive'],
    ['running', launched, status('active'), 'launched'],
    ['still running though wanted loaded', loaded, status('active'), 'launched'],
    ['failed', launched, status('failed', { result: 'exit-code' }), 'loaded'],
    ['between two tries of Restart=', launched, status('activating', { sub: 'auto-restart' }), 'loaded'],
    ['a oneshot that has run', launched, status('inactive', { succeeded: true }), 'launched'],
    ['stopped', loaded, status('inactive', { restart: notStarted }), 'loaded'],
    ['a file that systemd refuses', launched, status('inactive', { load: 'error' }), 'inactive'],
  ];
  for (const [what, assignment, seen, word] of rows) {
    test(`${what} is ${word}`, () => assert.equal(currentState(assignment, seen), word));
  }
});

describe('a wish', () => {
  const start: Wanted = { hash: 'new', desired: 'launched', restart: 1 };
  const stop: Wanted = { ...start, desired: 'loaded' };
  const unload: Wanted = { ...start, desired: 'inactive' };
  const rows: readonly [string, Wanted, SeenAssignment | undefined, SeenStatus | undefined, Settlement['state'], RegExp][] = [
    ['start: no machine', start, undefined, undefined, 'waiting', /no machine yet/],
    ['start: not assigned as wanted yet', start, loaded, status('active'), 'waiting', /latest wish/],
    ['start: an older file is assigned', start, { ...launched, hash: 'old' }, status('active'), 'waiting', /latest wish/],
    ['start: nothing reported', start, launched, undefined, 'waiting', /not reported/],
    ['start: the former file runs', start, launched, status('active', { hash: 'old' }), 'waiting', /former file/],
    ['start: failed before this wish', start, launched, status('failed', { restart: 0 }), 'waiting', /not started/],
    ['start: stopped before this wish', start, launched, status('inactive', { restart: notStarted }), 'waiting', /not started/],
    ['start: active', start, launched, status('active'), 'reached', /^$/],
    ['start: activating', start, launched, status('activating', { sub: 'start' }), 'waiting', /activating \(start\)/],
    ['start: flapping', start, launched, status('activating', { sub: 'auto-restart', result: 'exit-code' }), 'waiting', /exit-code/],
    ['start: failed', start, launched, status('failed', { result: 'exit-code', exitStatus: 3 }), 'failed', /exit-code, exit status 3/],
    ['start: a oneshot has run', start, launched, status('inactive', { succeeded: true }), 'reached', /^$/],
    ['start: failed, maybe because of a port', start, launched, status('failed', { portsInDoubt: true }), 'waiting', /port is in use/],
    ['start: has ended', start, launched, status('inactive'), 'failed', /has ended/],
    ['start: refused by the machine', start, launched, status('inactive', { problem: 'name taken' }), 'failed', /name taken/],
    ['start: bad file', start, launched, status('inactive', { load: 'bad-setting', restart: notStarted }), 'failed', /bad-setting/],
    ['restart: not carried out', start, launched, status('active', { restart: 0 }), 'waiting', /not restarted/],
    ['restart: outdated', start, launched, status('active', { restart: outdated }), 'waiting', /not restarted/],
    ['restart: overtaken by a later one', start, { ...launched, restart: 2 }, status('active', { restart: 2 }), 'reached', /^$/],
    ['stop: still active', stop, loaded, status('active'), 'waiting', /still active/],
    ['stop: inactive', stop, loaded, status('inactive', { restart: notStarted }), 'reached', /^$/],
    ['stop: had failed', stop, loaded, status('failed', { restart: notStarted }), 'reached', /^$/],
    ['unload: still assigned', unload, loaded, status('inactive'), 'waiting', /not taken it off/],
    ['unload: still there', unload, undefined, status('deactivating', { sub: 'stop' }), 'waiting', /deactivating \(stop\)/],
    ['unload: gone', unload, undefined, undefined, 'reached', /^$/],
  ];
  for (const [what, wanted, assignment, seen, state, why] of rows) {
    test(`${what} is ${state}`, () => {
      const settlement = settled(wanted, assignment, seen);
      assert.equal(settlement.state, state);
      assert.match(settlement.why, why);
    });
  }
});
