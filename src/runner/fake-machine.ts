/**
 * The machine under the fake runner: units as data, what they do next and when.
 * Promises: nothing here reads a clock or waits; settle() brings the units to a given moment, also after a long absence.
 */
import { notStarted } from '../core/unit.ts';
import type { UnitName } from '../core/unit-name.ts';
import type { Random } from '../lib/random.ts';
import type { Bell } from '../lib/wakeups.ts';
import { isBoundTo } from './fake-fence.ts';
import type { FakeFences } from './fake-fence.ts';
import type { Observation, RenderedUnit } from './runner.ts';

/** What a unit does when it is started or stopped. Delays are in milliseconds and vary at random by up to half. */
export interface FakeBehaviour {
  /** How long it is activating; Infinity never gets further. Default 0. */
  readonly startMs?: number;
  /** How long its process runs before it ends by itself; null for ever. Default null. */
  readonly runMs?: number | null;
  /** With what status the process ends. Default 0. */
  readonly exitStatus?: number;
  /** Restart after the process has ended, this much later: a flapping unit. Default: it is not restarted. */
  readonly restartAfterMs?: number;
  /** How long it is deactivating; Infinity hangs. Default 0. */
  readonly stopMs?: number;
  /** Type=oneshot: it is active only in passing, and success is remembered. Default: as the text says. */
  readonly oneshot?: boolean;
  /** load() answers with this problem. */
  readonly refusesLoad?: string;
  /** start() answers with this problem. */
  readonly refusesStart?: string;
}

/** Switches for trouble, changed by the test. */
export interface FakeFaults {
  /** Every call throws RunnerUnavailable. */
  unavailable: boolean;
  /** The call of this number (FakeMachineState.calls counts from 1) throws RunnerUnavailable. */
  failCall: number | null;
  /** What trouble() answers. */
  trouble: string | null;
}

/** One unit of the fake machine. */
export interface FakeUnit {
  /** The rendering on disk. */
  rendered: RenderedUnit;
  /** The rendering the manager works with until it is reloaded. */
  known: RenderedUnit;
  script: FakeBehaviour | null;
  restart: number;
  reset: number;
  active: 'inactive' | 'activating' | 'active' | 'deactivating' | 'failed';
  sub: string;
  sinceMs: number;
  result: string;
  exitStatus: number | null;
  succeeded: boolean;
  restarts: number;
  mainPid: number;
  /** What happens next by itself, and at which uptime. */
  next: { readonly atMs: number; readonly step: 'started' | 'ended' | 'stopped' | 'again' } | null;
  /** A restart was asked for: once stopped, it is started. */
  startAfterStop: boolean;
}

/** A machine that outlives the runners on it. */
export interface FakeMachineState {
  readonly units: Map<UnitName, FakeUnit>;
  /** Scripts by unit; a unit without one does what its text says. */
  readonly behaviours: Map<UnitName, FakeBehaviour>;
  readonly faults: FakeFaults;
  readonly fences: FakeFences;
  readonly listeners: Set<{ readonly names: Set<UnitName>; readonly bell: Bell }>;
  calls: number;
  lastPid: number;
}

/** A moment, and chance. */
export interface FakeInstant {
  readonly nowMs: number;
  readonly uptimeMs: number;
  readonly random: Random;
}

export function createFakeMachine(): FakeMachineState {
  return {
    units: new Map(), behaviours: new Map(), faults: { unavailable: false, failCall: null, trouble: null }, fences: new Map(), listeners: new Set(),
    calls: 0, lastPid: 1_000,
  };
}

/** Power loss: everything under /run is gone with the units; scripts stay. */
export function rebootFakeMachine(machine: FakeMachineState): void {
  machine.units.clear();
  machine.fences.clear();
}

export function newFakeUnit(machine: FakeMachineState, rendered: RenderedUnit): FakeUnit {
  return {
    rendered, known: rendered, script: machine.behaviours.get(rendered.name) ?? null, restart: notStarted, reset: 0,
    active: 'inactive', sub: 'dead', sinceMs: 0, result: 'success', exitStatus: null, succeeded: false, restarts: 0,
    mainPid: 0, next: null, startAfterStop: false,
  };
}

/** What the unit does: its script, else what the text of a plain service says about itself. */
export function behaviourOf(unit: FakeUnit): FakeBehaviour {
  if (unit.script !== null) return unit.script;
  const { name, text } = unit.known;
  if (!name.endsWith('.service')) return {};
  const oneshot = /^Type=oneshot$/m.test(text);
  const command = /^ExecStart=(.*)$/m.exec(text)?.[1];
  if (command === undefined) return { refusesStart: `Unit ${name} has a bad unit file setting.` };
  const exitStatus = Number(/\bexit (\d+)/.exec(command)?.[1] ?? 0);
  const sleepMs = Number(/\bsleep ([\d.]+)/.exec(command)?.[1] ?? 0) * 1_000;
  const endsAtOnce = /\bexit \d|\/(true|echo)\b/.test(command);
  return { oneshot, exitStatus, runMs: endsAtOnce ? 0 : oneshot ? sleepMs : null };
}

export const isDown = (unit: FakeUnit): boolean => unit.active === 'inactive' || unit.active === 'failed';

export function observationOf(unit: FakeUnit): Observation {
  const { rendered, restart, reset, active, sub, sinceMs, result, exitStatus, succeeded, restarts, mainPid } = unit;
  return {
    name: rendered.name, hash: rendered.hash, renderedHash: rendered.renderedHash, restart, reset,
    load: behaviourOf(unit).refusesStart === undefined ? 'loaded' : 'bad-setting', active, sub, sinceMs, result, exitStatus,
    succeeded, restarts, mainPid, needsReload: unit.known.renderedHash !== rendered.renderedHash,
  };
}

/** Uptime at which the next unit does something by itself; null when none will. */
export function nextDueMs(machine: FakeMachineState): number | null {
  let dueMs: number | null = null;
  for (const untilMs of machine.fences.values()) if (dueMs === null || untilMs < dueMs) dueMs = untilMs;
  for (const { next } of machine.units.values()) {
    if (next !== null && Number.isFinite(next.atMs) && (dueMs === null || next.atMs < dueMs)) dueMs = next.atMs;
  }
  return dueMs;
}

/** Starts a unit that is down, or stops one that is up and starts it then. */
export function beginStart(machine: FakeMachineState, unit: FakeUnit, at: FakeInstant): void {
  if (!isDown(unit)) {
    unit.startAfterStop = true;
    if (unit.active !== 'deactivating') beginStop(machine, unit, at);
    unit.startAfterStop = true;
    return;
  }
  unit.restarts = 0;
  unit.succeeded = false;
  activate(machine, unit, at);
}

export function beginStop(machine: FakeMachineState, unit: FakeUnit, at: FakeInstant): void {
  unit.startAfterStop = false;
  if (unit.active === 'deactivating') return;
  enter(unit, { active: 'deactivating', sub: 'stop-sigterm' }, at);
  unit.next = { atMs: at.uptimeMs + varied(behaviourOf(unit).stopMs ?? 0, at.random), step: 'stopped' };
}

/** Forgets that a unit failed, and how often it was restarted. */
export function forgetFailure(unit: FakeUnit, at: FakeInstant): void {
  unit.restarts = 0;
  if (unit.active !== 'failed') return;
  unit.result = 'success';
  unit.exitStatus = null;
  enter(unit, { active: 'inactive', sub: 'dead' }, at);
}

/** Carries out everything that was due by `at`, in order of time; answers with the units that changed. */
export function settle(machine: FakeMachineState, at: FakeInstant): ReadonlySet<UnitName> {
  const changed = new Set<UnitName>();
  for (;;) {
    const dueMs = nextDueMs(machine);
    if (dueMs === null || dueMs > at.uptimeMs) return changed;
    const then: FakeInstant = { nowMs: at.nowMs - (at.uptimeMs - dueMs), uptimeMs: dueMs, random: at.random };
    for (const name of fallenFences(machine, then)) changed.add(name);
    for (const [name, unit] of machine.units) {
      if (unit.next?.atMs !== dueMs) continue;
      takeStep(machine, unit, then);
      changed.add(name);
    }
  }
}

/** Takes down the fences whose moment is over; answers with the units that begin to stop. */
function fallenFences(machine: FakeMachineState, at: FakeInstant): readonly UnitName[] {
  const fallen = [...machine.fences].filter(([, untilMs]) => untilMs <= at.uptimeMs).map(([lostAfterMs]) => lostAfterMs);
  for (const lostAfterMs of fallen) machine.fences.delete(lostAfterMs);
  const bound = [...machine.units].filter(([, unit]) => !isDown(unit) && fallen.some((lostAfterMs) => isBoundTo(unit.known, lostAfterMs)));
  for (const [, unit] of bound) beginStop(machine, unit, at);
  return bound.map(([name]) => name);
}

function varied(delayMs: number, random: Random): number {
  return delayMs === 0 || !Number.isFinite(delayMs) ? delayMs : Math.round(delayMs * (0.75 + random.next() / 2));
}

function enter(unit: FakeUnit, to: { active: FakeUnit['active']; sub: string }, at: FakeInstant): void {
  if (unit.active !== to.active) unit.sinceMs = at.nowMs;
  unit.active = to.active;
  unit.sub = to.sub;
}

function activate(machine: FakeMachineState, unit: FakeUnit, at: FakeInstant): void {
  unit.result = 'success';
  unit.exitStatus = null;
  enter(unit, { active: 'activating', sub: 'start' }, at);
  const { startMs = 0, oneshot = false, runMs = null } = behaviourOf(unit);
  if (oneshot) {
    // The process of a oneshot runs while the unit is activating.
    unit.mainPid = machine.lastPid += 1;
    unit.next = { atMs: at.uptimeMs + varied(startMs + (runMs ?? 0), at.random), step: 'ended' };
  } else {
    unit.next = { atMs: at.uptimeMs + varied(startMs, at.random), step: 'started' };
  }
}

function takeStep(machine: FakeMachineState, unit: FakeUnit, at: FakeInstant): void {
  const step = unit.next?.step;
  unit.next = null;
  const behaviour = behaviourOf(unit);
  switch (step) {
    case 'started': {
      const isService = unit.known.name.endsWith('.service');
      enter(unit, { active: 'active', sub: isService ? 'running' : 'active' }, at);
      if (isService) unit.mainPid = machine.lastPid += 1;
      const { runMs = null } = behaviour;
      if (runMs !== null) unit.next = { atMs: at.uptimeMs + varied(runMs, at.random), step: 'ended' };
      return;
    }
    case 'ended':
      return endProcess(unit, behaviour, at);
    case 'again':
      unit.restarts += 1;
      return activate(machine, unit, at);
    case 'stopped':
      unit.mainPid = 0;
      enter(unit, { active: 'inactive', sub: 'dead' }, at);
      unit.known = unit.rendered;
      if (unit.startAfterStop) {
        unit.startAfterStop = false;
        beginStart(machine, unit, at);
      }
      return;
    case undefined:
      return;
  }
}

function endProcess(unit: FakeUnit, behaviour: FakeBehaviour, at: FakeInstant): void {
  const { exitStatus = 0, oneshot = false, restartAfterMs } = behaviour;
  unit.mainPid = 0;
  unit.exitStatus = exitStatus;
  unit.result = exitStatus === 0 ? 'success' : 'exit-code';
  if (restartAfterMs !== undefined) {
    enter(unit, { active: 'activating', sub: 'auto-restart' }, at);
    // Never at once: a unit that flaps without any delay would keep settle() busy for ever.
    unit.next = { atMs: at.uptimeMs + Math.max(1, varied(restartAfterMs, at.random)), step: 'again' };
    return;
  }
  if (oneshot && exitStatus === 0) unit.succeeded = true;
  enter(unit, exitStatus === 0 ? { active: 'inactive', sub: 'dead' } : { active: 'failed', sub: 'failed' }, at);
  unit.known = unit.rendered;
}
