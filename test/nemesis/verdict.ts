/**
 * What a run shows: every break of a promise, as a sentence.
 * Promises: a process that ended has to have a reason (a person, or a fault that takes units from its machine); units of kind "stop" are never
 * two at once; no two units of a machine have one port; what was accepted is in effect at the end, releases and drains have ended, and of what
 * was destroyed or stopped no process is left.
 */
import type { Collision, Fault, History, Life, Request } from './history.ts';
import { kindOf, templateOf } from './templates.ts';

/** A process that has not been heard for so long has ended. */
const silentMs = 3_000;
/** How long after its cause a fault can still take effect: a lease runs out, the machine comes back and stops what has moved. */
const aftermathMs = 40_000;
/** A request can be carried out later than it was made, by a machine that did not hear of it at once. */
const requestReachMs = 40_000;

/** What must hold of a unit at the end; null when the last request's fate is unknown. */
export type Wanted = 'running' | 'not running' | null;

/** What the requests for a unit ask for in the end: only a refused or unanswered last request leaves it open. */
export function wantedOf(requests: readonly Request[]): Wanted {
  const last = requests.at(-1);
  if (last === undefined) return 'not running';
  if (!last.accepted) return null;
  return last.verb === 'start' || last.verb === 'restart' ? 'running' : 'not running';
}

/** Every break of a promise that the history shows; empty when all was well. */
export function violations(history: History): readonly string[] {
  return [
    ...interrupted(history), ...overlapping(history), ...history.portClashes.map(sayClash), ...unfulfilled(history),
    ...unscaled(history), ...unreleased(history), ...undrained(history),
  ];
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
  return requests.some((request, index) => explains(request, life, requests.slice(index + 1))) || faults.some((fault) => excuses(fault, life));
}

/** Whether a person's request is why the process ended. */
function explains(request: Request, { unit, machine, untilMs }: Life, later: readonly Request[]): boolean {
  const { subject, verb, atMs, overMs } = request;
  if (atMs - silentMs > untilMs) return false;
  if (verb === 'start' || verb === 'undrain' || verb === 'cordon' || verb === 'uncordon') return false;
  if (verb === 'drain') {
    const undrain = later.find((other) => other.subject === subject && other.accepted && other.verb === 'undrain');
    return subject === machine && untilMs < (undrain?.atMs ?? Infinity) + requestReachMs;
  }
  if (verb === 'release') return subject === templateOf(unit) && untilMs < (overMs ?? Infinity) + silentMs;
  return (subject === unit || subject === templateOf(unit)) && untilMs < atMs + requestReachMs;
}

function excuses(fault: Fault, life: Life): boolean {
  const reaches = fault.takes.includes(life.machine) || (fault.fences && kindOf(life.unit) === 'stop');
  return reaches && life.untilMs > fault.fromMs - silentMs && life.untilMs < fault.untilMs + aftermathMs;
}

function overlapping({ overlaps }: History): readonly string[] {
  return overlaps.filter(({ unit }) => kindOf(unit) === 'stop')
    .map(({ unit, machine, atMs }) => `${unit} began on ${machine} at ${clock(atMs)} while it still ran elsewhere`);
}

function sayClash({ unit, machine, atMs }: Collision): string {
  return `${unit} began on ${machine} at ${clock(atMs)} with a port that was in use there`;
}

/** What runs at the end, of the units that `belongs` names. */
function running({ lives, readAtMs }: History, belongs: (life: Life) => boolean): readonly Life[] {
  return lives.filter((life) => belongs(life) && !hasEnded(life, readAtMs));
}

const places = (lives: readonly Life[]): string => lives.map(({ machine, pid }) => `${machine} (pid ${pid})`).join(', ');

/** Last requests of those verbs, one for each subject. */
function lastRequests({ requests }: History, verbs: readonly string[]): readonly Request[] {
  const lasts = new Map(requests.filter(({ verb }) => verbs.includes(verb)).map((request) => [request.subject, request]));
  return [...lasts.values()];
}

function unfulfilled(history: History): readonly string[] {
  const isWhole = new Set(lastRequests(history, ['scale', 'release']).map(({ subject }) => subject));
  const asked = lastRequests(history, ['start', 'stop', 'restart', 'destroy']).map(({ subject }) => subject);
  const units = [...new Set([...asked, ...history.lives.map(({ unit }) => unit)])].sort();
  return units.flatMap((unit) => {
    const found = running(history, (life) => life.unit === unit);
    if (found.length > 1) return [`${unit} runs more than once: ${places(found)}`];
    if (isWhole.has(templateOf(unit))) return [];
    const wanted = wantedOf(history.requests.filter(({ subject }) => subject === unit));
    if (wanted === 'running' && found.length === 0) return [`${unit} was started, that was accepted, and it does not run`];
    if (wanted === 'not running' && found.length > 0) return [`${unit} was stopped or destroyed, and runs on ${places(found)}`];
    return [];
  });
}

function unscaled(history: History): readonly string[] {
  return lastRequests(history, ['scale']).filter(({ accepted }) => accepted).flatMap(({ subject, amount }) => {
    const found = running(history, ({ unit }) => templateOf(unit) === subject);
    return found.length === amount ? [] : [`${subject} was scaled to ${amount}, and there run ${found.map(({ unit }) => unit).join(', ') || 'none'}`];
  });
}

function unreleased(history: History): readonly string[] {
  return history.releases.flatMap(({ template, state, why }) => {
    if (state !== 'done' && state !== 'rolled-back') return [`the release of ${template} did not end: it is ${state} (${why})`];
    const last = lastRequests(history, ['release']).find(({ subject }) => subject === template);
    if (state !== 'done' || last?.accepted !== true) return [];
    return running(history, ({ unit, version }) => templateOf(unit) === template && version !== last.amount)
      .map(({ unit, version }) => `${unit} runs version ${version}, and version ${last.amount} was released`);
  });
}

function undrained(history: History): readonly string[] {
  const states = new Map(history.machines.map(({ machine, state }) => [machine, state]));
  return lastRequests(history, ['drain', 'undrain', 'cordon', 'uncordon']).filter(({ accepted }) => accepted).flatMap(({ subject, verb }) => {
    const expected = verb === 'drain' ? 'drained' : verb === 'cordon' ? 'cordoned' : 'up';
    const state = states.get(subject) ?? 'not listed';
    const left = verb === 'drain' ? running(history, ({ machine }) => machine === subject) : [];
    return [
      ...(state === expected ? [] : [`${subject} is ${state} after ${verb} was accepted`]),
      ...left.map(({ unit, pid }) => `${unit} (pid ${pid}) runs on ${subject}, which was drained`),
    ];
  });
}

/** Time of day, UTC, with milliseconds. */
export function clock(ms: number): string {
  return new Date(ms).toISOString().slice(11, 23);
}
