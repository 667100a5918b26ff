/**
 * The agent's plan: what is assigned to this machine and what is observed on it in, steps out.
 * Promises: only what is assigned is started; only units observed in the runner's own directory are stopped. A unit is started
 * once for each wish: when it ends or fails after that, systemd's own Restart= is in charge. When everything is as it should
 * be, the plan is empty.
 */
import { isFencedOff, planFencedOff, planFences } from '../fence/agent-fences.ts';
import type { FenceView } from '../fence/agent-fences.ts';
import { compareText } from '../order.ts';
import { notStarted, outdated } from '../unit.ts';
import type { Assignment, FileHash } from '../unit.ts';
import type { UnitName } from '../unit-name.ts';
import { drainFirst } from './drain.ts';
import type { Drain } from './drain.ts';
import { renderUnit } from './render.ts';
import { stepOrder } from './step.ts';
import type { Step } from './step.ts';

/** What the plan needs to know of a unit that is on the machine: part of what the runner observes. */
export interface UnitOnMachine {
  readonly hash: FileHash;
  readonly renderedHash: string;
  readonly restart: number;
  readonly reset: number;
  readonly active: string;
  readonly sub: string;
  readonly needsReload: boolean;
}

export interface AgentView {
  readonly assignments: ReadonlyMap<UnitName, Assignment>;
  /** Texts of unit files that are at hand. */
  readonly texts: ReadonlyMap<FileHash, string>;
  readonly observations: ReadonlyMap<UnitName, UnitOnMachine>;
  /** Units and files that something went wrong with, until they are tried again. */
  readonly withheld: ReadonlySet<UnitName | FileHash>;
  /** Units that have done their work for good and are not started again: oneshots that succeeded before a reboot or a move. */
  readonly finished: ReadonlySet<UnitName>;
  /** Units that run and have a DrainTime=. */
  readonly drains: ReadonlyMap<UnitName, Drain>;
  /** Now, on the clock of `drains`. */
  readonly nowMs: number;
  readonly fences: FenceView;
}

/** All steps that are to be taken now, in the order to take them. Some follow only once these are done: plan again then. */
export function planAgent(view: AgentView): readonly Step[] {
  const names = [...new Set([...view.assignments.keys(), ...view.observations.keys()])].sort(compareText);
  const steps = names.filter((name) => !view.withheld.has(name))
    .flatMap((name) => withReset(view, name, drainFirst(view, name, planUnit(view, name))));
  const all = [...oneFetchPerFile(steps), ...neededReload(view, steps), ...planFences(view, steps)];
  return stepOrder.flatMap((kind) => all.filter((step) => step.kind === kind));
}

function planUnit(view: AgentView, name: UnitName): readonly Step[] {
  const assignment = view.assignments.get(name);
  const seen = view.observations.get(name);
  if (assignment === undefined) return seen === undefined ? [] : planUnassigned(name, seen);
  if (assignment.leaving) return seen === undefined ? [] : planGone(name, seen);
  // Whether its file is at hand or not: once the fence stands again, nothing tells any more why the unit does not run.
  if (seen !== undefined && (isDown(seen) || seen.active === 'deactivating') && isFencedOff(assignment, view.fences)) {
    const note = planFencedOff(name, seen);
    if (note.length > 0) return note;
  }
  if (seen !== undefined && assignment.desired === 'loaded') {
    const stop = planStop(name, seen);
    // What is stopping is loaded anew, if its file changed, once it has stopped.
    if (stop.length > 0 || seen.active === 'deactivating') return stop;
  }
  return planAssigned(view, { name, assignment, seen });
}

/**
 * The steps of a unit with the reset that was asked for. One that is loaded now has nothing to forget; that is noted before it is
 * started, so that a failure of that start is not forgotten.
 */
function withReset(view: AgentView, unit: UnitName, steps: readonly Step[]): readonly Step[] {
  const assignment = view.assignments.get(unit);
  const seen = view.observations.get(unit);
  if (assignment === undefined || assignment.leaving) return steps;
  if (seen === undefined && !steps.some(({ kind }) => kind === 'load')) return steps;
  const { reset } = assignment;
  return (seen?.reset ?? 0) === reset ? steps : [...steps, { kind: 'reset', unit, reset, why: `reset ${String(reset)} was asked for` }];
}

const isDown = ({ active }: UnitOnMachine): boolean => active === 'inactive' || active === 'failed';

function planUnassigned(name: UnitName, seen: UnitOnMachine): readonly Step[] {
  return isForeign(seen) ? [] : planGone(name, seen);
}

function planGone(name: UnitName, seen: UnitOnMachine): readonly Step[] {
  if (seen.active === 'deactivating') return [];
  const why = 'it is not assigned to this machine';
  return isDown(seen) ? [{ kind: 'unload', unit: name, why }] : [{ kind: 'stop', unit: name, why }];
}

/**
 * Whether a unit runs from the runner's directory although this fleet has never loaded it: another fleet did, from which
 * the machine is being taken over. What fleet did not start it does not stop, until the unit is assigned here.
 */
export function isForeign(seen: Pick<UnitOnMachine, 'hash' | 'active'>): boolean {
  return seen.hash === '' && seen.active !== 'inactive' && seen.active !== 'failed';
}

/** A unit that is wanted loaded: what fleet started is stopped, what its socket or timer activated is left alone. */
function planStop(name: UnitName, seen: UnitOnMachine): readonly Step[] {
  if (seen.restart === notStarted || seen.active === 'deactivating') return [];
  const why = isDown(seen) ? 'it is wanted loaded, and a later start is to start it' : 'it is wanted loaded, not launched';
  return [{ kind: 'stop', unit: name, why }];
}

interface Assigned {
  readonly name: UnitName;
  readonly assignment: Assignment;
  readonly seen: UnitOnMachine | undefined;
}

function planAssigned(view: AgentView, { name, assignment, seen }: Assigned): readonly Step[] {
  const text = view.texts.get(assignment.hash);
  if (text === undefined) {
    if (view.withheld.has(assignment.hash)) return [];
    return [{ kind: 'fetch', hash: assignment.hash, why: `${name} needs it` }];
  }
  const rendered = renderUnit(name, assignment, text);
  const isLaunched = assignment.desired === 'launched' && !view.finished.has(name);
  if (seen === undefined) {
    const load: Step = { kind: 'load', unit: name, rendered, why: 'it is assigned to this machine' };
    const start: Step = { kind: 'start', unit: name, restart: assignment.restart, why: 'it is wanted launched' };
    return isLaunched && !isFencedOff(assignment, view.fences) ? [load, start] : [load];
  }
  if (seen.renderedHash !== rendered.renderedHash) {
    // Started in a later plan: only then it is known whether the manager has to read it again.
    return [{ kind: 'load', unit: name, rendered, why: fileChangedWhy(seen, assignment) }];
  }
  if (isFencedOff(assignment, view.fences)) return planFencedOff(name, seen);
  return isLaunched ? planLaunched(name, assignment, seen) : [];
}

function fileChangedWhy(seen: UnitOnMachine, assignment: Assignment): string {
  if (seen.hash === '') return 'it lies here, and nothing says that this fleet has loaded it';
  if (seen.hash === assignment.hash) return 'what fleet adds to its file changed';
  return `its file changed from ${seen.hash.slice(0, 7)} to ${assignment.hash.slice(0, 7)}`;
}

/** A unit that is wanted launched and has its files. Its restart generation says whether this wish was carried out. */
function planLaunched(name: UnitName, { restart }: Assignment, seen: UnitOnMachine): readonly Step[] {
  // What is stopping is started once it has stopped.
  if (seen.restart === restart || seen.active === 'deactivating') return [];
  if (seen.restart === notStarted || (seen.restart === outdated && isDown(seen))) {
    return [{ kind: 'start', unit: name, restart, why: 'it is wanted launched' }];
  }
  const why = seen.restart === outdated ? 'it runs an older rendering of its file' : `restart ${String(restart)} was asked for`;
  return [{ kind: 'restart', unit: name, restart, why }];
}

/** One reload serves all units of a plan; none is needed for units that the manager has read as they are. */
function neededReload(view: AgentView, steps: readonly Step[]): readonly Step[] {
  const stale = steps.find((step) =>
    (step.kind === 'start' || step.kind === 'restart') && view.observations.get(step.unit)?.needsReload === true);
  if (stale === undefined) return [];
  return [{ kind: 'reload', why: 'the manager has read an older file of a unit that is to be started' }];
}

/** The steps with one fetch, not several, for a file that units share. */
function oneFetchPerFile(steps: readonly Step[]): readonly Step[] {
  const fetched = new Set<FileHash>();
  return steps.filter((step) => {
    if (step.kind !== 'fetch') return true;
    const isFirst = !fetched.has(step.hash);
    fetched.add(step.hash);
    return isFirst;
  });
}
