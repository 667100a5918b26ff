/**
 * A run: a cluster of machines with the real engine, agent, mirror and API logic, on one thread and a clock that is
 * moved by hand; a scenario happens to it, then faults stop and it has to come to rest. Checkers look at every step.
 * Promises: the same scenario gives the same run; it ends at the first promise that is broken.
 */
import { createRun } from './run.ts';
import type { Breach, Run, RunOptions } from './run.ts';
import { eventKinds } from './scenario.ts';
import type { Scenario } from './scenario.ts';
import { unsettled } from './settled.ts';

/**
 * How long after the end of all faults a cluster may need: a hold, a stop that hangs, a leader that is stuck, longest
 * retries.
 */
const restMsMax = 600_000;
/** How long something that was sent in bad weather may still be on its way when faults have stopped. */
const onTheWayMsMax = 25_000;
/** How often it is looked whether it has come to rest. */
const lookEveryMs = 500;
/** For how long it must then stay as it is. */
const quietMs = 61_000;

export interface RunResult {
  readonly breach: Breach | null;
  /** Virtual time of the run. */
  readonly lengthMs: number;
  /** Calls of all processes to store and runners. */
  readonly calls: number;
  /** Those of them that were made before faults stopped. */
  readonly callsInTrouble: number;
  readonly revisions: number;
}

export async function simulate(scenario: Scenario, options: RunOptions = {}): Promise<RunResult> {
  const run = createRun(scenario, options);
  const { clock, chronicle, fates } = run;
  const following = new AbortController();
  const followed = chronicle.run(following.signal).catch((error: unknown) => {
    if (!following.signal.aborted) throw error;
  });
  await clock.settle();
  for (const machine of run.machines) machine.start();
  await happen(run, scenario);
  const callsInTrouble = fates.calls();
  if (run.breach() === null) await comeToRest(run);
  for (const machine of run.machines) machine.powerOff();
  following.abort();
  run.world.server.data.close();
  await followed;
  return {
    breach: run.breach(),
    lengthMs: clock.uptimeMs(),
    calls: fates.calls(),
    callsInTrouble,
    revisions: chronicle.revision(),
  };
}

/**
 * Moves time until the condition holds or a promise is broken, looking after every step; false when the time was not
 * enough.
 */
async function moveUntil({ clock, step, breach }: Run, holds: () => boolean, limitMs: number): Promise<boolean> {
  let held = false;
  const over = new AbortController();
  const untilMs = clock.uptimeMs() + limitMs;
  void clock.sleep(limitMs, over.signal).catch(() => undefined); // So that there is a step at the limit.
  await clock.runUntil(() => {
    step();
    held = holds();
    return held || breach() !== null || clock.uptimeMs() >= untilMs;
  }, limitMs + 1);
  over.abort();
  return held;
}

/** Lets the events of a scenario happen, each at its time. */
async function happen(run: Run, { events, troubleMs }: Scenario): Promise<void> {
  for (const event of events) {
    await moveUntil(run, () => false, event.atMs - run.clock.uptimeMs());
    if (run.breach() !== null) return;
    const done = eventKinds[event.kind]?.begin(run.world, event.dice) ?? null;
    run.tell.event(`event ${String(event.number)}, ${event.kind}: ${done ?? 'cannot be done now'}`);
  }
  await moveUntil(run, () => false, troubleMs - run.clock.uptimeMs());
}

/** Ends all faults, waits until everything is as it should be, and that it stays so. */
async function comeToRest(run: Run): Promise<void> {
  const { chronicle, clock } = run;
  run.endFaults();
  run.tell.event('faults have stopped');
  let nextLookMs = clock.uptimeMs() + onTheWayMsMax;
  const isSettled = await moveUntil(
    run,
    () => {
      if (clock.uptimeMs() < nextLookMs) return false;
      nextLookMs = clock.uptimeMs() + lookEveryMs;
      return unsettled(run).length === 0;
    },
    restMsMax,
  );
  if (run.breach() !== null) return;
  if (!isSettled) {
    const left = unsettled(run).slice(0, 5).join('; ');
    run.break('comes-to-rest', `${restMsMax / 1_000} s after the last fault: ${left}`);
    return;
  }
  const before = chronicle.snapshot().assignments;
  await moveUntil(run, () => chronicle.snapshot().assignments !== before, quietMs);
  if (chronicle.snapshot().assignments !== before)
    run.break('comes-to-rest', 'something is decided although nothing happens');
  run.tell.rest();
}
