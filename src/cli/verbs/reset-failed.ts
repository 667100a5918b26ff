/**
 * `fleetctl reset-failed`: the failures of units are forgotten, and what fleet waits for before it tries them again ends.
 * Promises: nothing is started or stopped; ends with 0 once every machine of the units has done it; with no failed unit there is
 * nothing to do, which is no error.
 */
import { failedUnits } from '../failed-units.ts';
import { resetGoal } from '../goal.ts';
import { pickUnits, readUnitArguments } from '../names.ts';
import { waitAndReport } from '../report.ts';
import { complain, exitCodes, print, whoAsks } from '../session.ts';
import type { Session } from '../session.ts';
import { inRequests } from '../submission.ts';
import type { ResetUnit } from '../../protocol/v2.ts';

export async function run(session: Session): Promise<number> {
  const { client, environment, flags } = session;
  const names = await namesOf(session);
  if (names === null) return exitCodes.failed;
  const by = whoAsks(session);
  const reset: ResetUnit[] = [];
  let revision = 0;
  for (const part of inRequests(names.map((name) => ({ name })))) {
    const answer = await client.resetFailed({ names: part.map(({ name }) => name), by }, environment.interrupted);
    reset.push(...answer.units);
    revision = answer.revision;
  }
  if (!flags.isOn('no-block')) return (await waitAndReport(session, reset.map(resetGoal), revision)).exitCode;
  for (const { name } of reset) print(session, `Triggered unit ${name} reset`);
  return exitCodes.done;
}

/** The units that are meant; null when a word means none, which has been said. */
async function namesOf(session: Session): Promise<readonly string[] | null> {
  const { client, environment, words } = session;
  const read = readUnitArguments(words);
  if (!read.ok) {
    complain(session, read.failure.message);
    return null;
  }
  const { units } = await client.units(environment.interrupted);
  if (words.length === 0) {
    const { statuses } = await client.statuses(environment.interrupted);
    const known = new Set(units.map(({ name }) => name));
    return [...new Set(failedUnits(statuses, units).map(({ name }) => name))].filter((name) => known.has(name));
  }
  const { found, missing } = pickUnits(read.value, units, ({ template }) => !template);
  const [firstMissing] = missing;
  if (firstMissing === undefined) return found.map(({ name }) => name);
  complain(session, `Error resetting units: unable to find Unit(${firstMissing}) in Registry`);
  return null;
}
