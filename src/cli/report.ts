/**
 * Waits for what a command asked for and tells how it went, unit by unit, as it comes.
 * Promises: fleet 1.0's lines on stdout for what was reached; for everything else the reason on stderr: the result and
 * the last log lines of a unit that failed, the verdict of each machine on one that fits nowhere; Ctrl-C ends the wait,
 * not the request.
 */
import { ApiError, Unreachable } from '../client/errors.ts';
import { machineLabel } from './columns.ts';
import type { Goal } from './goal.ts';
import { complain, exitCodes, print } from './session.ts';
import type { Session } from './session.ts';
import { waitForGoals } from './wait.ts';
import type { Outcome } from './wait.ts';

/** One attempt of fleet 1.0's --block-attempts. */
const attemptMs = 2_000;
/** Lines of journal shown of a unit that failed, and of how many units. */
const logLines = 10;
const loggedUnitsMax = 5;

/** How a wait went. */
export interface Waited {
  readonly exitCode: number;
  /** Units that are where they were wanted and were not before. */
  readonly reached: readonly string[];
}

/** Waits for all goals as the flags say, and prints each outcome. */
export async function waitAndReport(session: Session, goals: readonly Goal[], atLeast: number): Promise<Waited> {
  const { environment, client, flags } = session;
  const signal = environment.interrupted;
  const attempts = flags.number('block-attempts');
  const reached: string[] = [];
  let failures = 0;
  const onOutcomes = async (outcomes: readonly Outcome[]): Promise<void> => {
    // Written at once: each writing takes as long as all else about a unit.
    const lines: string[] = [];
    for (const outcome of outcomes) {
      if (outcome.kind === 'reached') {
        if (!outcome.atOnce) reached.push(outcome.goal.name);
        lines.push(...sayReached(outcome));
        continue;
      }
      printAll(session, lines.splice(0));
      failures += 1;
      await tellFailure(session, outcome, failures <= loggedUnitsMax);
    }
    printAll(session, lines);
  };
  const onNote = (note: string): void => complain(session, `Waiting for ${note}`);
  const limitMs = attempts === 0 ? null : attempts * attemptMs;
  try {
    await waitForGoals({ client, clock: environment.clock, atLeast, limitMs, onOutcomes, onNote }, goals, signal);
  } catch (error) {
    if (signal.aborted) {
      complain(
        session,
        'Interrupted: the request stands, only the wait for it has ended; "fleetctl list-units" shows how it goes on',
      );
      return { exitCode: exitCodes.interrupted, reached };
    }
    if (!(error instanceof Unreachable)) throw error;
    complain(
      session,
      `Error waiting for units: ${error.message}; the request is stored, "fleetctl list-units" shows how it goes on`,
    );
    return { exitCode: exitCodes.failed, reached };
  }
  return { exitCode: failures === 0 ? exitCodes.done : exitCodes.failed, reached };
}

function printAll(session: Session, lines: readonly string[]): void {
  if (lines.length > 0) print(session, lines.join('\n'));
}

/** fleet 1.0's lines about a unit that is where it was wanted. */
function sayReached({ goal, places, atOnce }: Outcome & { kind: 'reached' }): readonly string[] {
  if (atOnce || goal.generation === null) return [];
  const { name, desired, reset } = goal;
  if (places.length === 0) return [`Unit ${name} ${reset === null ? 'inactive' : 'reset'}`];
  return places.map((place) => `Unit ${name} ${reset === null ? desired : 'reset'} on ${machineLabel(place)}`);
}

async function tellFailure(
  session: Session,
  outcome: Exclude<Outcome, { kind: 'reached' }>,
  withLog: boolean,
): Promise<void> {
  const { goal } = outcome;
  switch (outcome.kind) {
    case 'failed':
      for (const place of outcome.places) {
        const hint = goal.unchanged ? `; "fleetctl restart ${goal.name}" tries again` : '';
        complain(session, `Unit ${goal.name} on ${machineLabel(place)}: ${outcome.why}${hint}`);
        if (withLog) await tellLog(session, goal.name, place.id);
      }
      return;
    case 'unplaced': {
      const why = outcome.explanation?.summary ?? `"fleetctl explain ${goal.name}" says why`;
      complain(session, `Unit ${goal.name} is on no machine: ${why}`);
      for (const machine of outcome.explanation?.machines ?? [])
        complain(session, `  ${machineLabel(machine)}: ${machine.why}`);
      return;
    }
    case 'superseded':
      return complain(session, `Unit ${goal.name}: ${outcome.why}, so this command no longer waits for it`);
    case 'late': {
      const lead = `Error waiting for units: timed out waiting for unit ${goal.name} to report state ${goal.reset === null ? goal.desired : 'reset'}`;
      return complain(session, `${lead}: ${outcome.why}`);
    }
  }
}

/** The last lines a unit has logged. That they cannot be had must not hide that the unit failed. */
async function tellLog(session: Session, name: string, machine: string): Promise<void> {
  const query = { name, machine, lines: logLines, follow: false, output: 'short' };
  try {
    let text = '';
    for await (const chunk of session.client.journal(query, session.environment.interrupted)) text += chunk;
    for (const line of text
      .split('\n')
      .filter((each) => each !== '')
      .slice(-logLines))
      complain(session, `  ${line}`);
  } catch (error) {
    if (!(error instanceof ApiError) && !(error instanceof Unreachable)) throw error;
    complain(session, `  (its log cannot be read: ${error.message})`);
  }
}
