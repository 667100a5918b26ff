/**
 * The passes of an agent: observe, report, plan, carry out, until nothing is left to do; then wait for a change.
 * Promises: one pass at a time; an event only wakes the loop, which reads everything again; nothing is done before this machine's
 * assignments have been heard, nor while another machine has its id; a runner that does not answer is tried again, and until then
 * nothing is assumed.
 */
import { planAgent } from '../core/reconcile/plan-agent.ts';
import type { AgentView } from '../core/reconcile/plan-agent.ts';
import type { Step } from '../core/reconcile/step.ts';
import type { Assignment, UnitStatus } from '../core/unit.ts';
import type { UnitName } from '../core/unit-name.ts';
import { createBackoff } from '../lib/backoff.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { Random } from '../lib/random.ts';
import { createTicks, waitAtMost } from '../lib/wakeups.ts';
import type { Bell } from '../lib/wakeups.ts';
import { RunnerUnavailable } from '../runner/runner.ts';
import type { Observation, UnitRunner } from '../runner/runner.ts';
import type { Attendance } from './attendance.ts';
import { carryOut, subjectOf } from './carry-out.ts';
import type { StepNeeds, StepProblem } from './carry-out.ts';
import { isBringingUp } from './cold-start.ts';
import type { FenceStops } from './fence-stops.ts';
import type { Fences } from './fences.ts';
import type { Finished } from './finished.ts';
import type { LocalCopy } from './local-copy.ts';
import type { PortWatch } from './port-watch.ts';
import type { ProblemBook, Subject } from './problems.ts';
import type { Reporter } from './reporter.ts';
import type { AgentReport } from './report.ts';
import type { Settling } from './settling.ts';
import { statusesOf } from './statuses.ts';
import type { Stillness } from './stillness.ts';
import type { Troubles } from './troubles.ts';
import type { UnitFiles } from './unit-files.ts';

/** A look at everything without an event, should one have been lost; asks the runner, not the store. */
const resyncMs = 30_000;
const firstRetryMs = 100;
const longestRetryMs = 10_000;
/** Passes in a row that found something to do, for a second or so, before the loop slows down: a plan that never gets empty must not spin. */
const busyPassesMax = 50;
/** Units that start or stop by the hundred tell of it one by one; after a few passes at once they are looked at together. */
const passTicks = { shortMs: 0, longMs: 20, burst: 4, refillMs: 25 };

export interface PassNeeds {
  readonly runner: UnitRunner;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly reporter: Reporter;
  readonly problems: ProblemBook;
  readonly finished: Finished;
  readonly files: UnitFiles;
  readonly attendance: Attendance;
  readonly portWatch: PortWatch;
  readonly fences: Fences;
  readonly fenceStops: FenceStops;
  readonly copy: Pick<LocalCopy, 'keep'>;
  readonly troubles: Troubles;
  readonly settling: Settling;
  readonly stillness: Stillness;
  readonly report: AgentReport;
  /** Rings when assignments, units or presence have changed. */
  readonly bell: Bell;
}

/** What the passes are to bring about. */
export interface Wishes {
  /** The units this machine is to have; null while that is not known: then it only observes. */
  assignments(): ReadonlyMap<UnitName, Assignment> | null;
  /** Who says so: the store, this machine's disk because the store is away, or a machine that leaves and wants nothing. */
  source(): 'store' | 'disk' | 'leaving';
  /** Units that are left as they are. */
  untouched(): ReadonlySet<UnitName>;
  /** How long a unit may drain at most, whatever its DrainTime= says. */
  readonly drainMsMax: number;
  /** Ends the passes once a pass has found nothing to do and this holds. */
  isOver(observations: ReadonlyMap<UnitName, Observation>): boolean;
}

/** Runs passes until the signal is aborted (then throws its reason) or the wishes are over. */
export async function bringAbout(needs: PassNeeds, wishes: Wishes, signal: AbortSignal): Promise<void> {
  const backoff = createBackoff({ firstMs: firstRetryMs, maxMs: longestRetryMs }, needs.random);
  const nextTickMs = createTicks(needs.clock, passTicks);
  let busyPasses = 0;
  for (;;) {
    const end = await onePass(needs, wishes, signal);
    const notBeforeMs = needs.clock.uptimeMs() + nextTickMs();
    if (end === 'over') return;
    busyPasses = end === 'busy' ? busyPasses + 1 : 0;
    if (end === 'unavailable' || busyPasses > busyPassesMax) {
      await needs.clock.sleep(backoff.nextMs(), signal);
    } else if (end === 'idle') {
      backoff.reset();
      const retryMs = needs.problems.nextMs(needs.clock.uptimeMs()) ?? resyncMs;
      const drainedMs = needs.attendance.nextMs(wishes.drainMsMax) ?? resyncMs;
      await rest(needs, Math.min(resyncMs, retryMs, drainedMs), signal);
    }
    const leftMs = notBeforeMs - needs.clock.uptimeMs();
    if (leftMs > 0) await needs.clock.sleep(leftMs, signal);
  }
}

/** Waits for something to change. The disk is looked at meanwhile: nothing tells when it is full. */
async function rest({ bell, clock, troubles }: PassNeeds, limitMs: number, signal: AbortSignal): Promise<void> {
  const endMs = clock.uptimeMs() + limitMs;
  for (;;) {
    const leftMs = Math.max(0, endMs - clock.uptimeMs());
    if (await waitAtMost(bell, { clock, limitMs: Math.min(leftMs, troubles.nextMs()) }, signal) || clock.uptimeMs() >= endMs) return;
    try {
      await troubles.look(signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof RunnerUnavailable)) throw error;
      return; // The next pass meets it, too, and says so.
    }
  }
}

/** How a pass ended. `busy`: it did something, so the next one follows at once. */
type PassEnd = 'idle' | 'busy' | 'unavailable' | 'over';

async function onePass(needs: PassNeeds, wishes: Wishes, signal: AbortSignal): Promise<PassEnd> {
  const { runner, clock, log, report } = needs;
  const startedMs = clock.uptimeMs();
  try {
    const observations = await runner.observe(signal);
    await needs.troubles.look(signal);
    const known = wishes.assignments();
    const assignments = known ?? new Map<UnitName, Assignment>();
    const fences = await needs.fences.look(signal);
    await needs.attendance.look({ observations, assignments, texts: needs.files.texts });
    const steps = known === null ? [] : planNow(needs, wishes, { assignments, observations, fences });
    if (known !== null) needs.fenceStops.look(steps, { assignments, observations, fences });
    const statuses = await statusesNow(needs, known, observations);
    if (known !== null) needs.portWatch.update(statuses, assignments);
    const early = new Set([...needs.settling.look(observations), ...beingStarted(steps)]);
    const isStill = needs.stillness.look(observations, early) && steps.length === 0;
    needs.reporter.update(withDoubts(statuses, needs.portWatch), { early, isStill });
    if (known !== null && wishes.source() === 'store') needs.copy.keep(assignments, needs.files.texts);
    if (steps.length === 0) return wishes.isOver(observations) ? 'over' : 'idle';
    report.lastPlan = steps;
    for (const step of steps) log.debug(`${step.kind} ${subjectOf(step) ?? ''}: ${step.why}`);
    const raiseFence: StepNeeds['raiseFence'] = (lostAfterMs, over) => needs.fences.raise(lostAfterMs, assignments, over);
    const found = await carryOut(steps, { runner, fetchFiles: needs.files.fetch, attendance: needs.attendance, raiseFence }, signal);
    noteOutcome(needs, wishes, { steps, found });
    return 'busy';
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof RunnerUnavailable)) throw error;
    needs.troubles.noteUnavailable(error.message);
    return 'unavailable';
  } finally {
    report.passes += 1;
    report.lastPassMs = clock.uptimeMs() - startedMs;
  }
}

type Seen = Pick<AgentView, 'assignments' | 'fences'> & { readonly observations: ReadonlyMap<UnitName, Observation> };

function planNow(needs: PassNeeds, wishes: Wishes, seen: Seen): readonly Step[] {
  const { problems, files, clock, attendance } = needs;
  const { assignments } = seen;
  files.follow(assignments);
  const waiting = problems.withheld((subject) => wishOf(assignments, subject), clock.uptimeMs());
  const withheld = new Set([...waiting, ...wishes.untouched()]);
  const drains = attendance.drains(wishes.drainMsMax);
  const finished = needs.finished.units(assignments);
  const steps = planAgent({ ...seen, texts: files.texts, withheld, finished, drains, nowMs: clock.uptimeMs() });
  const busy = new Set(steps.map(subjectOf));
  for (const subject of problems.subjects()) if (!busy.has(subject) && !withheld.has(subject)) problems.clear(subject);
  return wishes.source() === 'disk' ? steps.filter(isBringingUp) : steps;
}

/** What is reported, by the very assignments that are planned for: what is said to be released is not started by that plan. */
async function statusesNow(
  { problems, finished, attendance, fenceStops }: PassNeeds, assignments: ReadonlyMap<UnitName, Assignment> | null,
  observations: ReadonlyMap<UnitName, Observation>,
): Promise<ReadonlyMap<UnitName, UnitStatus>> {
  const statuses = statusesOf({ observations, assignments: assignments ?? new Map(), problems, attendance, fenceStops });
  return assignments === null ? statuses : finished.settle(statuses, assignments);
}

/** The statuses, with those marked that may have failed because of a port. */
function withDoubts(statuses: ReadonlyMap<UnitName, UnitStatus>, watch: PortWatch): ReadonlyMap<UnitName, UnitStatus> {
  return new Map([...statuses].map(([name, status]) => [name, watch.inDoubt(name) ? { ...status, portsInDoubt: true } : status]));
}

/** Units whose state this very plan is about to change: what they were a moment before it is of no use to anybody. */
function beingStarted(steps: readonly Step[]): readonly UnitName[] {
  return steps.flatMap((step) => (step.kind === 'load' || step.kind === 'start' || step.kind === 'restart' ? [step.unit] : []));
}

/** What is asked of a unit, to tell one request from the next; nothing is asked of a file but to be there. */
function wishOf(assignments: ReadonlyMap<UnitName, Assignment>, subject: Subject): string {
  const assignment = assignments.get(subject as UnitName);
  if (assignment === undefined) return '';
  const { hash, desired, restart, reset, assignedAtMs, ports } = assignment;
  return [hash, desired, restart, reset, assignedAtMs, ...Object.values(ports)].join(' ');
}

interface Outcome {
  readonly steps: readonly Step[];
  readonly found: readonly StepProblem[];
}

function noteOutcome({ problems, clock, log, report }: PassNeeds, wishes: Wishes, { steps, found }: Outcome): void {
  const assignments = wishes.assignments() ?? new Map<UnitName, Assignment>();
  for (const { kind } of steps) report.steps[kind] += 1;
  report.failedSteps += found.length;
  const failed = new Set(found.map(({ subject }) => subject));
  for (const step of steps) {
    const subject = subjectOf(step);
    if (subject !== null && !failed.has(subject)) problems.clear(subject);
  }
  for (const { subject, why } of found) {
    if (problems.whyOf(subject) !== why) log.warning(`${subject}: ${why}; trying again later`);
    problems.note(subject, { why, wish: wishOf(assignments, subject) }, clock.uptimeMs());
  }
}
