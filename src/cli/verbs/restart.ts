/**
 * `fleetctl restart`: units run again from the start, where they are.
 * Promises: ends with 0 only when every unit runs in the new restart generation, a global one on all of its machines.
 * (fleet 1.0 printed that without restarting anything.)
 */
import { goalOf } from '../goal.ts';
import { applyInParts } from '../lower.ts';
import { pickUnits, readUnitArguments } from '../names.ts';
import { waitAndReport } from '../report.ts';
import { complain, exitCodes, print } from '../session.ts';
import type { Session } from '../session.ts';

export async function run(session: Session): Promise<number> {
  if (session.words.length === 0) {
    complain(session, 'No units given');
    return exitCodes.done;
  }
  const read = readUnitArguments(session.words);
  if (!read.ok) {
    complain(session, read.failure.message);
    return exitCodes.failed;
  }
  const { units } = await session.client.units(session.environment.interrupted);
  const { found, missing } = pickUnits(read.value, units, (unit) => unit.desired !== 'inactive');
  const [firstMissing] = missing;
  if (firstMissing !== undefined) {
    // fleet 1.0's sentence, though restart never creates a unit.
    complain(session, `Error creating units: unable to find Unit(${firstMissing}) in Registry or on filesystem`);
    return exitCodes.failed;
  }
  const inactive = found.find((unit) => unit.desired === 'inactive');
  if (inactive !== undefined) {
    complain(session, `Unable to restart unit ${inactive.name} in state inactive`);
    return exitCodes.failed;
  }
  const answer = await applyInParts(session, found, { desired: 'launched', restart: true });
  if (!session.flags.isOn('no-block')) {
    const goals = answer.units.map((unit) => ({ ...goalOf(unit), unchanged: false }));
    return (await waitAndReport(session, goals, answer.revision)).exitCode;
  }
  for (const unit of answer.units) print(session, `Triggered ${unit.global ? 'global ' : ''}unit ${unit.name} restart`);
  return exitCodes.done;
}
