/**
 * Carries out an agent's plan: one executor for each kind of step, steps of a kind together.
 * Promises: order as planned; what goes wrong with one unit keeps no other from being done, and ends the plan for that unit.
 */
import { fenceUnit } from '../core/fence/fence-unit.ts';
import type { Step, StepKind, StepOf } from '../core/reconcile/step.ts';
import type { FileHash } from '../core/unit.ts';
import type { UnitName } from '../core/unit-name.ts';
import type { StartRequest, UnitRunner } from '../runner/runner.ts';
import type { Attendance } from './attendance.ts';
import type { Subject } from './problems.ts';

/** Something that could not be done, and why. */
export interface StepProblem {
  readonly subject: Subject;
  readonly why: string;
}

export interface StepNeeds {
  readonly runner: UnitRunner;
  readonly attendance: Pick<Attendance, 'drain' | 'undrain' | 'noteStopped'>;
  /** Raises a fence for the assignments the plan was made from; answers with why it could not. */
  readonly raiseFence: (lostAfterMs: number, signal: AbortSignal) => Promise<string | null>;
  /** Reads unit files into the agent's cache; answers with those it could not read. */
  readonly fetchFiles: (hashes: readonly FileHash[], signal: AbortSignal) => Promise<readonly StepProblem[]>;
}

type Executor<K extends StepKind> = (steps: readonly StepOf<K>[], signal: AbortSignal) => Promise<readonly StepProblem[]>;
type Executors = { readonly [K in StepKind]: Executor<K> };

/** Does all steps; answers with what could not be done. Throws RunnerUnavailable when the manager does not answer. */
export async function carryOut(steps: readonly Step[], needs: StepNeeds, signal: AbortSignal): Promise<readonly StepProblem[]> {
  const executors = executorsOf(needs);
  const problems: StepProblem[] = [];
  const troubled = new Set<Subject>();
  for (const batch of batchesOf(steps)) {
    const doable = batch.filter((step) => !troubled.has(subjectOf(step) ?? '' as Subject));
    const found = doable.length === 0 ? [] : await execute(executors, doable, signal);
    problems.push(...found);
    for (const { subject } of found) troubled.add(subject);
  }
  return problems;
}

/** Whom a step is about; null for the machine as a whole. */
export function subjectOf(step: Step): Subject | null {
  if (step.kind === 'reload') return null;
  if (step.kind === 'raise' || step.kind === 'lower') return fenceUnit(step.lostAfterMs);
  return step.kind === 'fetch' ? step.hash : step.unit;
}

function executorsOf({ runner, fetchFiles, attendance, raiseFence }: StepNeeds): Executors {
  const toProblems = (found: readonly { readonly name: Subject; readonly why: string }[]): readonly StepProblem[] =>
    found.map(({ name, why }) => ({ subject: name, why }));
  return {
    fetch: (steps, signal) => fetchFiles(steps.map(({ hash }) => hash), signal),
    drain: async (steps) => {
      await attendance.drain(unitsOf(steps));
      return [];
    },
    undrain: async (steps) => {
      await attendance.undrain(unitsOf(steps));
      return [];
    },
    stop: async (steps, signal) => {
      attendance.noteStopped(unitsOf(steps));
      return toProblems(await runner.stop(unitsOf(steps), signal));
    },
    unload: async (steps, signal) => toProblems(await runner.unload(unitsOf(steps), signal)),
    load: async (steps, signal) => toProblems(await runner.load(steps.map(({ rendered }) => rendered), signal)),
    reload: async (_steps, signal) => {
      await runner.reload(signal);
      return [];
    },
    reset: async (steps, signal) =>
      toProblems(await runner.resetFailed(steps.map(({ unit, reset }) => ({ name: unit, reset })), signal)),
    raise: (steps, signal) => forEachFence(steps, (lostAfterMs) => raiseFence(lostAfterMs, signal)),
    lower: (steps, signal) => forEachFence(steps, (lostAfterMs) => runner.fence.lower(lostAfterMs, signal)),
    start: async (steps, signal) => toProblems(await runner.start(steps.map(requestOf), signal)),
    restart: async (steps, signal) => {
      attendance.noteStopped(unitsOf(steps));
      return toProblems(await runner.restart(steps.map(requestOf), signal));
    },
  };
}

async function forEachFence(
  steps: readonly { readonly lostAfterMs: number }[], work: (lostAfterMs: number) => Promise<string | null>,
): Promise<readonly StepProblem[]> {
  const problems: StepProblem[] = [];
  for (const { lostAfterMs } of steps) {
    const why = await work(lostAfterMs);
    if (why !== null) problems.push({ subject: fenceUnit(lostAfterMs), why });
  }
  return problems;
}

const unitsOf = (steps: readonly { readonly unit: UnitName }[]): readonly UnitName[] => steps.map(({ unit }) => unit);

const requestOf = ({ unit, restart }: StepOf<'start' | 'restart'>): StartRequest => ({ name: unit, restart });

/** Runs of steps of one kind. */
function batchesOf(steps: readonly Step[]): readonly (readonly Step[])[] {
  const batches: Step[][] = [];
  for (const step of steps) {
    const last = batches.at(-1);
    if (last?.[0]?.kind === step.kind) last.push(step);
    else batches.push([step]);
  }
  return batches;
}

function execute(executors: Executors, steps: readonly Step[], signal: AbortSignal): Promise<readonly StepProblem[]> {
  const [first] = steps;
  if (first === undefined) return Promise.resolve([]);
  // All steps of a batch are of the first one's kind, which the compiler cannot see.
  const executor = executors[first.kind] as Executor<StepKind>;
  return executor(steps as readonly StepOf<StepKind>[], signal);
}
