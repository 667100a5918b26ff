/**
 * What start and load have in common: submit what is missing, ask for a state, wait for it.
 * Promises: fleet 1.0's lines; global units are triggered and not waited for.
 */
import { goalOf } from './goal.ts';
import { releaseEach } from './replace-running.ts';
import { waitAndReport } from './report.ts';
import { complain, exitCodes, print } from './session.ts';
import type { Session } from './session.ts';
import { submitUnits } from './submission.ts';

/** Which verb this is, and the state it is about. */
export interface Launch {
  readonly verb: 'start' | 'load';
  readonly desired: 'launched' | 'loaded';
}

/** Brings the units named by the words of the command to a state. */
export async function launchUnits(session: Session, launch: Launch): Promise<number> {
  if (session.words.length === 0) {
    complain(session, 'No units given');
    return exitCodes.done;
  }
  const submitted = await submitUnits(session, { desired: launch.desired, replace: session.flags.isOn('replace') });
  if (!submitted.ok) {
    complain(session, submitted.failure.message);
    return exitCodes.failed;
  }
  const { revision } = submitted.value;
  // A replacement that was refused leaves the unit as it was: there is nothing to wait for.
  const units = submitted.value.units.filter((unit) => unit.desired === launch.desired);
  const noBlock = session.flags.isOn('no-block');
  for (const unit of units) {
    const isSame = unit.before === launch.desired && unit.content !== 'replaced';
    if (isSame) continue;
    if (unit.global) print(session, `Triggered global unit ${unit.name} ${launch.verb}`);
    else if (noBlock) print(session, `Triggered unit ${unit.name} ${launch.verb}`);
  }
  const { running } = submitted.value;
  if (noBlock) return releaseEach(session, running);
  const goals = units.filter((unit) => !unit.global).map(goalOf);
  const { exitCode } = await waitAndReport(session, goals, revision);
  return exitCode === exitCodes.done ? releaseEach(session, running) : exitCode;
}
