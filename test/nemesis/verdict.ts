/**
 * What a run shows: every break of a promise, as a sentence.
 * Promises: a process that ended has to have a reason (a person, or a fault that takes units from its machine); units of kind "stop" are never
 * two at once; what was accepted is in effect at the end, and of what was destroyed or stopped no process is left.
 */
import type { Fault, History, Life, Request, UnitKind } from './history.ts';

/** A process that has not been heard for so long has ended. */
const silentMs = 3_000;
/** How long after its cause a fault can still take effect: a lease runs out, the machine comes back and stops what has moved. */
const aftermathMs = 40_000;
/** A request can be carried out later than it was made, by a machine that did not hear of it at once. */
const requestReachMs = 40_000;

/** What must hold of a unit at the end; null when the last request's fate is unknown. */
export type Wanted = 'running' | 'not running' | null;

/** Which kind a unit is, by its name. */
export function kindOf(unit: string): UnitKind {
  return unit.startsWith('stop@') ? 'stop' : 'keep';
}

/** What the requests for a unit ask for in the end: only a refused or unanswered last request leaves it open. */
export function wantedOf(requests: readonly Request[]): Wanted {
  const last = requests.at(-1);
  if (last === undefined) return 'not running';
  if (!last.accepted) return null;
  return last.verb === 'start' || last.verb === 'restart' ? 'running' : 'not running';
}

/** Every break of a promise that the history shows; empty when all was well. */
export function violations(history: History): readonly string[] {
  return [...interrupted(history), ...overlapping(history), ...unfulfilled(history)];
}

function interrupted(history: History): readonly string[] {
  return history.lives
    .filter((life) => hasEnded(life, history.readAtMs) && !isExcused(life, history))
    .map((life) => `${life.unit} on ${life.machine} (pid ${life.pid}) ended at ${clock(life.untilMs)} for no reason a person gave; `
      + `faults before: ${history.faults.filter((fault) => fault.fromMs < life.untilMs).slice(-3)
        .map(({ kind, evidence, fromMs }) => `${clock(fromMs)} ${kind} (${evidence})`).join(', ')}`);
}

function hasEnded(life: Life, nowMs: number): boolean {
  return nowMs - life.untilMs > silentMs;
}

function isExcused(life: Life, { requests, faults }: History): boolean {
  const byPerson = requests.some(({ unit, verb, atMs }) => unit === life.unit && verb !== 'start'
    && atMs > life.fromMs - requestReachMs && atMs < life.untilMs + silentMs);
  return byPerson || faults.some((fault) => excuses(fault, life));
}

function excuses(fault: Fault, life: Life): boolean {
  const reaches = fault.takes.includes(life.machine) || (fault.fences && kindOf(life.unit) === 'stop');
  return reaches && life.untilMs > fault.fromMs - silentMs && life.untilMs < fault.untilMs + aftermathMs;
}

function overlapping({ overlaps }: History): readonly string[] {
  return overlaps.filter(({ unit }) => kindOf(unit) === 'stop')
    .map(({ unit, machine, atMs }) => `${unit} began on ${machine} at ${clock(atMs)} while it still ran elsewhere`);
}

function unfulfilled(history: History): readonly string[] {
  const units = [...new Set([...history.requests, ...history.lives].map(({ unit }) => unit))].sort();
  return units.flatMap((unit) => {
    const wanted = wantedOf(history.requests.filter((request) => request.unit === unit));
    const running = history.lives.filter((life) => life.unit === unit && !hasEnded(life, history.readAtMs));
    const where = running.map(({ machine, pid }) => `${machine} (pid ${pid})`).join(', ');
    if (wanted === 'running' && running.length === 0) return [`${unit} was started, that was accepted, and it does not run`];
    if (wanted === 'not running' && running.length > 0) return [`${unit} was stopped or destroyed, and runs on ${where}`];
    return running.length > 1 ? [`${unit} runs more than once: ${where}`] : [];
  });
}

/** Time of day, UTC, with milliseconds. */
export function clock(ms: number): string {
  return new Date(ms).toISOString().slice(11, 23);
}
