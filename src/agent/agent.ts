/**
 * The agent: what a machine does for the cluster. It registers the machine, brings about what is assigned to it, and reports.
 * Promises: starts only what is assigned to this machine and stops only what lies in the runner's own directory; trouble of the
 * store never stops a unit; stopping fleetd leaves units alone unless this machine is to leave the cluster, and then its presence
 * ends only after its units have stopped. Nothing is global: several agents may run in one process.
 */
import type { MachineFacts } from '../core/machine.ts';
import { isForeign } from '../core/reconcile/plan-agent.ts';
import { limits } from '../core/limits.ts';
import type { Assignment, FileHash } from '../core/unit.ts';
import type { UnitName } from '../core/unit-name.ts';
import { createBackoff } from '../lib/backoff.ts';
import type { Clock } from '../lib/clock.ts';
import { DeadlineExceeded, withDeadline } from '../lib/deadline.ts';
import type { Log } from '../lib/log.ts';
import type { Random } from '../lib/random.ts';
import { untilFirstEnds } from '../lib/tasks.ts';
import { createBell } from '../lib/wakeups.ts';
import type { Bell } from '../lib/wakeups.ts';
import { RunnerUnavailable } from '../runner/runner.ts';
import type { UnitRunner } from '../runner/runner.ts';
import type { Store } from '../store/store.ts';
import type { StoreTrust } from '../store/trust.ts';
import { followAssignments } from './assignments.ts';
import type { Assignments } from './assignments.ts';
import { createAttendance } from './attendance.ts';
import { createCareBook } from './care-book.ts';
import type { Probe } from './health-watch.ts';
import { createFinished, unconcerned } from './finished.ts';
import type { AgentMemory } from './memory.ts';
import { bringAbout } from './passes.ts';
import type { PassNeeds, Wishes } from './passes.ts';
import { createPortWatch } from './port-watch.ts';
import type { PortFacts } from './port-watch.ts';
import { createPresence } from './presence.ts';
import type { Presence } from './presence.ts';
import { createProblemBook } from './problems.ts';
import { createColdStart } from './cold-start.ts';
import type { ColdStart } from './cold-start.ts';
import { createFenceStops } from './fence-stops.ts';
import { createFences } from './fences.ts';
import { createLocalCopy } from './local-copy.ts';
import { createReporter } from './reporter.ts';
import { createSettling } from './settling.ts';
import type { Activity } from './settling.ts';
import type { AgentReport } from './report.ts';
import { createStillness } from './stillness.ts';
import { createTroubles } from './troubles.ts';
import { createUnitFiles } from './unit-files.ts';

const firstRetryMs = 100;
const longestRetryMs = 10_000;
/** Of the time that leaving may take, what units may drain for; the rest is for them to stop in. */
const drainShareOfStop = 0.5;
/** How long the question whether to leave may take; without an answer units are left alone. */
const onStopMsMax = 5_000;

/** What becomes of this machine when fleetd stops: `leave` stops its units and leaves the cluster, `keep` touches neither. */
export type OnStop = 'leave' | 'keep';

export interface AgentNeeds {
  readonly store: Store;
  /** Whether that store is the one this machine knows: as long as it is not, the agent does as if it were away. */
  readonly trust: StoreTrust;
  readonly runner: UnitRunner;
  /** This machine as it is now; its id must not change. Read again when `refresh` rings and with every renewal. */
  readonly facts: () => MachineFacts;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** fleet 1.0's agent_ttl: how long this machine may be silent before its units move. */
  readonly ttlMs: number;
  readonly memory: AgentMemory;
  /** Asks units whether they are well. */
  readonly probe: Probe;
  readonly portFacts: PortFacts;
  /** The text of a unit file as far as this process knows it from the store; without it every file is read. */
  readonly knownText?: (hash: FileHash) => string | undefined;
  /** What the processes of units do; without it time alone says when one has settled. */
  readonly activity?: Activity;
  /** Asked once, when the agent is stopped. */
  readonly onStop: (signal: AbortSignal) => Promise<OnStop>;
  /** How long leaving waits for units to stop before it leaves all the same. */
  readonly stopTimeoutMs: number;
  readonly report: AgentReport;
  /** Rings when the facts have changed (SIGHUP); may be left out. */
  readonly refresh?: Bell;
}

/** Works until the signal is aborted, then leaves or not, and resolves. Rejects on a bug. */
export async function runAgent(needs: AgentNeeds, signal: AbortSignal): Promise<void> {
  const { clock, random, log, report, store, runner } = needs;
  const { id: machine, bootId } = needs.facts();
  const bell = createBell();
  const presence = createPresence({ ...needs, trouble: () => report.trouble, onRenewed: () => fences.extend() });
  const troubles = createTroubles({ runner, clock, log, report, onChange: presence.refresh });
  const fences = createFences({ store, clock, machine, presence, fence: runner.fence });
  const assignments = followAssignments({ ...needs, store: needs.trust.trusted(store) }, machine, () => {
    report.assignmentsKnown = true;
    bell.wake();
  });
  report.steadySinceMs = presence.steadySinceMs;
  presence.subscribe(() => {
    const before = report.presence;
    report.presence = presence.state();
    fences.extend();
    // It is told with every renewal of the lease; a pass follows only when something is different.
    if (report.presence !== before) bell.wake();
  });
  const reporter = createReporter({ store, clock, presence, machine, ttlMs: needs.ttlMs, report });
  needs.trust.subscribe(reporter.forget);
  const book = createCareBook({ memory: needs.memory, bootId, log });
  await book.recall();
  const attendance = createAttendance({ book, probe: needs.probe, clock, random, bell });
  const portWatch = createPortWatch({ facts: needs.portFacts, clock, log, tell: reporter.updatePorts, changed: () => bell.wake() });
  const settling = createSettling({ clock, ...(needs.activity && { activity: needs.activity }), changed: () => bell.wake() });
  const finished = createFinished(needs.memory, log);
  await finished.recall();
  const copy = createLocalCopy({ memory: needs.memory, clock, log, bootId });
  const files = createUnitFiles(needs);
  const cold = createColdStart(await copy.recall(), { clock, log, bell, files, bootId, isKnown: assignments.known });
  const passNeeds: PassNeeds = {
    runner, clock, random, log, reporter, report, bell, finished, problems: createProblemBook(random), files,
    attendance, portWatch, fences, fenceStops: createFenceStops(clock), copy, troubles, settling,
    stillness: createStillness(clock),
  };
  const loops = { needs, presence, passNeeds };
  // What has to go on while units are stopped ends only when the agent has left.
  await untilFirstEnds([
    (over) => presence.run(over),
    (over) => reporter.run(over),
    (over) => assignments.run(over),
    (over) => followRunner(passNeeds, over),
    (over) => passRefreshOn(needs, presence, over),
    (over) => attendance.run(over),
    (over) => portWatch.run(over),
    (over) => settling.run(over),
    (over) => copy.run(over),
    (over) => cold.run(over),
    (over) => workAndLeave({ ...loops, assignments, cold, asked: signal }, over),
  ], new AbortController().signal);
}

interface Loops {
  readonly needs: AgentNeeds;
  readonly presence: Presence;
  readonly passNeeds: PassNeeds;
}

interface Working extends Loops {
  readonly assignments: Assignments;
  readonly cold: ColdStart;
  readonly asked: AbortSignal;
}

/** Brings about what is assigned until `asked` is aborted; then does as onStop says. */
async function workAndLeave(
  { needs, presence, passNeeds, assignments, cold, asked }: Working,
  signal: AbortSignal,
): Promise<void> {
  const working = AbortSignal.any([asked, signal]);
  const wishes = wishesOf(assignments, presence, cold);
  await bringAbout(passNeeds, wishes, working).catch((error: unknown) => {
    if (!working.aborted) throw error;
  });
  if (signal.aborted || await askOnStop(needs) === 'keep') return;
  needs.log.info('leaving the cluster: stopping the units of this machine');
  await presence.leave(await stopUnits({ needs, presence, passNeeds }, signal));
}

function wishesOf(assignments: Assignments, presence: Presence, cold: ColdStart): Wishes {
  let hasJoined = false;
  return {
    assignments(): ReadonlyMap<UnitName, Assignment> | null {
      const { state } = presence.state();
      hasJoined ||= state === 'present';
      // Whose id another machine has may be looking at the other's assignments.
      if (state === 'taken') return null;
      return assignments.known() ? (hasJoined ? assignments.current() : null) : cold.assignments();
    },
    source: () => (assignments.known() ? 'store' : 'disk'),
    untouched: assignments.unreadable,
    drainMsMax: limits.drainMsMax,
    isOver: () => false,
  };
}

async function askOnStop({ clock, log, onStop }: AgentNeeds): Promise<OnStop> {
  try {
    return await withDeadline({ clock, limitMs: onStopMsMax }, onStop);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    log.warning(`cannot find out whether to leave the cluster, leaving units alone: ${why}`);
    return 'keep';
  }
}

/** Stops and unloads all units, as if nothing were assigned any more; answers whether none is left. */
async function stopUnits({ needs, passNeeds }: Loops, signal: AbortSignal): Promise<boolean> {
  let isEmpty = false;
  const none: Wishes = {
    assignments: () => new Map(), source: () => 'leaving', untouched: () => new Set(), drainMsMax: needs.stopTimeoutMs * drainShareOfStop,
    isOver(observations) {
      isEmpty = observations.size === 0;
      return [...observations.values()].every(isForeign);
    },
  };
  try {
    await withDeadline({ clock: needs.clock, limitMs: needs.stopTimeoutMs, signal }, (late) => bringAbout({ ...passNeeds, finished: unconcerned }, none, late));
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof DeadlineExceeded)) throw error;
    needs.log.warning('some units have not stopped in time; leaving the cluster all the same', { afterMs: needs.stopTimeoutMs });
  }
  return isEmpty;
}

/** Rings the bell for every change the runner tells of. */
async function followRunner({ runner, bell, clock, random, log }: PassNeeds, signal: AbortSignal): Promise<void> {
  const backoff = createBackoff({ firstMs: firstRetryMs, maxMs: longestRetryMs }, random);
  for (;;) {
    try {
      for await (const _names of runner.changes(signal)) {
        backoff.reset();
        bell.wake();
      }
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof RunnerUnavailable)) throw error;
      log.debug(`the runner's changes ended, following them again: ${error.message}`);
    }
    await clock.sleep(backoff.nextMs(), signal);
  }
}

/** Has presence put the record again whenever the facts are said to have changed. */
async function passRefreshOn({ refresh }: AgentNeeds, presence: Presence, signal: AbortSignal): Promise<void> {
  const bell = refresh ?? createBell();
  for (;;) {
    await bell.wait(signal);
    presence.refresh();
  }
}
