import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { FleetClient } from '../client/client.ts';
import { Unreachable } from '../client/errors.ts';
import type { StreamItem } from '../client/events.ts';
import { createManualClock } from '../lib/manual-clock.ts';
import type { ManualClock } from '../lib/manual-clock.ts';
import type { AssignmentView, EventView, Explanation, StatusView, UnitView } from '../protocol/v2.ts';
import type { Goal } from './goal.ts';
import { waitForGoals } from './wait.ts';
import type { Outcome, WaitNeeds } from './wait.ts';

const machine = 'aaaa';
const hash = 'hash';

function goal(name: string, changes: Partial<Goal> = {}): Goal {
  return {
    name,
    hash,
    desired: 'launched',
    restart: 0,
    generation: 1,
    global: false,
    unchanged: false,
    reset: null,
    nowhereIsFine: false,
    ...changes,
  };
}

function unit(name: string, changes: Partial<UnitView> = {}): EventView {
  const view: UnitView = {
    name,
    hash,
    desired: 'launched',
    current: 'inactive',
    global: false,
    template: false,
    description: '',
    generation: 1,
    restart: 0,
    reset: 0,
    machines: [],
    changedAtMs: 0,
    ...changes,
  };
  return { kind: 'unit', name, unit: view };
}

function assigned(name: string, changes: Partial<AssignmentView> = {}, id: string = machine): EventView {
  return {
    kind: 'assignment',
    name,
    machine: id,
    assignment: { desired: 'launched', hash, restart: 0, reset: 0, address: '10.0.0.1', why: '', ...changes },
  };
}

function status(name: string, changes: Partial<StatusView> = {}, id: string = machine): EventView {
  const view: StatusView = {
    name,
    machine: id,
    address: '10.0.0.1',
    hash,
    load: 'loaded',
    active: 'active',
    sub: 'running',
    sinceMs: 0,
    result: 'success',
    exitStatus: null,
    succeeded: false,
    restarts: 0,
    restart: 0,
    reset: 0,
    mainPid: 1,
    problem: '',
    health: 'none',
    healthWhy: '',
    draining: false, portsInDoubt: false,
    ports: {},
    ...changes,
  };
  return { kind: 'status', name, machine: id, status: view };
}

const current: EventView = { kind: 'current' };
const failing = { active: 'failed', sub: 'failed', result: 'exit-code', exitStatus: 1 };

/** A wait whose stream and clock the test moves by hand. */
interface Stage {
  readonly clock: ManualClock;
  /** Outcomes and notes in order, one line each. */
  readonly lines: string[];
  readonly done: Promise<void>;
  tell(...events: readonly EventView[]): Promise<void>;
  restart(): Promise<void>;
  interrupt(): void;
}

function stage(
  goals: readonly Goal[],
  options: { readonly limitMs?: number; readonly explain?: Partial<Explanation> | Error; readonly told?: string[][] } = {},
): Stage {
  const clock = createManualClock();
  const lines: string[] = [];
  const queue: StreamItem[] = [];
  const interruption = new AbortController();
  let wake = (): void => undefined;
  async function* events(_: unknown, signal: AbortSignal): AsyncGenerator<StreamItem> {
    for (;;) {
      signal.throwIfAborted();
      const item = queue.shift();
      if (item !== undefined) {
        yield item;
        continue;
      }
      await new Promise<void>((resolve) => {
        wake = resolve;
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
    }
  }
  const explain = async (name: string): Promise<Explanation> => {
    if (options.explain instanceof Error) throw options.explain;
    return { name, summary: 'it fits nowhere', state: 'unplaced', machines: [], ...options.explain };
  };
  const client = { events, explain } as unknown as FleetClient;
  const needs: WaitNeeds = {
    client,
    clock,
    atLeast: 1,
    limitMs: options.limitMs ?? null,
    onNote: (note) => lines.push(`note ${note}`),
    onOutcomes: async (outcomes) => {
      lines.push(...outcomes.map(sayOutcome));
      options.told?.push(outcomes.map(sayOutcome));
    },
  };
  const push = async (items: readonly StreamItem[]): Promise<void> => {
    queue.push(...items);
    wake();
    await clock.advance(0);
  };
  const done = waitForGoals(needs, goals, interruption.signal);
  done.catch(() => undefined); // The test looks at it later.
  return {
    clock,
    lines,
    done,
    tell: (...told) => push(told.map((event) => ({ kind: 'event', revision: 1, event }))),
    restart: () => push([{ kind: 'restarted' }]),
    interrupt: () => interruption.abort(new Error('interrupted')),
  };
}

function sayOutcome(outcome: Outcome): string {
  const places = 'places' in outcome ? ` on ${outcome.places.map(({ id }) => id).join(',')}` : '';
  const name = outcome.kind === 'reached' && outcome.atOnce ? 'was there' : outcome.kind;
  return `${outcome.goal.name} ${name}${'why' in outcome ? `: ${outcome.why}` : places}`;
}

describe('a wait for units', () => {
  test('ends when every unit runs, and says so of each in order of arrival', async () => {
    const { tell, lines, done } = stage([goal('a'), goal('b')]);
    await tell(unit('a'), unit('b'), current);
    await tell(assigned('a'), assigned('b'), status('b'));
    await tell(status('a'));
    await done;
    assert.deepEqual(lines, ['b reached on aaaa', 'a reached on aaaa']);
  });

  test('tells together of units that came together', async () => {
    const told: string[][] = [];
    const { tell, done } = stage([goal('a'), goal('b'), goal('c')], { told });
    await tell(unit('a'), unit('b'), unit('c'), current);
    await tell(assigned('a'), assigned('b'), assigned('c'), status('a'), status('b'));
    await tell(status('c'));
    await done;
    assert.deepEqual(told, [['a reached on aaaa', 'b reached on aaaa'], ['c reached on aaaa']]);
  });

  test('says nothing before the present state was told to its end', async () => {
    const { tell, clock, lines } = stage([goal('a', { desired: 'inactive' })]);
    await clock.advance(1_000);
    assert.deepEqual(lines, []);
    await tell(unit('a', { desired: 'inactive' }), current);
    assert.deepEqual(lines, ['a reached on ']);
  });

  test('takes a oneshot that has run for started, at once', async () => {
    const { tell, lines, done } = stage([goal('a')]);
    await tell(unit('a'), current, assigned('a'), status('a', { active: 'inactive', sub: 'dead', succeeded: true }));
    await done;
    assert.deepEqual(lines, ['a reached on aaaa']);
  });

  test('knows a unit that was there before from one that has come', async () => {
    const { tell, lines, done } = stage([goal('a', { unchanged: true })]);
    await tell(unit('a'), assigned('a'), status('a'), current);
    await done;
    assert.deepEqual(lines, ['a was there on aaaa']);
  });

  test('does not take an older file or an older restart for the wish', async () => {
    const { tell, clock, lines } = stage([goal('a', { restart: 2 })]);
    await tell(unit('a'), assigned('a', { restart: 2 }), status('a', { restart: 1 }), current);
    await tell(status('a', { restart: 2, hash: 'older' }));
    await clock.advance(1_000);
    assert.deepEqual(lines, []);
    await tell(status('a', { restart: 2 }));
    assert.deepEqual(lines, ['a reached on aaaa']);
  });

  test('waits for a global unit on all of its machines, and names those where it failed', async () => {
    const { tell, lines, done } = stage([goal('g', { global: true })]);
    await tell(unit('g', { global: true }), assigned('g'), assigned('g', {}, 'bbbb'), current, status('g'));
    assert.deepEqual(lines, []);
    await tell(status('g', failing, 'bbbb'));
    await done;
    assert.deepEqual(lines, ['g failed: it failed: result exit-code, exit status 1']);
  });

  test('gives up a unit that fits on no machine after three seconds, with the reason', async () => {
    const { tell, clock, lines, done } = stage([goal('a')]);
    await tell(unit('a'), current);
    await clock.advance(2_900);
    assert.deepEqual(lines, []);
    await clock.advance(100);
    await done;
    assert.deepEqual(lines, ['a unplaced']);
  });

  test('does not give up while other units still get machines', async () => {
    const { tell, clock, lines } = stage([goal('a'), goal('b')]);
    await tell(unit('a'), unit('b'), current);
    await clock.advance(2_000);
    await tell(assigned('b'));
    await clock.advance(2_900);
    assert.deepEqual(lines, []);
    await clock.advance(200);
    assert.deepEqual(lines, ['a unplaced']);
  });

  const possible: Partial<Explanation> = {
    summary: 'no engine leads',
    machines: [{ id: machine, address: '10.0.0.1', verdict: 'possible', why: 'it has no units' }],
  };

  test('goes on, saying why once, when a unit is on no machine for want of a decision', async () => {
    const { tell, clock, lines, interrupt, done } = stage([goal('a')], { explain: possible });
    await tell(unit('a'), current);
    await clock.advance(9_500);
    assert.deepEqual(lines, ['note a: no engine leads']);
    interrupt();
    await assert.rejects(done, /interrupted/);
  });

  test('outlives an API that cannot say why just now', async () => {
    const { tell, clock, lines } = stage([goal('a')], { explain: new Unreachable('cannot reach it') });
    await tell(unit('a'), current);
    await clock.advance(4_000);
    await tell(assigned('a'), status('a'));
    assert.deepEqual(lines, ['note a: cannot reach it', 'a reached on aaaa']);
  });

  test('says now and then what it waits for', async () => {
    const { tell, clock, lines, interrupt, done } = stage([goal('a'), goal('b')]);
    await tell(
      unit('a'),
      unit('b'),
      assigned('a'),
      assigned('b'),
      status('a', { active: 'activating', sub: 'start-pre' }),
      current,
    );
    await clock.advance(25_000);
    assert.deepEqual(lines, ['note a: it is activating (start-pre) (and 1 more)']);
    interrupt();
    await assert.rejects(done, /interrupted/);
  });

  test('ends when its time is over, with what each unit lacks', async () => {
    const { tell, clock, lines, done } = stage([goal('a'), goal('b')], { limitMs: 2_000 });
    await tell(unit('a'), unit('b'), current, assigned('a'));
    await clock.advance(2_000);
    await done;
    assert.deepEqual(lines, ['b unplaced', 'a late: its machine has not reported yet']);
  });

  test('ends for a unit that somebody else changed or destroyed meanwhile', async () => {
    const { tell, lines, done } = stage([goal('a'), goal('b')]);
    await tell(unit('a'), unit('b'), current);
    await tell(unit('a', { generation: 2 }), { kind: 'unit', name: 'b', unit: null });
    await done;
    assert.deepEqual(lines, [
      'a superseded: somebody else changed it meanwhile',
      'b superseded: somebody destroyed it meanwhile',
    ]);
  });

  test('forgets what it knew when the stream begins anew', async () => {
    const { tell, restart, clock, lines } = stage([goal('a', { desired: 'inactive' })]);
    await tell(unit('a', { desired: 'inactive' }), assigned('a'), status('a'), current);
    await restart();
    await clock.advance(1_000);
    assert.deepEqual(lines, []);
    await tell(unit('a', { desired: 'inactive' }), current);
    assert.deepEqual(lines, ['a reached on ']);
  });

  test('a stop has nothing to wait for when the unit is on no machine', async () => {
    const { tell, lines, done } = stage([goal('a', { desired: 'loaded', nowhereIsFine: true })]);
    await tell(unit('a', { desired: 'loaded' }), current);
    await done;
    assert.deepEqual(lines, ['a reached on ']);
  });
});
