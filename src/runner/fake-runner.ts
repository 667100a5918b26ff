/**
 * A unit runner in memory, for tests and the simulator: keeps the whole contract, runs nothing.
 * Promises: what its units do follows from their text or from a script, the clock and the random numbers it is given;
 * the machine's state lives in an object of its own, so that runners come and go over it as fleetd does over systemd.
 */
import { notStarted, outdated } from '../core/unit.ts';
import type { UnitName } from '../core/unit-name.ts';
import type { Clock } from '../lib/clock.ts';
import type { Random } from '../lib/random.ts';
import { createBell } from '../lib/wakeups.ts';
import type { Bell } from '../lib/wakeups.ts';
import { createFakeFence, mayRun } from './fake-fence.ts';
import type { FakeInstant, FakeMachineState } from './fake-machine.ts';
import { behaviourOf, beginStart, beginStop, forgetFailure, isDown, newFakeUnit, nextDueMs, observationOf, settle } from './fake-machine.ts';
import { RunnerUnavailable } from './runner.ts';
import type { RenderedUnit, ResetRequest, RunnerProblem, StartRequest, UnitRunner } from './runner.ts';

export interface FakeRunnerNeeds {
  readonly clock: Clock;
  readonly random: Random;
  /** The machine it runs on; several runners may share one, one after another or at once. */
  readonly machine: FakeMachineState;
}

export function createFakeRunner(needs: FakeRunnerNeeds): UnitRunner {
  const { clock, machine } = needs;

  /** Counts the call, carries out what is due, and fails as the fault switches say. */
  const enter = (signal: AbortSignal): void => {
    signal.throwIfAborted();
    machine.calls += 1;
    settleNow(needs);
    if (machine.faults.unavailable) throw new RunnerUnavailable('the fake manager does not answer');
    if (machine.faults.failCall === machine.calls) throw new RunnerUnavailable(`call ${String(machine.calls)} fails as scripted`);
  };

  const fence = createFakeFence({
    clock, fences: machine.fences, enter, settle: () => settleNow(needs),
    tell: () => tellAll(machine),
  });
  return {
    fence,
    trouble: () => Promise.resolve(machine.faults.trouble),
    async observe(signal) {
      enter(signal);
      return new Map([...machine.units].map(([name, unit]) => [name, observationOf(unit)]));
    },
    changes: (signal) => fakeChanges(needs, signal),
    async load(units, signal) {
      enter(signal);
      return units.flatMap((rendered) => loadOne(machine, rendered));
    },
    async unload(names, signal) {
      enter(signal);
      return names.flatMap((name) => unloadOne(machine, name));
    },
    async reload(signal) {
      enter(signal);
      for (const unit of machine.units.values()) unit.known = unit.rendered;
    },
    async start(requests, signal) {
      enter(signal);
      return startAll(needs, requests, false);
    },
    async restart(requests, signal) {
      enter(signal);
      return startAll(needs, requests, true);
    },
    async resetFailed(requests, signal) {
      enter(signal);
      for (const request of requests) resetOne(needs, request);
      return [];
    },
    async stop(names, signal) {
      enter(signal);
      for (const name of names) stopOne(needs, name);
      settleNow(needs);
      return [];
    },
  };
}

function startAll(needs: FakeRunnerNeeds, requests: readonly StartRequest[], again: boolean): readonly RunnerProblem[] {
  const { machine } = needs;
  const problems: RunnerProblem[] = [];
  for (const { name, restart } of requests) {
    const unit = machine.units.get(name);
    const why = unit && (behaviourOf(unit).refusesStart ?? (mayRun(unit.known, machine.fences) ? undefined : 'its fence does not stand'));
    if (unit === undefined || why !== undefined) {
      problems.push({ name, why: why ?? `Unit ${name} not found.` });
      continue;
    }
    unit.restart = restart;
    if (again || isDown(unit)) beginStart(machine, unit, instant(needs));
    tell(machine, name);
  }
  settleNow(needs);
  return problems;
}

const instant = (needs: FakeRunnerNeeds): FakeInstant => ({
  nowMs: needs.clock.nowMs(), uptimeMs: needs.clock.uptimeMs(), random: needs.random,
});

function settleNow(needs: FakeRunnerNeeds): void {
  for (const name of settle(needs.machine, instant(needs))) tell(needs.machine, name);
}

function tell(machine: FakeMachineState, name: UnitName): void {
  for (const listener of machine.listeners) {
    listener.names.add(name);
    listener.bell.wake();
  }
}

function stopOne(needs: FakeRunnerNeeds, name: UnitName): void {
  const unit = needs.machine.units.get(name);
  if (unit === undefined) return;
  unit.restart = notStarted;
  if (!isDown(unit)) beginStop(needs.machine, unit, instant(needs));
  tell(needs.machine, name);
}

function resetOne(needs: FakeRunnerNeeds, { name, reset }: ResetRequest): void {
  const unit = needs.machine.units.get(name);
  if (unit === undefined) return;
  forgetFailure(unit, instant(needs));
  unit.reset = reset;
  tell(needs.machine, name);
}

function tellAll(machine: FakeMachineState): void {
  for (const { bell } of machine.listeners) bell.wake();
}

function loadOne(machine: FakeMachineState, rendered: RenderedUnit): RunnerProblem[] {
  const refuses = machine.behaviours.get(rendered.name)?.refusesLoad;
  if (refuses !== undefined) return [{ name: rendered.name, why: refuses }];
  const unit = machine.units.get(rendered.name);
  if (unit === undefined) {
    machine.units.set(rendered.name, newFakeUnit(machine, rendered));
  } else if (unit.rendered.renderedHash !== rendered.renderedHash) {
    unit.rendered = rendered;
    unit.restart = isDown(unit) || unit.restart === notStarted ? notStarted : outdated;
    // A stopped unit is read again with its next start, as systemd does once it has collected it.
    if (isDown(unit)) unit.known = rendered;
  } else {
    return [];
  }
  tell(machine, rendered.name);
  return [];
}

function unloadOne(machine: FakeMachineState, name: UnitName): RunnerProblem[] {
  const unit = machine.units.get(name);
  if (unit === undefined) return [];
  if (!isDown(unit)) return [{ name, why: `${name} is still ${unit.active}; it is unloaded once it has stopped` }];
  machine.units.delete(name);
  tell(machine, name);
  return [];
}

async function* fakeChanges(needs: FakeRunnerNeeds, signal: AbortSignal): AsyncGenerator<readonly UnitName[]> {
  const { machine } = needs;
  const listener: { names: Set<UnitName>; bell: Bell } = { names: new Set(), bell: createBell() };
  machine.listeners.add(listener);
  try {
    // What changed before anyone listened is unknown: the first word asks for a full look.
    yield [];
    for (;;) {
      settleNow(needs);
      if (listener.names.size === 0) await bellOrDue(needs, listener.bell, signal);
      settleNow(needs);
      const names = [...listener.names];
      listener.names.clear();
      if (names.length > 0) yield names;
    }
  } finally {
    machine.listeners.delete(listener);
  }
}

/** Waits until the bell rings or a unit's next step is due. */
async function bellOrDue(needs: FakeRunnerNeeds, bell: Bell, signal: AbortSignal): Promise<void> {
  const dueMs = nextDueMs(needs.machine);
  if (dueMs === null) return bell.wait(signal);
  const either = new AbortController();
  const any = AbortSignal.any([signal, either.signal]);
  const waits = [bell.wait(any), needs.clock.sleep(Math.max(0, dueMs - needs.clock.uptimeMs()), any)];
  try {
    await Promise.race(waits);
  } finally {
    either.abort(null);
    await Promise.allSettled(waits);
  }
}
